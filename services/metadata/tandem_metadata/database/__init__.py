"""The database: connections, transactions, tables, revisions, indexes, and what its faults mean."""

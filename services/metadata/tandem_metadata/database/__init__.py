"""The database: connections, transactions, tables, revisions, indexes, and what its faults mean."""

from sqlalchemy import Connection

__all__ = ["Connection"]

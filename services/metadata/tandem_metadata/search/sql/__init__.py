"""Searches as SQL: conditions, orders, page tokens, index scans."""

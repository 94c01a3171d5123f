"""The SQL, one module a resource; functions take a connection first and never commit."""

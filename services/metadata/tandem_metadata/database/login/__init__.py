"""How connections to PostgreSQL log in where a cloud gives tokens instead of a password."""

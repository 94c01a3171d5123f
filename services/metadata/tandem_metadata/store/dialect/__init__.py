"""What SQLite and PostgreSQL do differently, behind one function each."""

"""How requests keep their rate while a database grows: `make bench-growth`."""

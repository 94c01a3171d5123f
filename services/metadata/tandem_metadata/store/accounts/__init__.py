"""Users, their roles and grants, and their tokens."""

"""Experiments and runs, and what is logged to them, in the database."""

"""Logged models in the database."""

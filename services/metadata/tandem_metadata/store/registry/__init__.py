"""Registered models, their versions, tags and aliases in the database."""

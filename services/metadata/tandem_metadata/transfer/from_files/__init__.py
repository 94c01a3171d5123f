"""Writes what a file store holds into a database."""

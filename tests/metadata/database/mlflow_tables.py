"""The tables that MLflow made at revision 3da73c924c2f, as dumped from databases of its own."""

import sqlite3
from pathlib import Path

import psycopg

REVISION = "3da73c924c2f"
_SCHEMA = Path(__file__).parent / "schema"
_STAMP = f"INSERT INTO alembic_version VALUES ('{REVISION}')"


def load(uri: str) -> None:
    """Make them in an empty database, and stamp it."""
    if uri.startswith("sqlite"):
        conn = sqlite3.connect(uri.removeprefix("sqlite:///"))
        conn.executescript((_SCHEMA / f"sqlite-{REVISION}.sql").read_text() + _STAMP)
        conn.close()
        return
    with psycopg.connect(uri) as connection:
        connection.execute((_SCHEMA / f"postgresql-{REVISION}.sql").read_bytes())
        connection.execute(_STAMP)

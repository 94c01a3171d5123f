"""The tables of MLflow at revision 3da73c924c2f, dumped, and its migrations from there on."""

import sqlite3
from pathlib import Path

import mlflow.store.db_migrations
import psycopg
from alembic import command
from alembic.config import Config

from tandem_metadata.database.address import parse_url

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


def upgrade(uri: str, revision: str) -> None:
    """Bring a database to a later revision."""
    config = Config()
    scripts = Path(mlflow.store.db_migrations.__file__).parent
    config.set_main_option("script_location", str(scripts))
    driver = parse_url(uri).render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", driver)
    command.upgrade(config, revision)

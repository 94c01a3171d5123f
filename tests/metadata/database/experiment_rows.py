"""Experiments as rows, for tests of connections and transactions."""

from sqlalchemy import Connection, select

from tandem_metadata.database import tables
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.tracking import experiments


def names(conn: Connection) -> list[str]:
    return list(conn.execute(select(experiments.c.name).order_by(experiments.c.experiment_id)))


def add(conn: Connection, name: str) -> None:
    conn.execute(tables.insert(conn, experiments).values(name=name))


def count(database: Database) -> int:
    with database.read() as conn:
        return len(names(conn))

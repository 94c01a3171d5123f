"""Adds the indexes of `db optimize` beside MLflow's, or drops them, and gathers statistics.

PostgreSQL builds and drops indexes concurrently, outside any transaction, so nobody waits. On
SQLite each index is one transaction, for which other writers wait. A later call rebuilds an index
that an earlier one left unfinished.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import Connection, exc, inspect, text

from tandem_metadata.database import creation, indexes, revisions
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import sqlstate
from tandem_metadata.database.indexes import Index
from tandem_shared.settings import SettingsError

Say = Callable[[str], None]

_LOCK: Final = 0x7461_6E64_656E  # key of an advisory lock: the migration's plus one
_SEARCHED: Final = ("runs", "latest_metrics", "params", "tags", "experiments")
_SAMPLED: Final = 1_000  # entries that SQLite reads of an index for its statistics

# No parameters: a statement with parameters keeps its snapshot until the next statement, and
# CREATE INDEX CONCURRENTLY waits for that snapshot.
_TRY_LOCK: Final = f"SELECT pg_try_advisory_xact_lock({_LOCK})"
_SIZE: Final = text("SELECT pg_relation_size(to_regclass(:name))")


def add(database: Database, say: Say) -> None:
    """Add the indexes that are missing, and gather statistics for the planner.

    Calls `say` with a sentence for each step. Raises SettingsError for a revision that is not
    supported, for a role that may not do it, and while another process does it.
    """
    with _alone(database):
        for index in _of(database):
            _add(database, index, say)
        began = time.monotonic()
        with _changing(database) as conn:
            _gather(conn)
        say(f"Gathered statistics in {_since(began)}.")


def drop(database: Database, say: Say) -> None:
    """Drop the indexes that are there; says and raises as `add` does."""
    with _alone(database):
        for index in _of(database):
            if not _exists(database, index):
                say(f"{index.name} is not there; nothing to do.")
                continue
            _drop(database, index)
            say(f"Dropped {index.name}.")


def _of(database: Database) -> list[Index]:
    with database.read() as conn:
        return indexes.of(conn)


def _add(database: Database, index: Index, say: Say) -> None:
    with database.read() as conn:
        if indexes.is_there(conn, index):
            say(f"{index.name} is there already; nothing to do.")
            return
    if _exists(database, index):
        _drop(database, index)
        say(f"Dropped {index.name}, which an earlier attempt left unfinished.")
    say(f"Adding {index.name} to {index.table} ...")
    began = time.monotonic()
    with _changing(database) as conn:
        concurrently = "" if conn.dialect.name == "sqlite" else "CONCURRENTLY "
        conn.exec_driver_sql(f"CREATE INDEX {concurrently}{index.definition(conn.dialect.name)}")
    say(f"Added {index.name} in {_since(began)}{_size(database, index)}.")


def _drop(database: Database, index: Index) -> None:
    with _changing(database) as conn:
        concurrently = "" if conn.dialect.name == "sqlite" else "CONCURRENTLY "
        conn.exec_driver_sql(f"DROP INDEX {concurrently}IF EXISTS {index.name}")


def _gather(conn: Connection) -> None:
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(f"PRAGMA analysis_limit = {_SAMPLED}")
        for table in _SEARCHED:
            conn.exec_driver_sql(f"ANALYZE {table}")
        return
    for statement in creation.EXTENDED_STATISTICS_DDL:
        conn.exec_driver_sql(statement)
    # VACUUM sets the visibility map, which index-only scans need.
    conn.exec_driver_sql("VACUUM (ANALYZE) runs, latest_metrics")
    conn.exec_driver_sql(f"ANALYZE metrics, {', '.join(_SEARCHED)}")


def _exists(database: Database, index: Index) -> bool:
    """Whether there is an index of that name, complete or not."""
    with database.read() as conn:
        found = inspect(conn).get_indexes(index.table)
    return any(each["name"] == index.name for each in found)


def _size(database: Database, index: Index) -> str:
    if database.dialect == "sqlite":
        return ""
    with database.read() as conn:
        size = conn.execute(_SIZE, {"name": index.name}).scalar_one()
    return f", {size / 2**20:.0f} MiB"


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"


@contextlib.contextmanager
def _changing(database: Database) -> Iterator[Connection]:
    """A connection that may change indexes: in a transaction on SQLite, in none on PostgreSQL."""
    opened = database.write() if database.dialect == "sqlite" else database.read()
    try:
        with opened as conn:
            yield conn
    except exc.ProgrammingError as error:
        if sqlstate(error) != revisions.INSUFFICIENT_PRIVILEGE:
            raise
        raise SettingsError(
            "The role of --backend-store-uri may not add or drop indexes: run `tandem-metadata db "
            "optimize` with the role that owns the tables."
        ) from error


@contextlib.contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Let one process at a time do this on PostgreSQL: it would drop another's unfinished index.

    The lock is tried, not waited for. CREATE INDEX CONCURRENTLY waits for older statements, also
    for one that waits for this lock: a deadlock.
    """
    with database.read() as conn:
        revisions.check(revisions.current(conn), conn)
    if database.dialect == "sqlite":
        yield
        return
    with database.write() as conn:
        if not conn.exec_driver_sql(_TRY_LOCK).scalar_one():
            raise SettingsError("Another `db optimize` is at work on this database; let it end.")
        yield

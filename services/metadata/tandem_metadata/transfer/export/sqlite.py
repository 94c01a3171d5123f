"""A database of SQLite, as MLflow opens it, with what is exported."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import JSON, URL, Connection, create_engine, inspect

from tandem_metadata.database import creation, known_revisions
from tandem_metadata.database.head import HEAD
from tandem_metadata.database.tables.deliveries import OWN
from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.transfer.export import legacy_traces, reading
from tandem_metadata.transfer.export.conditions import Conditions
from tandem_metadata.transfer.export.selection import Selection

REVISION: Final = known_revisions.HEAD
"""The revision of the databases that are made."""

_INDEXES: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
_FETCHED: Final = 10_000
_ORPHANS_AT_ONCE: Final = 10_000


@dataclass(slots=True)
class Exported:
    """What an export has written."""

    rows: dict[str, int] = field(default_factory=dict)
    """Numbers of rows by table, of tables that have any."""
    orphans: dict[str, int] = field(default_factory=dict)
    """Rows that were left out because what they belong to does not exist, by table."""
    unknown: list[str] = field(default_factory=list)
    """Columns that were left out because MLflow's newest revision does not have them."""


def write(
    source: Connection,
    path: Path,
    chosen: Selection,
    progress: Callable[[str, int], None] = lambda _, __: None,
) -> Exported:
    """Make a database at `path`, where nothing is, with all that is chosen.

    It is at the newest revision that Tandem knows, whatever the source's is. `source` is the
    connection of `Database.snapshot`. `progress` is told a table and its rows so far. A whole
    export has the registry too; none has accounts, webhooks, secrets or jobs. Raises what the
    drivers raise.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as conn:
            # Nobody sees the file before it is complete.
            conn.exec_driver_sql("PRAGMA journal_mode = OFF")
            conn.exec_driver_sql("PRAGMA synchronous = OFF")
            creation.create(conn)
            OWN.create_all(conn)
            target: Any = conn.connection.driver_connection
            target.execute("BEGIN")
            # Of many rows an index is made faster at once than row by row.
            indexes = target.execute(_INDEXES).fetchall()
            for name, _ in indexes:
                target.execute(f"DROP INDEX {_quoted(name)}")
            exported = _copy(source, target, chosen, progress)
            for _, statement in indexes:
                target.execute(statement)
            target.execute("COMMIT")
    finally:
        engine.dispose()
    return exported


def _copy(
    source: Connection,
    target: sqlite3.Connection,
    chosen: Selection,
    progress: Callable[[str, int], None],
) -> Exported:
    exported = Exported()
    conditions = Conditions(source, chosen)
    found = _columns(source)
    for table, condition in conditions.tables().items():
        if table not in found:
            continue
        wanted = [each.name for each in HEAD.tables[table].columns if each.computed is None]
        columns = {name: found[table][name] for name in wanted if name in found[table]}
        exported.unknown += sorted(
            f"{table}.{name}" for name in found[table].keys() - HEAD.tables[table].columns.keys()
        )
        legacy = legacy_traces.span_columns(source, table, found[table])
        read = {**{name: _read(source, name, columns[name]) for name in columns}, **legacy}
        statement = f"SELECT {', '.join(read.values())} FROM {_quoted(table)} WHERE {condition}"
        batches = reading.batches(source, statement, conditions.parameters, _FETCHED)
        count = _insert(target, table, [*read], batches, progress)
        if count:
            exported.rows[table] = count
    if "trace_name" not in found.get("trace_info", {}):
        exported.unknown = [each for each in exported.unknown if each != legacy_traces.DIMENSIONS]
        legacy_traces.promote(target)
    target.execute(
        "UPDATE issues SET source_run_id = NULL "
        "WHERE source_run_id NOT IN (SELECT run_uuid FROM runs)"
    )
    exported.orphans = _drop_orphans(target)
    for table, count in exported.orphans.items():
        exported.rows[table] -= count
    return exported


def _columns(source: Connection) -> Mapping[str, Mapping[str, Any]]:
    """The type of each column of each table that a source has."""
    schema = inspect(source)
    return {
        table: {each["name"]: each["type"] for each in schema.get_columns(table)}
        for table in schema.get_table_names()
        if table in HEAD.tables
    }


def _read(source: Connection, name: str, kind: Any) -> str:
    """A column as SQLite stores it, where JSON is text."""
    is_json = isinstance(kind, JSON) and is_postgresql(source)
    return f"CAST({_quoted(name)} AS TEXT)" if is_json else _quoted(name)


def _insert(
    target: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    batches: Iterator[reading.Rows],
    progress: Callable[[str, int], None],
) -> int:
    # A new database has a workspace, which the source has as well.
    verb = "INSERT OR REPLACE" if table == "workspaces" else "INSERT"
    statement = (
        f"{verb} INTO {_quoted(table)} ({', '.join(map(_quoted, columns))}) "
        f"VALUES ({', '.join('?' for _ in columns)})"
    )
    count = 0
    for rows in batches:
        target.executemany(statement, rows)
        count += len(rows)
        progress(table, count)
    return count


def _drop_orphans(target: sqlite3.Connection) -> dict[str, int]:
    """Delete rows whose foreign keys lead nowhere, and what is then left without an owner."""
    dropped: dict[str, int] = {}
    while found := target.execute("PRAGMA foreign_key_check").fetchmany(_ORPHANS_AT_ONCE):
        for table, rowid in {(table, rowid) for table, rowid, *_ in found}:
            target.execute(f"DELETE FROM {_quoted(table)} WHERE rowid = ?", (rowid,))
            dropped[table] = dropped.get(table, 0) + 1
    return dropped


def _quoted(name: str) -> str:
    return f'"{name}"'

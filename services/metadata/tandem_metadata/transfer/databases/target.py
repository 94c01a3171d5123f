"""The database that is written: its tables, who else uses it, and whether it holds anything."""

from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import Connection, inspect, text

from tandem_metadata.database import account_tables, revisions
from tandem_metadata.database.known_revisions import KNOWN
from tandem_metadata.database.tables import accounts as account_columns
from tandem_metadata.transfer.copying import quoted
from tandem_metadata.transfer.databases import catalog, identifiers
from tandem_metadata.transfer.databases.catalog import Shape
from tandem_metadata.transfer.databases.source import FLAG, Source
from tandem_shared.settings import SettingsError

TO: Final = "--to"
"""The flag that gives the target, as messages name it."""

SEEDS: Final = {"experiments": "experiment_id = 0", "workspaces": "name = 'default'"}
"""Rows that a database has from its start."""

_VERSIONS: Final = frozenset({"alembic_version", "alembic_version_auth"})

_OTHERS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND (backend_type IS NULL OR backend_type = 'client backend')
  AND pid <> ALL (:own)"""
_OWNER: Final = """
SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(:name)"""


def prepare(conn: Connection, source: Source) -> None:
    """Make the tables of an empty target, and what the service adds to those of others.

    Raises SettingsError unless both databases are of one revision then, naming the command that
    makes them so.
    """
    revisions.create_or_check(conn)
    revisions.add_own(conn)
    found = revisions.current(conn)
    if found == source.revision:
        return
    raise SettingsError(
        f"{FLAG} is at revision {source.revision}, and {TO} at {found}: rows are taken over "
        f"between equal revisions only. {_cure(conn, source, str(found))}"
    )


def _cure(conn: Connection, source: Source, found: str) -> str:
    known = source.revision in KNOWN and found in KNOWN
    if known and KNOWN.index(source.revision) > KNOWN.index(found):
        older, address = TO, revisions.address(conn)
    else:
        older, address = FLAG, source.shown
    return (
        f"Back {older} up, and run, where the MLflow of the newer one is installed beside Tandem: "
        f"tandem-metadata db upgrade --revision head --backend-store-uri {address}"
    )


def why_accounts_stay(conn: Connection, source: Source) -> str | None:
    """None if accounts go along, else why they do not; "" if there are none.

    They go along if the source has any and the target has none.
    """
    users = account_columns.users.name
    if users not in source.shapes or not source.scalars(f"SELECT count(*) FROM {users}")[0]:
        return ""
    versions = source.all("SELECT version_num FROM alembic_version_auth")
    if [tuple(row) for row in versions] != [(account_columns.REVISION,)]:
        return (
            f"Accounts stay behind: those of {FLAG} are not of revision {account_columns.REVISION}."
        )
    there = inspect(conn)
    if there.has_table(users):
        if not account_tables.describe(conn)[0]:
            return f"Accounts stay behind: those of {TO} are of another revision."
        for name in sorted(_accounts() - _VERSIONS - identifiers.NOT_TAKEN):
            if there.has_table(name) and _has_rows(conn, name):
                return f"Accounts stay behind: {TO} has accounts of its own."
    return None


def add_accounts(conn: Connection) -> None:
    """Make the tables of accounts that are missing."""
    account_tables.prepare(conn)


def tables(
    source: Source, into: Mapping[str, Shape], *, accounts: bool, merged: bool
) -> dict[str, Shape]:
    """The tables whose rows are taken, as the source has them.

    `merged` says that the target holds rows. Raises SettingsError for a column that it lacks.
    """
    left = _VERSIONS | identifiers.NOT_TAKEN
    if not accounts:
        left |= _accounts()
    if merged:
        left |= identifiers.DERIVED | identifiers.PASSING
    chosen = {
        name: shape
        for name, shape in source.shapes.items()
        if name in into and name not in left and (into[name].key or not merged)
    }
    for name, shape in chosen.items():
        if missing := set(shape.names) - set(into[name].names):
            raise SettingsError(
                f"Table {name} of {FLAG} has columns that {TO} lacks: {', '.join(sorted(missing))}."
            )
    return chosen


def unknown(source: Source, into: Mapping[str, Shape]) -> Iterator[str]:
    """Tables of the source that hold rows and that the target does not have."""
    for name in sorted(source.shapes.keys() - into.keys() - _accounts() - _VERSIONS):
        if source.scalars(f"SELECT count(*) FROM {quoted(name)}")[0]:
            yield name


def is_empty(conn: Connection, into: Mapping[str, Shape]) -> bool:
    """Whether the target holds nothing but what a new database has, and perhaps accounts."""
    skipped = _VERSIONS | _accounts()
    return not any(
        _has_rows(conn, name, f" WHERE NOT ({SEEDS[name]})" if name in SEEDS else "")
        for name in into
        if name not in skipped
    )


def _has_rows(conn: Connection, table: str, where: str = "") -> bool:
    statement = f"SELECT EXISTS (SELECT 1 FROM {quoted(table)}{where})"
    return bool(conn.exec_driver_sql(statement).scalar())


def _accounts() -> frozenset[str]:
    from tandem_metadata.database.head import accounts  # seldom needed, and adds its tables

    return accounts.NAMES


def has_others(conn: Connection, *own: int) -> bool:
    """Whether programs are connected to PostgreSQL's database, beside connections of these pids."""
    pid = conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    found = conn.execute(text(_OTHERS), {"own": [pid, *own]})
    return bool(found.scalar_one())


def owns(conn: Connection, table: str) -> bool:
    """Whether the role may change the table's indexes."""
    return bool(conn.execute(text(_OWNER), {"name": table}).scalar())


def shapes(conn: Connection) -> dict[str, Shape]:
    """The target's tables."""
    return catalog.read(conn)

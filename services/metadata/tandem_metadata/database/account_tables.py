"""Makes the tables of accounts, or checks those that are there.

Their revision is apart from that of MLflow's other tables, in `alembic_version_auth`.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)

from tandem_metadata.database import revisions
from tandem_metadata.database.tables.accounts import ACCOUNTS, REVISION, TOKENS, users
from tandem_shared import MLFLOW_VERSION
from tandem_shared.settings import SettingsError

_VERSION: Final = Table(
    "alembic_version_auth",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_auth_pkc"),
)

_UPGRADE: Final = "python -m mlflow.server.auth db upgrade"
_CREATE: Final = "`tandem-metadata db upgrade --auth basic`"

OLDER: Final = frozenset(
    {
        "8606fa83a998",
        "2ed73881770d",
        "0965eb92f5f0",
        "a1b2c3d4e5f6",
        "c3d4e5f6a7b8",
        "e5f6a7b8c9d0",
    }
)
"""Revisions that MLflow has to upgrade first."""


def prepare(conn: Connection) -> bool:
    """Create the tables where there are none, or check MLflow's, and add Tandem's own.

    Returns whether it created any. Safe in several processes at once. Raises SettingsError as
    `check` does.
    """
    if conn.dialect.name == "postgresql":
        revisions.lock(conn)
    found = inspect(conn)
    missing = not found.has_table(users.name)
    if missing:
        from tandem_metadata.database.head import accounts  # noqa: F401 (adds its tables)

        ACCOUNTS.create_all(conn, checkfirst=False)
        _VERSION.create(conn, checkfirst=True)
        conn.execute(insert(_VERSION).values(version_num=REVISION))
    check(conn)
    if own := [table for name, table in TOKENS.tables.items() if not found.has_table(name)]:
        TOKENS.create_all(conn, own, checkfirst=False)
    return missing or bool(own)


def check(conn: Connection) -> None:
    """Raise SettingsError, naming what to do, unless MLflow's tables are of the revision in use."""
    found = _found(conn)
    if found == [REVISION]:
        return
    if not _is_older(found):
        raise SettingsError(f"The tables of accounts are {_unknown(found)}")
    raise SettingsError(
        f"The tables of accounts are {_named(found)}, and Tandem uses {REVISION}, that of MLflow "
        f"{MLFLOW_VERSION}. Back the database up, then run, where mlflow[auth]=={MLFLOW_VERSION} "
        f"is installed: {_UPGRADE} --url {revisions.address(conn)}. If the table {users.name} is "
        "another program's, give accounts a database of their own by --auth-database-uri."
    )


def why_unusable(conn: Connection) -> str | None:
    """Why accounts cannot be read from the database, as a sentence on it; None if they can.

    The sentence holds neither an address nor a password.
    """
    there = inspect(conn)
    if not there.has_table(users.name):
        return f"It has no tables of accounts yet; {_CREATE} creates them."
    found = _found(conn)
    if found != [REVISION]:
        if not _is_older(found):
            return f"Its tables of accounts are {_unknown(found)}"
        return (
            f"Its tables of accounts are {_named(found)}, older than {REVISION}; `{_UPGRADE}` of "
            f"mlflow[auth]=={MLFLOW_VERSION} upgrades them."
        )
    if missing := [name for name in TOKENS.tables if not there.has_table(name)]:
        return f"It lacks Tandem's own {', '.join(missing)}; {_CREATE} adds that."
    return None


def describe(conn: Connection) -> tuple[bool, str]:
    """Whether Tandem uses the tables of accounts, and their revision with a word on that."""
    if not inspect(conn).has_table(users.name):
        return False, "no tables yet"
    found = _found(conn)
    supported = found == [REVISION]
    return supported, f"{_named(found)} ({'' if supported else 'not '}supported)"


def _found(conn: Connection) -> list[str]:
    if not inspect(conn).has_table(_VERSION.name):
        return []
    return [*conn.execute(select(_VERSION.c.version_num)).scalars()]


def _is_older(found: Sequence[str]) -> bool:
    """Whether MLflow can upgrade the tables; before 3.6 it gave them no revision."""
    return not found or OLDER.issuperset(found)


def _named(found: Sequence[str]) -> str:
    return f"at revision {', '.join(found)}" if found else "without a revision"


def _unknown(found: Sequence[str]) -> str:
    return (
        f"{_named(found)}, which this version of Tandem does not know: use a newer Tandem, or "
        "restore a backup."
    )

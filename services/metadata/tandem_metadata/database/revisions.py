"""The revisions of MLflow's schema: which of them Tandem uses, and how an empty database gets one.

The revision of a database is the one row of its table `alembic_version`.
"""

import logging
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, exc, inspect, text

from tandem_metadata.database import fitness, widening
from tandem_metadata.database.faults import sqlstate
from tandem_metadata.database.known_revisions import FIRST, KNOWN, OLDER
from tandem_metadata.database.tables.deliveries import OWN
from tandem_shared import MLFLOW_VERSION
from tandem_shared.clock import now_ms
from tandem_shared.settings import SettingsError

UPGRADE: Final = "`tandem-metadata db upgrade`"

INSUFFICIENT_PRIVILEGE: Final = "42501"  # SQLSTATE

_SHOWN: Final = 3
"""What does not fit is named up to this number."""

_warned: Final[set[str]] = set()
_log = logging.getLogger("tandem.db")

_LOCK = 0x7461_6E64_656D  # "tandem": the key of PostgreSQL's advisory lock
_DEFAULT_EXPERIMENT = text(
    "INSERT INTO experiments"
    " (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)"
    " VALUES (0, 'Default', :location, 'active', :now, :now)"
    " ON CONFLICT DO NOTHING"
)


def current(conn: Connection) -> str | None:
    """The database's revision; None if it has none.

    Raises SettingsError if `alembic_version` holds several.
    """
    found = _found(conn)
    if len(found) > 1:
        raise SettingsError(
            "The database names several revisions in its table alembic_version: a migration of "
            "MLflow's did not end. Restore a backup."
        )
    return found[0] if found else None


def _found(conn: Connection) -> Sequence[str]:
    if not inspect(conn).has_table("alembic_version"):
        return []
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalars().all()


def is_empty(conn: Connection) -> bool:
    """Whether the database has no tables but, perhaps, Alembic's own, and those of accounts."""
    found = set(inspect(conn).get_table_names()) - {"alembic_version"}
    if "alembic_version_auth" in found:
        from tandem_metadata.database.head import accounts  # seldom needed

        found -= accounts.NAMES
    return not found


def is_ready(conn: Connection) -> bool:
    """Whether `prepare` has nothing to do; raises as `check` does for tables that it refuses."""
    revision = current(conn)
    if revision is None:
        return False
    check(revision, conn)
    return _has_own(conn) and has_default(conn) and not widening.is_due(conn)


def describe(revision: str | None, conn: Connection) -> tuple[bool, str]:
    """Whether Tandem uses a database of that revision, and the revision with a word on that."""
    if revision is None:
        return False, "no revision (not supported)"
    if revision in KNOWN:
        return True, f"{revision} (supported)"
    if revision in OLDER:
        return False, f"{revision} (not supported: older than {FIRST})"
    if found := fitness.misfits(conn):
        return False, f"{revision} (not supported: {some(found)})"
    return True, f"{revision} (not known, but its tables fit: supported)"


def has_default(conn: Connection) -> bool:
    """Whether experiment 0 is there; the tables must be."""
    found = conn.execute(text("SELECT 1 FROM experiments WHERE experiment_id = 0"))
    return found.first() is not None


def why_unusable(conn: Connection) -> str | None:
    """Why the service cannot use the database, as a sentence about it; None if it can.

    The sentence names the revision that was found, and holds neither an address nor a password.
    """
    revision, why = _look(conn)
    if why or revision is None:
        return why
    if not _has_own(conn):
        return (
            f"It is at revision {revision}, which is supported, but lacks Tandem's own "
            f"{', '.join(OWN.tables)}; {UPGRADE} adds that."
        )
    _warn_of_unknown(revision)
    return None


def lacks_only_own(conn: Connection) -> bool:
    """Whether MLflow's tables fit, and nothing is missing but Tandem's own, as `prepare` adds."""
    _, why = _look(conn)
    return why is None and not _has_own(conn)


def _look(conn: Connection) -> tuple[str | None, str | None]:
    """The revision, and why MLflow's tables cannot be used; None for the one that is not so."""
    found = _found(conn)
    if not found:
        if is_empty(conn):
            return None, f"It has no tables yet; {UPGRADE} creates them."
        found = _found(conn)  # a migration may have committed both since the first look
    if len(found) > 1:
        return None, (
            "It names several revisions in its table alembic_version: a migration of MLflow's is "
            "under way, or did not end."
        )
    if not found:
        return None, "It has tables but no revision (no alembic_version), so it is not MLflow's."
    revision = found[0]
    if revision in OLDER:
        return None, (
            f"It is at revision {revision}, older than {FIRST}, the first that Tandem uses; "
            f"`mlflow db upgrade` of MLflow {MLFLOW_VERSION} upgrades it."
        )
    if revision not in KNOWN and (misfits := fitness.misfits(conn)):
        return None, f"It is {_unfit(revision, misfits)}"
    return revision, None


def prepare(conn: Connection, artifact_root: str) -> None:
    """Create the tables or check their revision; add Tandem's own and experiment 0 if missing.

    Widens tags of experiments in tables that Tandem made. Runs in the transaction of `conn`. Raises
    SettingsError as `check` and `add_own` do.
    """
    create_or_check(conn)
    add_own(conn)
    if widening.is_due(conn):
        widening.widen(conn)
    add_default(conn, artifact_root)


def add_default(conn: Connection, artifact_root: str) -> None:
    """Add experiment 0, `Default`, unless there is one, or another of that name."""
    # An explicit 0 leaves PostgreSQL's sequence and SQLite's row ids at 1 for the next experiment.
    conn.execute(
        _DEFAULT_EXPERIMENT,
        {"location": f"{artifact_root.rstrip('/')}/0", "now": now_ms()},
    )


def create_or_check(conn: Connection) -> bool:
    """Create the tables of an empty database (then True), or raise as `check` does.

    Only a new database gets the index `STARTED`. Others may be large: `db optimize` adds it there.
    """
    if conn.dialect.name == "postgresql":
        # Several processes may start on an empty database: one creates, the others wait for it.
        lock(conn)
    revision = current(conn)
    if revision is None and is_empty(conn):
        # Only an empty database needs the definitions of all tables.
        from tandem_metadata.database import creation

        creation.create(conn)
        return True
    check(revision, conn)
    return False


def lock(conn: Connection) -> None:
    """Wait on PostgreSQL until no other process migrates; kept until the transaction ends."""
    conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def add_own(conn: Connection) -> bool:
    """Create Tandem's own tables that are missing; False if none was.

    The lock of `create_or_check`, to be called before, keeps other processes out. Raises
    SettingsError when the database's role may not create tables.
    """
    if _has_own(conn):
        return False
    try:
        OWN.create_all(conn)
    except exc.ProgrammingError as error:
        if sqlstate(error) != INSUFFICIENT_PRIVILEGE:
            raise
        raise SettingsError(
            f"The database of --backend-store-uri lacks Tandem's own {', '.join(OWN.tables)}, and "
            f"its role may not create tables: run {UPGRADE} once with a role "
            "that may, and grant this one SELECT, INSERT, UPDATE and DELETE on what it creates."
        ) from error
    return True


def _has_own(conn: Connection) -> bool:
    found = inspect(conn)
    return all(found.has_table(name) for name in OWN.tables)


def check(revision: str | None, conn: Connection) -> None:
    """Raise SettingsError, naming what to do, if Tandem does not use that revision.

    Of a revision that is not known the tables are looked at. If they fit, the log says so, once in
    a process and those forked from it.
    """
    if revision in KNOWN:
        return
    if revision is None and is_empty(conn):
        raise SettingsError(
            f"The database of --backend-store-uri has no tables yet; {UPGRADE} creates them."
        )
    if revision is None:
        raise SettingsError(
            "The database of --backend-store-uri has tables but no revision (no alembic_version), "
            "so it is not MLflow's, or older than MLflow 1.0. Give an empty database, or one that "
            "MLflow made."
        )
    if revision in OLDER:
        raise SettingsError(
            f"The database of --backend-store-uri is at revision {revision}, older than "
            f"{FIRST}, the first that Tandem uses. Back it up, then run, with MLflow "
            f"{MLFLOW_VERSION}: mlflow db upgrade {address(conn)}"
        )
    if found := fitness.misfits(conn):
        raise SettingsError(f"The database of --backend-store-uri is {_unfit(revision, found)}")
    _warn_of_unknown(revision)


def _unfit(revision: str, misfits: Sequence[str]) -> str:
    return (
        f"at revision {revision}, which this version of Tandem does not know, and its tables do "
        f"not fit: {some(misfits)}. Use a newer Tandem, or restore a backup. If the revision is "
        f"older than {FIRST}, run `mlflow db upgrade` of MLflow {MLFLOW_VERSION}."
    )


def some(misfits: Sequence[str]) -> str:
    """The first few, in one phrase."""
    shown = "; ".join(misfits[:_SHOWN])
    return f"{shown}; and {len(misfits) - _SHOWN} more" if len(misfits) > _SHOWN else shown


def _warn_of_unknown(revision: str) -> None:
    if revision in KNOWN or revision in _warned:
        return
    _warned.add(revision)
    _log.warning(
        "the database is at revision %s, which this version of Tandem does not know; its tables "
        "have what Tandem needs, so it is used",
        revision,
    )


def address(conn: Connection) -> str:
    """The database's address as a user writes it, without a password."""
    url = conn.engine.url.difference_update_query(("password", "sslpassword"))
    url = url.set(drivername=conn.dialect.name)
    return url.render_as_string(hide_password=True).replace(":***@", "@")

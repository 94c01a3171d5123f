"""The revisions of MLflow's schema: which of them Tandem uses, and how an empty database gets one.

The revision of a database is the one row of its table `alembic_version`.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, exc, inspect, text

from tandem_metadata.database import widening
from tandem_metadata.database.faults import sqlstate
from tandem_metadata.database.indexes import STARTED
from tandem_metadata.database.tables.deliveries import OWN
from tandem_shared import MLFLOW_VERSION
from tandem_shared.clock import now_ms
from tandem_shared.settings import SettingsError

CREATED: Final = "3da73c924c2f"
"""The revision of databases that Tandem creates; MLflow 3.6 and later upgrade it."""

SUPPORTED: Final = (
    "3da73c924c2f",
    "bf29a5ff90ea",
    "1bd49d398cd23",
    "b7c8d9e0f1a2",
    "5d2d30f0abce",
    "c9d4e5f6a7b8",
    "2c33131f4dae",
    "d3e4f5a6b7c8",
    "d0e1f2a3b4c5",
    "c8d9e0f1a2b3",
    "1b5f0d9ad7c1",
    "e1f2a3b4c5d6",
    "76601a5f987d",
    "c3d6457b6d8a",
    "a5b4c3d2e1f0",
    "ae8bbe7743c9",
    "7d34483879f0",
    "da6fb0208061",
    "89d3d66ed43f",
    "b7e4c1a90f23",
    "a8b9c0d1e2f3",
    "c1d2e3f4a5b6",
    "c3d9e7f1a2b4",
    "6f8d9c3b2a1e",
    "1971f2d9a75b",
    "17e22815139b",
    "b7e2c1a4d9f3",
    "75868b020152",
    "dc11669786a5",
)
"""Revisions that are used as they are, oldest first; the last is that of the pinned MLflow."""

OLDER: Final = frozenset(
    {
        "451aebb31d03",
        "90e64c465722",
        "181f10493468",
        "df50e92ffc5e",
        "7ac759974ad8",
        "89d4b8295536",
        "2b4d017a5e9b",
        "cfd24bdc0731",
        "0a8213491aaa",
        "728d730b5ebd",
        "27a6a02d2cf1",
        "84291f40a231",
        "a8c4a736bde6",
        "39d1c3be5f05",
        "c48cb773bb87",
        "bd07f7e963c5",
        "0c779009ac13",
        "cc1f77228345",
        "97727af70f4d",
        "3500859a5d39",
        "7f2a7d5fae7d",
        "2d6e25af4d3e",
        "acf3f17fdcc7",
        "867495a8f9d4",
        "5b0e9adcef9c",
        "4465047574b1",
        "f5a4f2784254",
        "0584bdc529eb",
        "400f98739977",
        "6953534de441",
        "bda7b8c39065",
        "cbc13b556ace",
        "770bee3ae1dd",
        "a1b2c3d4e5f6",
        "de4033877273",
        "1a0cddfcaa16",
        "534353b11cbc",
        "71994744cf8e",
    }
)
"""Revisions that MLflow has to upgrade first."""

FILLFACTOR_DDL: Final = "ALTER TABLE latest_metrics SET (fillfactor = 50)"
"""Leaves half of each page free for new row versions, which each logged metric makes.

A row version on the same page needs no index entries (HOT). A batch of 100 metrics takes two thirds
of the time, and the table stays smaller (2822a36). MLflow's migrations keep the setting.
"""

EXTENDED_STATISTICS_DDL: Final = tuple(
    f"CREATE STATISTICS IF NOT EXISTS tandem_{table} (dependencies) ON key, value FROM {table}"
    for table in ("params", "tags")
)
"""Extended statistics: the value mostly determines the key.

Without them the planner assumes independence, underestimates the runs of a filter tenfold where
runs have ten params, and picks nested loops (671e80c). MLflow's migrations ignore them.
"""

UPGRADE: Final = "`tandem-metadata db upgrade`"

INSUFFICIENT_PRIVILEGE: Final = "42501"  # SQLSTATE

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
    """Whether the database has no tables but, perhaps, Alembic's own."""
    return all(name == "alembic_version" for name in inspect(conn).get_table_names())


def is_ready(conn: Connection) -> bool:
    """Whether `prepare` has nothing to do."""
    return (
        current(conn) in SUPPORTED
        and _has_own(conn)
        and has_default(conn)
        and not widening.is_due(conn)
    )


def has_default(conn: Connection) -> bool:
    """Whether experiment 0 is there; the tables must be."""
    found = conn.execute(text("SELECT 1 FROM experiments WHERE experiment_id = 0"))
    return found.first() is not None


def why_unusable(conn: Connection) -> str | None:
    """Why the service cannot use the database, as a sentence about it; None if it can.

    The sentence names the revision that was found, and holds neither an address nor a password.
    """
    found = _found(conn)
    if not found:
        if is_empty(conn):
            return f"It has no tables yet; {UPGRADE} creates them."
        found = _found(conn)  # a migration may have committed both since the first look
    if len(found) > 1:
        return (
            "It names several revisions in its table alembic_version: a migration of MLflow's is "
            "under way, or did not end."
        )
    revision = found[0] if found else None
    if revision is None:
        return "It has tables but no revision (no alembic_version), so it is not MLflow's."
    if revision in OLDER:
        return (
            f"It is at revision {revision}, older than {CREATED}, the first that Tandem uses; "
            f"`mlflow db upgrade` of MLflow {MLFLOW_VERSION} upgrades it."
        )
    if revision not in SUPPORTED:
        return (
            f"It is at revision {revision}, which this version of Tandem does not know; it uses "
            f"those from {CREATED} to {SUPPORTED[-1]}. A newer Tandem is needed, or a backup."
        )
    if not _has_own(conn):
        return (
            f"It is at revision {revision}, which is supported, but lacks Tandem's own "
            f"{', '.join(OWN.tables)}; {UPGRADE} adds that."
        )
    return None


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
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    revision = current(conn)
    if revision is None and is_empty(conn):
        _create(conn)
        conn.exec_driver_sql(f"CREATE INDEX {STARTED.definition(conn.dialect.name)}")
        if conn.dialect.name == "postgresql":
            for statement in (FILLFACTOR_DDL, *EXTENDED_STATISTICS_DDL):
                conn.exec_driver_sql(statement)
        return True
    check(revision, conn)
    return False


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
    """Raise SettingsError, naming the command to run, if Tandem does not use that revision."""
    if revision in SUPPORTED:
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
            f"{CREATED}, the first that Tandem uses. Back it up, then run, with MLflow "
            f"{MLFLOW_VERSION}: mlflow db upgrade {_address(conn)}"
        )
    raise SettingsError(
        f"The database of --backend-store-uri is at revision {revision}, which this version of "
        f"Tandem does not know; it uses those of MLflow up to {MLFLOW_VERSION} ({SUPPORTED[-1]}). "
        "Use a newer Tandem."
    )


def _address(conn: Connection) -> str:
    """The address as a user writes it, without a password."""
    url = conn.engine.url.difference_update_query(("password", "sslpassword"))
    url = url.set(drivername=conn.dialect.name)
    return url.render_as_string(hide_password=True).replace(":***@", "@")


def _create(conn: Connection) -> None:
    # Alembic is slow to import, and only an empty database needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "tandem_metadata.database:migrations")
    config.attributes["connection"] = conn
    command.upgrade(config, CREATED)

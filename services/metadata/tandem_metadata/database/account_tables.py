"""Makes the tables of accounts, or checks those that are there.

Their revision is apart from that of MLflow's other tables, in `alembic_version_auth`.
"""

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


def prepare(conn: Connection) -> None:
    """Create the tables where there are none, or check MLflow's, and add Tandem's own.

    Safe in several processes at once. Raises SettingsError as `check` does.
    """
    if conn.dialect.name == "postgresql":
        revisions.lock(conn)
    if not inspect(conn).has_table(users.name):
        from tandem_metadata.database.head import accounts  # noqa: F401 (adds its tables)

        ACCOUNTS.create_all(conn, checkfirst=False)
        _VERSION.create(conn, checkfirst=True)
        conn.execute(insert(_VERSION).values(version_num=REVISION))
    check(conn)
    TOKENS.create_all(conn)


def check(conn: Connection) -> None:
    """Raise SettingsError, naming what to do, unless the tables are of the revision in use."""
    found = (
        conn.execute(select(_VERSION)).scalars().all()
        if inspect(conn).has_table(_VERSION.name)
        else []
    )
    if [*found] == [REVISION]:
        return
    named = f"at revision {', '.join(found)}" if found else "without a revision"
    raise SettingsError(
        f"The tables of accounts are {named}, and Tandem uses {REVISION}, that of MLflow "
        f"{MLFLOW_VERSION}. Back the database up, then run, with that MLflow: "
        "python -m mlflow.server.auth db upgrade --url URI"
    )

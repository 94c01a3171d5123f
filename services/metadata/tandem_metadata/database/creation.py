"""Makes all tables of an empty database, as MLflow would, and what Tandem adds for speed."""

from typing import Final

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert

from tandem_metadata.database import known_revisions
from tandem_metadata.database.head import HEAD, gateway, workspaces
from tandem_metadata.database.indexes import NEW

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

_ALEMBIC_VERSION: Final = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_DEFAULT_WORKSPACE: Final = {
    "name": "default",
    "description": "Default workspace for legacy resources",
}


def create(conn: Connection) -> None:
    """Make the tables, rows and revision of a new database, in the transaction of `conn`.

    The database holds no table but, perhaps, an empty `alembic_version`.
    """
    HEAD.create_all(conn, checkfirst=False)
    dialect = conn.dialect.name
    for statement in gateway.SECRETS_TRIGGER[dialect]:
        conn.exec_driver_sql(statement)
    conn.execute(insert(workspaces.workspaces).values(_DEFAULT_WORKSPACE))
    _ALEMBIC_VERSION.create(conn, checkfirst=True)
    conn.execute(insert(_ALEMBIC_VERSION).values(version_num=known_revisions.HEAD))
    for index in NEW:
        if dialect in index.dialects:
            conn.exec_driver_sql(f"CREATE INDEX {index.definition(dialect)}")
    if dialect == "postgresql":
        for statement in (FILLFACTOR_DDL, *EXTENDED_STATISTICS_DDL):
            conn.exec_driver_sql(statement)

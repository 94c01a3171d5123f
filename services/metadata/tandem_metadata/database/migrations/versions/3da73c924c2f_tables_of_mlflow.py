"""MLflow's tables, all at once.

MLflow came to this revision by way of many. A database that Tandem makes starts here, and MLflow's
own migrations go on from here: `mlflow db upgrade` finds the revision's name and all its tables.
"""

from alembic import op

from tandem_metadata.database.tables import METADATA

revision = "3da73c924c2f"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())

"""The one MetaData of all tables, and what their definitions share."""

from typing import Final

from sqlalchemy import MetaData

METADATA = MetaData()
"""Every table and column that Tandem uses, as MLflow's revision 3da73c924c2f has them.

Newer revisions have more, which `head` adds. Constraints and indexes have MLflow's names. Where
MLflow gives none, none is given here, so that the database generates the same name.
"""

RUN_ID = 32
"""Length of a run's id: a UUID in hexadecimal."""

FILLED: Final = {"filled": True}
"""The info of a nullable column that Tandem fills in every row that it writes."""

UPSERTED: Final = {"upserted": True}
"""The info of a table whose primary key an ON CONFLICT names, so that it must be just that."""

"""A database made by Tandem has MLflow's tables, to the last name and default, and its own.

But one column is as wide as MLflow makes it later, and there is an index more.
"""

import psycopg
import pytest
from sqlalchemy import create_engine

from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database
from tandem_metadata.database.indexes import STARTED
from tandem_metadata.settings import Settings
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.database import catalog, mlflow_tables

OWN = {"tandem_webhook_deliveries"}


def _describe(uri: str) -> catalog.Catalog:
    engine = create_engine(parse_url(uri))
    with engine.connect() as conn:
        described = catalog.describe(conn)
    engine.dispose()
    return described


def widen(uri: str) -> None:
    """What MLflow does at revision 17e22815139b, where it changes anything; see `widening`."""
    if uri.startswith("postgresql"):
        with psycopg.connect(uri) as connection:
            connection.execute("ALTER TABLE experiment_tags ALTER COLUMN value TYPE text")


def _add_index(uri: str) -> None:
    engine = create_engine(parse_url(uri))
    with engine.begin() as conn:
        conn.exec_driver_sql(f"CREATE INDEX {STARTED.definition(conn.dialect.name)}")
    engine.dispose()


@pytest.mark.parametrize(
    ("backend_store_uri", "prepared_uri"),
    [("sqlite", "sqlite"), ("postgresql", "postgresql")],
    indirect=True,
)
def test_a_new_database_has_the_tables_of_mlflow_and_tandems_own(
    backend_store_uri: str, prepared_uri: str
) -> None:
    mlflow_tables.load(backend_store_uri)
    widen(backend_store_uri)
    _add_index(backend_store_uri)
    expected = _describe(backend_store_uri)
    made, own = catalog.without(_describe(prepared_uri), OWN)
    assert own == OWN
    assert made.keys() == expected.keys()
    for subject, described in expected.items():
        assert made[subject] == described, subject


def test_opening_a_database_of_mlflow_adds_tandems_own_tables_and_alters_none(
    backend_store_uri: str,
) -> None:
    mlflow_tables.load(backend_store_uri)
    before = _describe(backend_store_uri)
    database = Database(Settings(backend_store_uri=backend_store_uri))
    database.prepare(ARTIFACT_ROOT)
    database.close()
    assert catalog.without(_describe(backend_store_uri), OWN) == (before, OWN)

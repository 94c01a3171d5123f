"""A database made by Tandem has MLflow's tables, to the last name and default, and its own."""

from typing import Any

import pytest
from sqlalchemy import create_engine, insert, update
from sqlalchemy.exc import DBAPIError

from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database
from tandem_metadata.database.head import gateway
from tandem_metadata.database.indexes import NEW
from tandem_metadata.database.known_revisions import HEAD
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


def _add_indexes(uri: str) -> None:
    engine = create_engine(parse_url(uri))
    with engine.begin() as conn:
        dialect = conn.dialect.name
        for index in NEW:
            if dialect in index.dialects:
                conn.exec_driver_sql(f"CREATE INDEX {index.definition(dialect)}")
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
    mlflow_tables.upgrade(backend_store_uri, HEAD)
    _add_indexes(backend_store_uri)
    expected = _describe(backend_store_uri)
    made, own = catalog.without(_describe(prepared_uri), OWN)
    assert own == OWN
    assert made.keys() == expected.keys()
    for subject, described in expected.items():
        assert made[subject] == described, subject
    assert _workspaces(prepared_uri) == _workspaces(backend_store_uri) != []


def _workspaces(uri: str) -> list[Any]:
    """The rows of the one table that is not empty in a new database of MLflow's."""
    engine = create_engine(parse_url(uri))
    with engine.connect() as conn:
        rows = [tuple(row) for row in conn.exec_driver_sql("SELECT * FROM workspaces")]
    engine.dispose()
    return rows


def test_a_secrets_id_and_name_cannot_be_changed(database: Database) -> None:
    secret = {
        "secret_id": "s",
        "secret_name": "n",
        "encrypted_value": b"",
        "wrapped_dek": b"",
        "kek_version": 1,
        "masked_value": "",
        "created_at": 1,
        "last_updated_at": 1,
    }
    with database.write() as conn:
        conn.execute(insert(gateway.secrets).values(secret))
    with database.write() as conn:
        conn.execute(update(gateway.secrets).values(kek_version=2))
    with pytest.raises(DBAPIError, match="cannot be changed"), database.write() as conn:
        conn.execute(update(gateway.secrets).values(secret_name="other"))


def test_opening_a_database_of_mlflow_adds_tandems_own_tables_and_alters_none(
    backend_store_uri: str,
) -> None:
    mlflow_tables.load(backend_store_uri)
    before = _describe(backend_store_uri)
    database = Database(Settings(backend_store_uri=backend_store_uri))
    database.prepare(ARTIFACT_ROOT)
    database.close()
    assert catalog.without(_describe(backend_store_uri), OWN) == (before, OWN)

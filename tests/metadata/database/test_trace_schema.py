"""What a database has for traces, at the revisions that change it."""

from typing import Any

import pytest
from sqlalchemy import create_engine, inspect

from tandem_metadata.database import trace_schema
from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database
from tandem_metadata.database.known_revisions import FIRST, HEAD
from tandem_metadata.settings import Settings
from tests.metadata.database import mlflow_tables

WITH_TRACE_METRICS = "b7c8d9e0f1a2"
WITH_SPAN_METRICS = "c8d9e0f1a2b3"
BEFORE_COLUMNS = "b7e2c1a4d9f3"


def _columns(uri: str, schema: trace_schema.TraceSchema) -> dict[str, Any]:
    """The columns that the database has and that `schema` names, of each of its tables."""
    engine = create_engine(parse_url(uri))
    with engine.connect() as conn:
        there = inspect(conn)
        found = {
            name: {column["name"] for column in there.get_columns(name)}
            for name in schema.tables()
            if there.has_table(name)
        }
    engine.dispose()
    return found


def test_each_revision_has_just_the_columns_that_are_named(backend_store_uri: str) -> None:
    mlflow_tables.load(backend_store_uri)
    seen = []
    for revision in (FIRST, WITH_TRACE_METRICS, WITH_SPAN_METRICS, BEFORE_COLUMNS, HEAD):
        mlflow_tables.upgrade(backend_store_uri, revision)
        database = Database(Settings(backend_store_uri=backend_store_uri))
        with database.read() as conn:
            schema = trace_schema.of(conn)
            assert trace_schema.of(conn) is schema
        database.close()
        named = {name: {*table.c.keys()} for name, table in schema.tables().items()}
        # Filled by MLflow's own job of archives, and by the database.
        expected = _columns(backend_store_uri, schema)
        expected["trace_info"].discard("db_payload_generation")
        assert named == expected, revision
        seen.append(
            (
                schema.trace_metrics is not None,
                schema.span_metrics is not None,
                schema.has_dimensions,
                schema.has_columns,
            )
        )
    assert seen == [
        (False, False, False, False),
        (True, False, False, False),
        (True, True, True, False),
        (True, True, True, False),
        (True, True, False, True),
    ]


def test_databases_of_one_shape_share_their_tables(
    backend_store_uri: str, database: Database
) -> None:
    mlflow_tables.load(backend_store_uri)
    mlflow_tables.upgrade(backend_store_uri, HEAD)
    other = Database(Settings(backend_store_uri=backend_store_uri))
    with database.read() as first, other.read() as second:
        assert trace_schema.of(first) is trace_schema.of(second)
    other.close()


def test_an_upgrade_in_use_is_seen_by_whoever_asks_afresh(
    backend_store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow_tables.load(backend_store_uri)
    database = Database(Settings(backend_store_uri=backend_store_uri))
    monkeypatch.setattr(trace_schema, "_TRUSTED", 1_000_000.0)
    with database.read() as conn:
        before = trace_schema.of(conn)
    mlflow_tables.upgrade(backend_store_uri, HEAD)
    with database.read() as conn:
        assert trace_schema.of(conn) is before
        after = trace_schema.of(conn, fresh=True)
        assert (before.has_columns, after.has_columns) == (False, True)
        assert trace_schema.of(conn) is after
    database.close()

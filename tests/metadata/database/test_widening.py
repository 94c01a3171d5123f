"""The column of experiments' tags on PostgreSQL: wide where Tandem made it, or is told to widen."""

import logging

import pytest
from sqlalchemy import Connection, insert, select

from tandem_metadata.cli import db
from tandem_metadata.database import widening
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.tracking import experiment_tags
from tandem_metadata.settings import Settings
from tests.metadata.conftest import ARTIFACT_ROOT, only_postgresql
from tests.metadata.database import mlflow_tables

_LONG = "n" * 20_000


def _narrow(conn: Connection) -> None:
    """The column as Tandem made it at first, and with something in it."""
    conn.exec_driver_sql("ALTER TABLE experiment_tags ALTER COLUMN value TYPE varchar(5000)")
    conn.execute(insert(experiment_tags).values(experiment_id=0, key="old", value="o"))


def _holds_long_tags(database: Database) -> bool:
    with database.write() as conn:
        if widening.is_due(conn, foreign=True):
            return False
        conn.execute(insert(experiment_tags).values(experiment_id=0, key="new", value=_LONG))
    with database.read() as conn:
        found = conn.execute(select(experiment_tags.c.key, experiment_tags.c.value)).all()
    return ("new", _LONG) in [tuple(row) for row in found]


@only_postgresql
def test_a_database_that_tandem_made_is_widened_at_the_start(database: Database) -> None:
    with database.write() as conn:
        _narrow(conn)
        assert widening.is_due(conn)
    for _ in range(2):
        database.prepare(ARTIFACT_ROOT)
    assert _holds_long_tags(database)
    with database.read() as conn:
        found = conn.execute(select(experiment_tags.c.value).where(experiment_tags.c.key == "old"))
        assert found.scalars().all() == ["o"]


@pytest.mark.parametrize("backend_store_uri", ["postgresql"], indirect=True)
def test_one_that_mlflow_made_is_widened_by_db_upgrade_only(
    backend_store_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow_tables.load(backend_store_uri)
    settings = Settings(backend_store_uri=backend_store_uri)
    database = Database(settings)
    database.prepare(ARTIFACT_ROOT)
    assert not _holds_long_tags(database)
    for said in ("Widened the column", "nothing to do"):
        assert db.upgrade(settings) == 0
        assert said in capsys.readouterr().out
    assert _holds_long_tags(database)
    database.close()


@only_postgresql
def test_a_role_that_may_not_alter_tables_starts_all_the_same(
    database: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with database.write() as conn:
        _narrow(conn)
        conn.exec_driver_sql("DROP ROLE IF EXISTS narrowed")
        conn.exec_driver_sql("CREATE ROLE narrowed LOGIN")
        conn.exec_driver_sql("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO narrowed")
    uri = settings.backend_store_uri.replace("postgres@", "narrowed@")
    narrowed = Database(Settings(backend_store_uri=uri))
    with caplog.at_level(logging.WARNING, "tandem.db"):
        narrowed.prepare(ARTIFACT_ROOT)
    assert "must be owner of table experiment_tags" in caplog.text
    assert "tandem-metadata db upgrade" in caplog.text
    narrowed.close()


@only_postgresql
def test_a_start_does_not_wait_for_long_for_who_uses_the_table(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeout, *rest = widening._WIDEN
    monkeypatch.setattr(widening, "_WIDEN", (timeout.replace("5s", "50ms"), *rest))
    with database.write() as conn:
        _narrow(conn)
    with database.write() as conn, caplog.at_level(logging.WARNING, "tandem.db"):
        conn.execute(select(experiment_tags))
        database.prepare(ARTIFACT_ROOT)
        assert "lock timeout" in caplog.text
    database.prepare(ARTIFACT_ROOT)
    assert _holds_long_tags(database)

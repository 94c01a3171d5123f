"""`db upgrade` and `db current`, and the preparation before a service starts."""

import pytest
from sqlalchemy import select

from tandem_metadata import database_command
from tandem_metadata.db import Database
from tandem_metadata.settings import Settings
from tandem_metadata.tables.deliveries import OWN
from tandem_metadata.tables.tracking import experiments
from tandem_shared.settings import SettingsError


def test_upgrade_creates_the_tables_of_an_empty_database(
    backend_store_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(backend_store_uri=backend_store_uri)
    assert database_command.current(settings) == 1
    assert database_command.upgrade(settings) == 0
    assert database_command.current(settings) == 0
    assert capsys.readouterr().out.splitlines() == [
        "no revision (not supported)",
        "Created the tables of revision 3da73c924c2f.",
        "3da73c924c2f (supported)",
    ]


def test_a_service_adds_the_default_experiment_to_an_upgraded_database(
    backend_store_uri: str,
) -> None:
    settings = Settings(backend_store_uri=backend_store_uri)
    database_command.upgrade(settings)
    database_command.prepare(settings, "mlflow-artifacts:/")
    database = Database(settings)
    with database.read() as conn:
        assert conn.execute(select(experiments.c.artifact_location)).scalars().all() == [
            "mlflow-artifacts:/0"
        ]
    database.close()


def test_upgrade_leaves_a_supported_database_as_it_is(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert database_command.upgrade(settings) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_upgrade_adds_the_tables_that_are_tandems_own(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.write() as conn:
        OWN.drop_all(conn)
    assert database_command.upgrade(settings) == 0
    assert "Added Tandem's own tables" in capsys.readouterr().out
    assert database_command.upgrade(settings) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_upgrade_refuses_tables_that_are_not_mlflows(database: Database) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("DROP TABLE alembic_version")
    uri = database.url.render_as_string(hide_password=False)
    with pytest.raises(SettingsError, match="no revision"):
        database_command.upgrade(Settings(backend_store_uri=uri))


def test_a_database_that_does_not_answer_ends_the_command_with_a_sentence() -> None:
    settings = Settings(backend_store_uri="postgresql://someone:secret@127.0.0.1:1/name")
    for command in (database_command.current, database_command.upgrade):
        with pytest.raises(SettingsError, match="--backend-store-uri: The database does not"):
            command(settings)

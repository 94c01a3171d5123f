"""Which databases are made, used and refused."""

import subprocess
import sys
from pathlib import Path

import mlflow.store.db_migrations
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import select

from tandem_metadata.database import known_revisions, tables
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.deliveries import OWN, deliveries
from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.settings import Settings
from tandem_shared.settings import SettingsError
from tests.metadata.conftest import ARTIFACT_ROOT


@pytest.fixture
def empty(backend_store_uri: str) -> Database:
    return Database(Settings(backend_store_uri=backend_store_uri))


def _restamp(database: Database, *found: str) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("DELETE FROM alembic_version")
        for revision in found:
            conn.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")


def _refusal(database: Database) -> str:
    with pytest.raises(SettingsError) as refused:
        database.prepare(ARTIFACT_ROOT)
    return str(refused.value)


def test_the_revisions_are_those_of_mlflow_in_its_order() -> None:
    scripts = ScriptDirectory(str(Path(mlflow.store.db_migrations.__file__).parent))
    newest_first = [script.revision for script in scripts.walk_revisions()]
    oldest_first = newest_first[::-1]
    start = oldest_first.index(known_revisions.FIRST)
    installed = tuple(oldest_first[start:])
    assert installed[-1] == known_revisions.HEAD
    assert installed == known_revisions.KNOWN[: len(installed)]
    assert set(oldest_first[:start]) == known_revisions.OLDER


def test_an_empty_database_gets_tables_a_revision_and_the_default_experiment(
    empty: Database,
) -> None:
    empty.prepare("mlflow-artifacts://artifacts.example.com/")
    assert empty.revision() == known_revisions.HEAD
    with empty.read() as conn:
        (default,) = conn.execute(select(experiments))
    assert default.experiment_id == 0
    assert default.name == "Default"
    assert default.artifact_location == "mlflow-artifacts://artifacts.example.com/0"
    assert default.lifecycle_stage == "active"
    assert default.creation_time == default.last_update_time > 0
    empty.close()


def test_the_first_experiment_after_the_default_one_is_1(database: Database) -> None:
    with database.write() as conn:
        added = tables.insert(conn, experiments).values(name="first")
        assert conn.execute(added).inserted_primary_key == (1,)


def test_preparing_again_changes_nothing(database: Database) -> None:
    with database.read() as conn:
        before = conn.execute(select(experiments)).all()
    database.prepare("mlflow-artifacts://elsewhere/")
    with database.read() as conn:
        assert conn.execute(select(experiments)).all() == before


def test_a_missing_default_experiment_is_added(database: Database) -> None:
    with database.write() as conn:
        conn.execute(experiments.delete())
    database.prepare(ARTIFACT_ROOT)
    with database.read() as conn:
        assert conn.execute(select(experiments.c.experiment_id, experiments.c.name)).all() == [
            (0, "Default")
        ]


def test_a_default_experiment_of_another_number_is_left_alone(database: Database) -> None:
    with database.write() as conn:
        conn.execute(experiments.update().values(experiment_id=7))
    database.prepare(ARTIFACT_ROOT)
    with database.read() as conn:
        assert conn.execute(select(experiments.c.experiment_id)).scalars().all() == [7]


def test_a_deleted_default_experiment_stays_deleted(database: Database) -> None:
    with database.write() as conn:
        conn.execute(experiments.update().values(lifecycle_stage="deleted"))
    database.prepare(ARTIFACT_ROOT)
    with database.read() as conn:
        assert conn.execute(select(experiments.c.lifecycle_stage)).scalars().all() == ["deleted"]


def test_a_missing_table_of_tandems_own_is_added(database: Database) -> None:
    with database.write() as conn:
        OWN.drop_all(conn)
    database.prepare(ARTIFACT_ROOT)
    with database.read() as conn:
        assert conn.execute(select(deliveries)).all() == []


@pytest.mark.parametrize("prepared_uri", ["postgresql"], indirect=True)
def test_a_role_that_may_not_create_tables_is_told_what_to_do(
    database: Database, settings: Settings
) -> None:
    with database.write() as conn:
        OWN.drop_all(conn)
        conn.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM public")
        conn.exec_driver_sql("DROP ROLE IF EXISTS confined")
        conn.exec_driver_sql("CREATE ROLE confined LOGIN")
        conn.exec_driver_sql("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO confined")
    uri = settings.backend_store_uri.replace("postgres@", "confined@")
    confined = Database(Settings(backend_store_uri=uri))
    message = _refusal(confined)
    assert "tandem_webhook_deliveries" in message
    assert "tandem-metadata db upgrade" in message
    database.prepare(ARTIFACT_ROOT)
    confined.prepare(ARTIFACT_ROOT)
    confined.close()


_PREPARE = """
import sys
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
database = Database(Settings(backend_store_uri=sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
database.prepare("mlflow-artifacts:/")
"""


def test_processes_that_start_at_once_on_an_empty_database_all_succeed(
    backend_store_uri: str,
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PREPARE, backend_store_uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[1] for process in processes] == ["", "", ""]
    database = Database(Settings(backend_store_uri=backend_store_uri))
    assert database.revision() == known_revisions.HEAD
    with database.read() as conn:
        assert conn.execute(select(experiments.c.experiment_id)).scalars().all() == [0]
    database.close()


@pytest.mark.parametrize("revision", known_revisions.KNOWN)
@pytest.mark.parametrize("prepared_uri", ["sqlite"], indirect=True)
def test_every_supported_revision_is_accepted(database: Database, revision: str) -> None:
    _restamp(database, revision)
    database.prepare(ARTIFACT_ROOT)
    assert database.revision() == revision


def test_an_older_revision_is_refused_with_the_command_to_run(database: Database) -> None:
    _restamp(database, "0584bdc529eb")
    message = _refusal(database)
    assert "0584bdc529eb" in message
    assert f"mlflow db upgrade {database.dialect}://" in message
    assert database.revision() == "0584bdc529eb"


@pytest.mark.parametrize("prepared_uri", ["postgresql"], indirect=True)
def test_the_command_to_run_holds_no_password(settings: Settings) -> None:
    uri = settings.backend_store_uri.replace("postgres@", "postgres:secret@") + "?password=secret"
    database = Database(Settings(backend_store_uri=uri))
    _restamp(database, "0584bdc529eb")
    message = _refusal(database)
    assert "secret" not in message
    assert "mlflow db upgrade postgresql://postgres@127.0.0.1:" in message
    database.close()


def test_tables_without_a_revision_are_refused(empty: Database) -> None:
    with empty.write() as conn:
        conn.exec_driver_sql("CREATE TABLE something (x INTEGER)")
    assert "no revision" in _refusal(empty)
    empty.close()


def test_an_unfinished_migration_is_refused(database: Database) -> None:
    _restamp(database, *known_revisions.KNOWN[:2])
    assert "several revisions" in _refusal(database)


def test_a_table_of_alembic_alone_counts_as_empty(empty: Database) -> None:
    with empty.write() as conn:
        conn.exec_driver_sql(
            "CREATE TABLE alembic_version"
            " (version_num VARCHAR(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)"
        )
    empty.prepare(ARTIFACT_ROOT)
    assert empty.revision() == known_revisions.HEAD
    empty.close()

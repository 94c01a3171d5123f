"""`db optimize`: the indexes beside MLflow's come, stay through MLflow's migrations, and go."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, insert, text

from tandem_metadata.cli import db
from tandem_metadata.database import indexes, optimize
from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database
from tandem_metadata.database.known_revisions import HEAD
from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import run_search
from tandem_shared.settings import SettingsError
from tests.metadata.database import catalog, mlflow_tables
from tests.postgresql import PostgreSQL

SECONDS = 120


def _there(database: Database) -> set[str]:
    """The indexes that are there, of those that the database has use for."""
    with database.read() as conn:
        return {index.name for index in indexes.of(conn) if indexes.is_there(conn, index)}


def _wanted(database: Database) -> set[str]:
    with database.read() as conn:
        return {index.name for index in indexes.of(conn)}


def _start(conn: Connection, number: int) -> str:
    """A run of experiment 0, and its id."""
    run_id = f"{number:032x}"
    row = {"experiment_id": 0, "lifecycle_stage": "active", "status": "RUNNING"}
    conn.execute(insert(runs), [{**row, "run_uuid": run_id, "start_time": number}])
    return run_id


def _optimize(uri: str, *arguments: str) -> str:
    """What the command says, as a process that is ended when it hangs."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tandem_metadata",
            "db",
            "optimize",
            "--backend-store-uri",
            uri,
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_optimize_adds_what_a_new_database_lacks_and_drops_all(
    database: Database, prepared_uri: str
) -> None:
    on_sqlite = {indexes.SPAN_COSTS.name} if database.dialect == "sqlite" else set()
    assert _there(database) == {indexes.STARTED.name} | on_sqlite
    said = _optimize(prepared_uri)
    for name in _there(database) - {indexes.BEST.name}:
        assert f"{name} is there already; nothing to do." in said
    assert f"Added {indexes.BEST.name}" in said
    wanted = _wanted(database)
    assert wanted == {indexes.STARTED.name, indexes.BEST.name} | on_sqlite
    assert _there(database) == wanted
    assert _optimize(prepared_uri, "--drop").count("Dropped") == len(wanted)
    assert _there(database) == set()
    assert _optimize(prepared_uri, "--drop").count("is not there") == len(wanted)


def test_optimize_adds_the_indexes_once_to_a_database_of_mlflow(backend_store_uri: str) -> None:
    mlflow_tables.load(backend_store_uri)
    database = Database(Settings(backend_store_uri=backend_store_uri))
    with database.read() as conn:
        before = catalog.describe(conn)
    assert _there(database) == set()
    said = _optimize(backend_store_uri)
    assert [line.split()[0] for line in said.splitlines()] == [*["Adding", "Added"] * 2, "Gathered"]
    assert _there(database) == {indexes.STARTED.name, indexes.BEST.name}
    assert _optimize(backend_store_uri).count("there already") == 2
    _optimize(backend_store_uri, "--drop")
    with database.read() as conn:
        assert catalog.describe(conn) == before
    database.close()


def test_a_new_database_has_its_indexes_as_optimize_makes_them(
    database: Database, prepared_uri: str
) -> None:
    with database.read() as conn:
        new = catalog.describe(conn)
    _optimize(prepared_uri, "--drop")
    _optimize(prepared_uri)
    with database.write() as conn:
        conn.exec_driver_sql(f"DROP INDEX {indexes.BEST.name}")
    with database.read() as conn:
        assert catalog.describe(conn) == new


def test_an_unfinished_index_is_built_again(
    postgresql: PostgreSQL, postgresql_template: str
) -> None:
    name = postgresql.create(template=postgresql_template)
    uri = postgresql.uri(name)
    _optimize(uri)
    database = Database(Settings(backend_store_uri=uri))
    with database.write() as conn:  # as PostgreSQL leaves one that was cut
        conn.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)"),
            {"name": indexes.BEST.name},
        )
    assert _there(database) == {indexes.STARTED.name}
    said = _optimize(uri)
    assert f"Dropped {indexes.BEST.name}, which an earlier attempt left unfinished." in said
    assert _there(database) == {indexes.STARTED.name, indexes.BEST.name}
    database.close()
    postgresql.drop(name)


def test_one_at_a_time_works_on_postgresql(
    postgresql: PostgreSQL, postgresql_template: str
) -> None:
    name = postgresql.create(template=postgresql_template)
    settings = Settings(backend_store_uri=postgresql.uri(name))
    database = Database(settings)
    with database.write() as conn:
        conn.exec_driver_sql(optimize._TRY_LOCK)
        with pytest.raises(SettingsError, match="Another `db optimize` is at work"):
            db.optimize(settings)
    assert db.optimize(settings) == 0
    database.close()
    postgresql.drop(name)


def test_a_role_that_does_not_own_the_tables_is_told(
    postgresql: PostgreSQL, postgresql_template: str
) -> None:
    name = postgresql.create(template=postgresql_template)
    role = f"guest_{name}"
    postgresql.execute(f"CREATE ROLE {role} LOGIN")
    owner = create_engine(parse_url(postgresql.uri(name)))
    with owner.begin() as conn:
        conn.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    owner.dispose()
    uri = postgresql.uri(name).replace("postgres@", f"{role}@")
    with pytest.raises(SettingsError, match="the role that owns the tables"):
        db.optimize(Settings(backend_store_uri=uri))
    postgresql.drop(name)
    postgresql.execute(f"DROP ROLE {role}")


def test_a_database_that_is_not_mlflows_is_refused(backend_store_uri: str) -> None:
    other = create_engine(parse_url(backend_store_uri))
    if other.dialect.name == "postgresql":  # a file that is not there is refused as such
        with pytest.raises(SettingsError, match="no tables yet"):
            db.optimize(Settings(backend_store_uri=backend_store_uri))
    with other.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE somebodys (id INTEGER)")
    other.dispose()
    with pytest.raises(SettingsError, match="no revision"):
        db.optimize(Settings(backend_store_uri=backend_store_uri))


def test_the_service_goes_on_meanwhile(database: Database, prepared_uri: str) -> None:
    ended = threading.Event()
    written: list[str] = []

    def write() -> None:
        while not ended.is_set():
            with database.write() as conn:
                written.append(_start(conn, len(written)))
            time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        _optimize(prepared_uri)
        _optimize(prepared_uri, "--drop")
        _optimize(prepared_uri)
    finally:
        ended.set()
        writer.join()
    with database.read() as conn:
        found, _ = run_search.find(conn, experiment_ids=["0"], max_results=50_000)
    assert [info.run_id for info in found] == written[::-1]


def _upgrade(uri: str) -> None:
    """Have MLflow's migrations bring the database to the installed MLflow's last revision."""
    mlflow_tables.upgrade(uri, HEAD)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_mlflow_upgrades_a_database_with_them(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """To MLflow's last revision, through every one between; what is lost comes again."""
    if kind == "sqlite":
        uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        uri = server.uri(server.create())
    mlflow_tables.load(uri)
    _optimize(uri)
    database = Database(Settings(backend_store_uri=uri))
    _upgrade(uri)
    assert database.revision() == HEAD
    assert _there(database) == {indexes.STARTED.name, indexes.BEST.name}
    _optimize(uri)
    assert _there(database) == _wanted(database)
    assert (indexes.SPAN_COSTS.name in _there(database)) == (kind == "sqlite")
    database.prepare("mlflow-artifacts:/")
    with database.write() as conn:
        run_id = _start(conn, 1)
    with database.read() as conn:
        found, _ = run_search.find(conn, experiment_ids=["0"], order_by=["metrics.m"])
    assert [info.run_id for info in found] == [run_id]
    database.close()

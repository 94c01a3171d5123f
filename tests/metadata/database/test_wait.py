"""`--no-migrate`: the service leaves the tables alone, waits until it can use them, and says so."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import inspect, select
from starlette.testclient import TestClient

from tandem_metadata.app import create_app
from tandem_metadata.cli import db
from tandem_metadata.database import known_revisions
from tandem_metadata.database import wait as database_wait
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.deliveries import OWN
from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.settings import Settings
from tandem_metadata.webhooks.delivery import Delivery
from tandem_shared.settings import SettingsError
from tests.harness.processes import eventually
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.postgresql import PostgreSQL

EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=0"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_wait, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(database_wait, "_FIRST_SECONDS", 0.02)


@dataclass
class Service:
    """The service in this process, and how often its delivery to webhooks was begun."""

    http: TestClient
    deliveries: list[Delivery]

    def is_ready(self) -> bool:
        """What `/ready` says, and the metric, which must agree."""
        ready = self.http.get("/ready").status_code == 200
        return ready and REGISTRY.get_sample_value("tandem_db_migration_pending") == 0

    def refusal(self, *, looked: bool = True) -> str:
        """The sentence that every request gets but those about the process itself.

        It is that of the first look, unless the service has not `looked`.
        """
        if looked:
            eventually(lambda: "not looked" not in self.http.get("/ready").text)
        answer = self.http.get("/ready")
        assert answer.status_code == 503
        assert REGISTRY.get_sample_value("tandem_db_migration_pending") == 1
        for method, path in (
            ("GET", EXPERIMENT),
            ("POST", "/api/2.0/mlflow/runs/create"),
            ("PUT", "/api/2.0/mlflow/runs/create"),
            ("GET", "/ajax-api/3.0/mlflow/traces/search"),
            ("GET", "/nothing"),
            ("GET", "/"),
        ):
            refused = self.http.request(method, path)
            assert refused.status_code == 503, path
            assert refused.json() == {
                "error_code": "TEMPORARILY_UNAVAILABLE",
                "message": answer.text,
            }
        for path in ("/health", "/version", "/metrics"):
            assert self.http.get(path).status_code == 200
        assert self.deliveries == []
        return answer.text

    def wait(self) -> None:
        """Until it is ready, and serves."""
        eventually(self.is_ready)
        assert self.http.get(EXPERIMENT).status_code == 200
        assert len(self.deliveries) == 1


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Runs the service on a database as `serve --no-migrate` does."""
    begun: list[Delivery] = []
    start = Delivery.start

    async def record(delivery: Delivery) -> None:
        begun.append(delivery)
        await start(delivery)

    monkeypatch.setattr(Delivery, "start", record)

    @contextmanager
    def run(uri: str) -> Iterator[Service]:
        monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", uri)
        monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", ARTIFACT_ROOT)
        monkeypatch.setenv("TANDEM_MIGRATE", "false")
        begun.clear()
        with TestClient(create_app(), "http://localhost") as http:
            yield Service(http, begun)

    return run


def _upgrade(uri: str) -> None:
    db.upgrade(Settings(backend_store_uri=uri))


def test_an_empty_database_is_left_empty_until_it_is_migrated(
    serve: Callable[[str], Any], backend_store_uri: str
) -> None:
    with serve(backend_store_uri) as service:
        sentence = service.refusal()
        assert "`tandem-metadata db upgrade`" in sentence
        time.sleep(0.1)
        if backend_store_uri.startswith("sqlite"):
            assert not Path(backend_store_uri.removeprefix("sqlite:///")).exists()
        else:
            assert "no tables yet" in sentence
            assert _tables(backend_store_uri) == []
        _upgrade(backend_store_uri)
        service.wait()
        found = service.http.get(EXPERIMENT).json()["experiment"]
        assert found["artifact_location"] == "mlflow-artifacts://artifacts.example.com/0"


def test_an_sqlite_file_without_tables_is_waited_for_too(
    serve: Callable[[str], Any], tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (tmp_path / "mlflow.db").touch()
    with serve(uri) as service:
        assert "no tables yet" in service.refusal()
        time.sleep(0.1)
        assert (tmp_path / "mlflow.db").stat().st_size == 0
        _upgrade(uri)
        service.wait()


def _tables(uri: str) -> list[str]:
    database = Database(Settings(backend_store_uri=uri))
    with database.read() as conn:
        names = inspect(conn).get_table_names()
    database.close()
    return names


def _restamp(database: Database, found: Sequence[str]) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("DELETE FROM alembic_version")
        for revision in found:
            conn.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (["0584bdc529eb"], ["0584bdc529eb", "older than 3da73c924c2f", "mlflow db upgrade"]),
        (known_revisions.KNOWN[:2], ["several revisions", "under way"]),
        ([], ["no revision"]),
    ],
    ids=["older", "several", "none"],
)
def test_a_revision_that_cannot_be_used_is_named_and_waited_for(
    serve: Callable[[str], Any], database: Database, found: Sequence[str], words: list[str]
) -> None:
    _restamp(database, found)
    with serve(database.url.render_as_string(hide_password=False)) as service:
        sentence = service.refusal()
        for word in words:
            assert word in sentence
        assert "127.0.0.1" not in sentence
        _restamp(database, [known_revisions.HEAD])
        service.wait()


def test_tandems_own_table_is_waited_for(serve: Callable[[str], Any], database: Database) -> None:
    with database.write() as conn:
        OWN.drop_all(conn)
    uri = database.url.render_as_string(hide_password=False)
    with serve(uri) as service:
        sentence = service.refusal()
        assert "tandem_webhook_deliveries" in sentence
        assert f"{known_revisions.HEAD}, which is supported" in sentence
        _upgrade(uri)
        service.wait()


def test_a_database_that_is_ready_is_served_at_once(
    serve: Callable[[str], Any],
    prepared_uri: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_wait, "_FIRST_SECONDS", 20)  # A start waits for a first look.
    with serve(prepared_uri) as service:
        assert service.http.get(EXPERIMENT).status_code == 200
        assert service.is_ready()
        assert len(service.deliveries) == 1
    assert [record for record in caplog.records if record.name == "tandem.db"] == []


def test_a_missing_default_experiment_is_added(
    serve: Callable[[str], Any], database: Database
) -> None:
    with database.write() as conn:
        conn.execute(experiments.delete())
    with serve(database.url.render_as_string(hide_password=False)) as service:
        service.wait()
    with database.read() as conn:
        assert conn.execute(select(experiments.c.name)).scalars().all() == ["Default"]


def test_a_database_that_is_not_there_is_waited_for_and_logged_once_a_change(
    serve: Callable[[str], Any], postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tandem.db")
    name = f"later_{uuid.uuid4().hex}"
    uri = postgresql.uri(name).replace("postgres@", "postgres:secret@")
    with serve(uri) as service:
        assert service.refusal().startswith("The database does not answer")
        time.sleep(0.2)
        postgresql.execute(f"CREATE DATABASE {name}")
        eventually(lambda: "no tables yet" in service.http.get("/ready").text)
        time.sleep(0.2)
        _upgrade(uri)
        service.wait()
        logged = [record.message for record in caplog.records if record.name == "tandem.db"]
    postgresql.drop(name)
    assert len(logged) == 3
    assert f'database "{name}" does not exist' in logged[0]
    assert "no tables yet" in logged[1]
    assert "ready" in logged[2]
    assert "secret" not in "".join(logged)


def test_a_role_that_may_not_read_is_waited_for(
    serve: Callable[[str], Any], postgresql: PostgreSQL
) -> None:
    name, role = postgresql.create(), f"blind_{uuid.uuid4().hex}"
    owner = postgresql.uri(name)
    _upgrade(owner)
    postgresql.execute(f"CREATE ROLE {role} LOGIN")
    database = Database(Settings(backend_store_uri=owner))
    with serve(owner.replace("postgres@", f"{role}@")) as service:
        assert "role lacks rights" in service.refusal()
        with database.write() as conn:
            for objects in ("TABLES", "SEQUENCES"):
                conn.exec_driver_sql(f"GRANT ALL ON ALL {objects} IN SCHEMA public TO {role}")
        service.wait()
    database.close()
    postgresql.drop(name)
    postgresql.execute(f"DROP ROLE {role}")


def test_a_failure_that_nobody_foresaw_is_waited_out(
    serve: Callable[[str], Any], prepared_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(database: Database, root: str) -> None:
        raise RuntimeError("something of the inside")

    with monkeypatch.context() as patched:
        patched.setattr(database_wait, "adopt", fail)
        with serve(prepared_uri) as service:
            sentence = service.refusal()
            assert "cannot look" in sentence
            assert "inside" not in sentence
            patched.undo()
            service.wait()


def test_a_look_that_hangs_holds_up_neither_the_start_nor_the_stop(
    serve: Callable[[str], Any], prepared_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()

    def hang(database: Database, root: str) -> None:
        end.wait(30)

    monkeypatch.setattr(database_wait, "adopt", hang)
    began = time.monotonic()
    with serve(prepared_uri) as service:
        assert "not looked" in service.refusal(looked=False)
    assert time.monotonic() - began < 15
    end.set()


@pytest.mark.parametrize(
    "uri",
    [
        "mysql://localhost/mlflow",
        "postgresql://a@127.0.0.1:port/b",
        "postgresql://a:secret@127.0.0.1:1/b?nonsense=1",
        "postgresql://a:secret@127.0.0.1:1/b?connect_timeout=soon",
        "sqlite:///:memory:",
        "sqlite:////no/such/folder/db",
    ],
)
def test_an_address_that_can_never_work_is_refused_at_the_start(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", uri)
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", ARTIFACT_ROOT)
    monkeypatch.setenv("TANDEM_MIGRATE", "false")
    with pytest.raises(SettingsError, match="--backend-store-uri") as refused:
        create_app()
    assert "secret" not in str(refused.value)

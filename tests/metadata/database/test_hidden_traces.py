"""A database with traces says at the start how many are not shown."""

from collections.abc import Callable

import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from tandem_metadata.app import create_app
from tandem_metadata.database import hidden_traces
from tandem_metadata.database.database import Database
from tandem_metadata.database.head.traces import trace_info


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [text for text in caplog.messages if "traces" in text]


def add_traces(database: Database, first: int, last: int) -> None:
    with database.write() as conn:
        rows = [
            {"request_id": f"tr-{number}", "experiment_id": 0, "timestamp_ms": 1, "status": "OK"}
            for number in range(first, last)
        ]
        conn.execute(insert(trace_info), rows)


@pytest.fixture
def start(prepared_uri: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Starts the whole service in this process, and stops it."""
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", prepared_uri)
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "mlflow-artifacts://artifacts.test/")

    def start() -> None:
        with TestClient(create_app(), "http://localhost") as http:
            assert http.get("/ready").status_code == 200

    return start


@pytest.mark.parametrize("migrate", ["true", "false"])
def test_the_start_says_how_many_traces_are_not_shown(
    database: Database,
    start: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    migrate: str,
) -> None:
    monkeypatch.setenv("TANDEM_MIGRATE", migrate)
    monkeypatch.setattr(hidden_traces, "_COUNTED", 4)
    start()
    assert said(caplog) == []
    add_traces(database, 0, 4)
    start()
    add_traces(database, 4, 9)
    start()
    end = "traces, which Tandem does not show; they stay as they are"
    assert said(caplog) == [
        f"the database holds 4 {end}",
        f"the database holds more than 4 {end}",
    ]

"""An in-process client of the endpoints that log to runs, over a prepared database."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, insert, select, update
from starlette.testclient import TestClient

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import tracking
from tandem_metadata.routes import datasets, metrics, params, runs
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import log_many
from tandem_metadata.store.tracking.log_entry import LogEntry
from tests.metadata import in_process

_ENDPOINTS = [*datasets.ENDPOINTS, *metrics.ENDPOINTS, *params.ENDPOINTS, *runs.ENDPOINTS]
Json = dict[str, Any]


def new_run(database: Database) -> str:
    """A run of experiment 0 without anything logged."""
    run_id = uuid.uuid4().hex
    with database.write() as conn:
        conn.execute(
            insert(tracking.runs).values(
                run_uuid=run_id,
                name="first",
                source_type="UNKNOWN",
                status="RUNNING",
                lifecycle_stage="active",
                start_time=time.time_ns() // 1_000_000,
                artifact_uri="mlflow-artifacts:/0",
                experiment_id=0,
            )
        )
    return run_id


def log_to_run(conn: Connection, *entries: LogEntry) -> None:
    """Log entries in the caller's transaction; raises the first error of one."""
    try:
        errors = log_many.log(conn, entries)
    except log_many.LogConflict as conflict:
        errors = [*conflict.errors.values()]
    for error in errors:
        if error:
            raise error


class Client:
    """Requests as plain dicts; `run_id` is a run of experiment 0 without anything logged."""

    def __init__(self, http: TestClient, database: Database) -> None:
        self._http = http
        self.database = database
        self.run_id = new_run(database)

    def delete_run(self, run_id: str) -> None:
        with self.database.write() as conn:
            conn.execute(
                update(tracking.runs)
                .where(tracking.runs.c.run_uuid == run_id)
                .values(lifecycle_stage="deleted")
            )

    def post(self, path: str, body: Json) -> tuple[int, Json]:
        answer = self._http.post(f"/api/2.0/mlflow/{path}", json=body)
        return answer.status_code, answer.json()

    def post_raw(self, path: str, body: bytes) -> tuple[int, Json]:
        answer = self._http.post(
            f"/api/2.0/mlflow/{path}", content=body, headers={"Content-Type": "application/json"}
        )
        return answer.status_code, answer.json()

    def get(self, path: str, **query: Any) -> tuple[int, Json]:
        answer = self._http.get(f"/ajax-api/2.0/mlflow/{path}", params=query)
        return answer.status_code, answer.json()

    def log(self, path: str, **body: Any) -> None:
        """Log to the run and expect that to work."""
        assert self.post(path, {"run_id": self.run_id, **body}) == (200, {})

    def run(self, run_id: str | None = None) -> Json:
        status, body = self.get("runs/get", run_id=run_id or self.run_id)
        assert status == 200, body
        return body["run"]

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """All rows of a table, by its first column."""
        named = getattr(tracking, table)
        with self.database.read() as conn:
            return [tuple(row) for row in conn.execute(select(named).order_by(named.c[0]))]

    def is_untouched(self) -> bool:
        """Whether nothing is logged to any run."""
        tables = ("metrics", "latest_metrics", "params", "tags", "datasets", "inputs", "input_tags")
        return not any(self.rows(table) for table in tables)


@contextmanager
def opened(settings: Settings, database: Database) -> Iterator[Client]:
    context = Context(settings, database)
    yield Client(in_process.client(context, bind(context, _ENDPOINTS)), database)


def assert_refused(
    answer: tuple[int, Json], naming: str = "", code: str = "INVALID_PARAMETER_VALUE"
) -> None:
    status, body = answer
    expected = {"INVALID_PARAMETER_VALUE": 400, "RESOURCE_DOES_NOT_EXIST": 404}[code]
    assert (status, body.get("error_code")) == (expected, code), body
    assert naming in body["message"]

"""What `gc` asks of an artifacts service, and what it makes of its answers."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tandem_metadata.cleanup import artifacts
from tandem_metadata.database.database import Database
from tests.harness.processes import free_port
from tests.metadata.cleanup.conftest import Gc
from tests.metadata.cleanup.world import World
from tests.metadata.conftest import only_sqlite

ENDPOINT = "/api/2.0/mlflow-artifacts/artifacts"
Answer = tuple[int, Any]

pytestmark = only_sqlite


class Service:
    """A foreign artifacts service that answers as a test chooses, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        """Methods, paths, and the Authorization header."""
        self.at_once = 0
        self.most_at_once = 0
        self.answer: Callable[[str, str], Answer] = lambda method, _: (200, {})
        self._lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                url = urlsplit(self.path)
                path = parse_qs(url.query).get("path", [url.path.removeprefix(f"{ENDPOINT}/")])[0]
                if url.path == ENDPOINT and not url.query:
                    path = ""
                with service._lock:
                    service.at_once += 1
                    service.most_at_once = max(service.most_at_once, service.at_once)
                    authorization = self.headers.get("Authorization", "")
                    service.asked.append((self.command, path, authorization))
                status, body = service.answer(self.command, path)
                with service._lock:
                    service.at_once -= 1
                sent = body if isinstance(body, bytes) else json.dumps(body).encode()
                with contextlib.suppress(ConnectionError):  # the client may have waited long enough
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(sent)))
                    self.end_headers()
                    self.wfile.write(sent)

            do_GET = do_DELETE = _do  # noqa: N815 - as the library calls them

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # so that `stop` waits for them
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def deleted(self) -> list[str]:
        return [path for method, path, _ in self.asked if method == "DELETE"]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    made = Service()
    monkeypatch.setenv("TANDEM_ARTIFACTS_URL", made.url)
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "mlflow-artifacts:/")
    for each in (artifacts.TOKEN, artifacts.USERNAME, artifacts.PASSWORD):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setattr(artifacts, "_PAUSES", (0.01, 0.01))
    yield made
    made.stop()


def _fill(database: Database, *names: str) -> None:
    with database.write() as conn:
        world = World(conn)
        for each in names:
            world.run(each, 0, "deleted", f"mlflow-artifacts:/0/{each}/artifacts")


def _runs(database: Database) -> set[str]:
    with database.read() as conn:
        return {row[0] for row in conn.exec_driver_sql("SELECT run_uuid FROM runs")}


def test_the_folder_of_a_run_is_deleted_four_at_a_time(
    database: Database, gc: Gc, service: Service
) -> None:
    def answer(method: str, path: str) -> Answer:
        time.sleep(0.02)
        return 200, {}

    service.answer = answer
    names = [f"r{number}" for number in range(40)]
    _fill(database, *names)
    assert gc("--yes", "--no-sizes")[0] == 0
    assert sorted(service.deleted()) == sorted(f"0/{each}" for each in names)
    assert service.most_at_once == artifacts.AT_ONCE
    assert _runs(database) == set()


def test_files_and_bytes_are_counted_through_the_listing(
    database: Database, gc: Gc, service: Service
) -> None:
    tree = {
        "0": [{"path": "a", "is_dir": True}],
        "0/a/artifacts": [
            {"path": "x", "is_dir": False, "file_size": 5},
            {"path": "y", "is_dir": True},
        ],
        "0/a/artifacts/y": [{"path": "z", "is_dir": False, "file_size": 7}],
    }
    service.answer = lambda method, path: (200, {"files": tree.get(path, [])})
    _fill(database, "a", "b", "c")
    status, report = gc()
    assert status == 0
    assert (report["planned"]["runs"]["files"], report["planned"]["runs"]["bytes"]) == (2, 12)
    # Of those that the experiment's folder does not hold nothing is asked.
    assert sorted(path for _, path, _ in service.asked) == sorted(tree)
    assert gc("--no-sizes")[1]["planned"]["runs"]["bytes"] is None


@pytest.mark.parametrize("status", [500, 503, 504, 429])
def test_what_may_pass_is_tried_three_times(
    database: Database, gc: Gc, service: Service, status: int
) -> None:
    left = {"a": 2, "b": 3}

    def answer(method: str, path: str) -> Answer:
        name = path.removeprefix("0/")
        if left.get(name, 0):
            left[name] -= 1
            return status, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "not now"}
        return 200, {}

    service.answer = answer
    _fill(database, "a", "b", "c")
    ended, report = gc("--yes", "--no-sizes")
    assert ended == 1
    assert _runs(database) == {"b"}
    assert [(each["id"], each["reason"]) for each in report["failed"]] == [
        ("b", f"the artifacts service answered {status}: not now")
    ]
    assert gc("--yes", "--no-sizes")[0] == 0
    assert _runs(database) == set()


@pytest.mark.parametrize("answer", [(403, {}), (401, {}), (404, b"nginx"), (400, {}), (302, {})])
def test_a_refusal_is_tried_once_and_keeps_the_rows(
    database: Database, gc: Gc, service: Service, answer: Answer
) -> None:
    service.answer = lambda *_: answer
    _fill(database, "a")
    status, report = gc("--yes", "--no-sizes")
    assert (status, report["failed_count"]) == (1, 1)
    assert str(answer[0]) in report["failed"][0]["reason"]
    assert ("MLFLOW_TRACKING_TOKEN" in report["failed"][0]["reason"]) == (answer[0] in (401, 403))
    assert len(service.asked) == 1
    assert _runs(database) == {"a"}


def test_nothing_there_is_done(database: Database, gc: Gc, service: Service) -> None:
    service.answer = lambda *_: (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})
    _fill(database, "a")
    assert gc("--yes")[0] == 0
    assert _runs(database) == set()


def test_a_service_that_is_slow_is_given_up_in_time(
    database: Database, gc: Gc, service: Service
) -> None:
    slow = threading.Event()

    def answer(method: str, path: str) -> Answer:
        if path == "0/a":
            slow.wait(20)
        return 200, {}

    service.answer = answer
    _fill(database, "a", "b")
    status, report = gc("--yes", "--no-sizes", "--artifacts-timeout", "0.05")
    slow.set()
    assert status == 1
    assert report["failed"][0]["reason"].endswith("it timed out")
    assert service.deleted().count("0/a") == artifacts.ATTEMPTS
    assert _runs(database) == {"a"}


def test_a_service_that_never_answers_is_not_asked_for_each(
    database: Database, gc: Gc, service: Service
) -> None:
    _fill(database, *(f"r{number}" for number in range(60)))
    nobody = f"http://127.0.0.1:{free_port()}"
    status, report = gc("--yes", "--no-sizes", "--artifacts-url", nobody)
    assert (status, report["failed_count"]) == (1, 60)
    asked = [each for each in report["failed"] if "asked no more" not in each["reason"]]
    assert 0 < len(asked) < 30
    assert len(_runs(database)) == 60


def test_what_cannot_be_measured_is_told_and_fails_the_plan(
    database: Database, gc: Gc, service: Service
) -> None:
    service.answer = lambda *_: (200, b"<html>")
    _fill(database, "a")
    status, report = gc()
    assert (status, [each["id"] for each in report["unmeasured"]]) == (1, ["a"])
    assert report["planned"]["runs"]["items"] == 1


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({}, ""),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        ({"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "pä:ss"},
         "Basic YW5uOnDDpDpzcw=="),
    ],
)  # fmt: skip
def test_credentials_are_those_of_mlflows_clients(
    database: Database,
    gc: Gc,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    sent: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _fill(database, "a")
    assert gc("--yes")[0] == 0
    assert {authorization for _, _, authorization in service.asked} == {sent}


def test_traces_without_files_are_not_asked_for(
    database: Database, gc: Gc, service: Service
) -> None:
    with database.write() as conn:
        world = World(conn)
        for each in ("with", "without"):
            world.trace(each, 0, "x", location=f"mlflow-artifacts:/0/traces/{each}/artifacts")
    service.answer = lambda method, path: (
        200, {"files": [{"path": "with", "is_dir": True}] if path == "0/traces" else []},
    )  # fmt: skip
    assert gc("--yes", "--trace-ids", "with,without")[1]["deleted"]["traces"]["items"] == 2
    assert service.deleted() == ["0/traces/with"]

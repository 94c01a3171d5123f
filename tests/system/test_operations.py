"""Both services in operation: request ids, metrics, workers, graceful stops, crashes."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.processes import Process, eventually
from tests.postgresql import PostgreSQL
from tests.system import services
from tests.system.hammer import Hammer, stored_steps
from tests.system.services import Stack

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
ROOT = "mlflow-artifacts://127.0.0.1:5500/"


def _post(service: Process, path: str, **fields: Any) -> Any:
    response = requests.post(f"{service.url}{API}/{path}", json=fields, timeout=30)
    assert response.status_code == 200, response.text
    return response.json()


def _run(service: Process) -> str:
    run = _post(service, "runs/create", experiment_id="0", start_time=1)["run"]
    run_id: str = run["info"]["run_id"]
    return run_id


def test_a_request_id_travels_from_metadata_to_artifacts(stack: Stack) -> None:
    run_id = _run(stack.metadata)
    request_id = f"trace-{uuid.uuid4().hex}"
    response = requests.get(
        f"{stack.metadata.url}{API}/artifacts/list",
        params={"run_id": run_id},
        headers={"X-Request-Id": request_id},
    )
    assert response.headers["X-Request-Id"] == request_id
    for service, route in (
        (stack.metadata, "/api/2.0/mlflow/artifacts/list"),
        (stack.artifacts, "/api/2.0/mlflow-artifacts/artifacts"),
    ):
        eventually(lambda service=service: bool(_lines(service, request_id)))
        (line,) = _lines(service, request_id)
        assert (line["route"], line["status"]) == (route, 200)


def test_a_request_without_an_id_gets_one(stack: Stack) -> None:
    for service in (stack.metadata, stack.artifacts):
        given = requests.get(service.url + "/health").headers["X-Request-Id"]
        eventually(lambda service=service, given=given: bool(_lines(service, given)))


def _lines(service: Process, request_id: str) -> list[dict[str, Any]]:
    return [line for line in service.log_lines() if line.get("request_id") == request_id]


def _samples(service: Process) -> Iterator[tuple[str, dict[str, str], float]]:
    text = requests.get(service.url + "/metrics").text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


_BOTH = {
    "tandem_build_info",
    "tandem_http_requests_total",
    "tandem_http_request_duration_seconds_bucket",
    "tandem_http_requests_in_flight",
}
_METADATA = {
    "tandem_db_migration_pending",
    "tandem_db_pool_size",
    "tandem_db_pool_connections_in_use",
    "tandem_db_pool_wait_seconds_bucket",
    "tandem_db_commit_duration_seconds_bucket",
}
_ARTIFACTS = {"tandem_artifact_bytes_total", "tandem_artifact_transfers_in_flight"}


def test_metrics_are_there_and_carry_no_names_of_callers(stack: Stack) -> None:
    run_id = _run(stack.metadata)
    secret = f"secret-{uuid.uuid4().hex}"
    requests.get(f"{stack.metadata.url}{API}/runs/get", params={"run_id": run_id})
    requests.get(f"{stack.metadata.url}/{secret}")
    requests.request(secret[:12].upper(), f"{stack.metadata.url}/health")
    requests.put(f"{stack.artifacts.url}{FILES}/{secret}/{run_id}.txt", data=b"12345")
    requests.get(f"{stack.artifacts.url}{FILES}/{secret}/{run_id}.txt")
    requests.get(f"{stack.artifacts.url}/{secret}")
    for service, wanted in (
        (stack.metadata, _BOTH | _METADATA),
        (stack.artifacts, _BOTH | _ARTIFACTS),
    ):
        samples = list(_samples(service))
        assert wanted <= {name for name, _, _ in samples}
        values = [value for _, labels, _ in samples for value in labels.values()]
        for word in (run_id, secret, secret[:12].upper(), "127.0.0.1"):
            assert not any(word in value for value in values)


def test_artifact_bytes_are_counted_each_way(stack: Stack) -> None:
    def moved() -> dict[str, float]:
        return {
            labels["direction"]: value
            for name, labels, value in _samples(stack.artifacts)
            if name == "tandem_artifact_bytes_total"
        }

    url = f"{stack.artifacts.url}{FILES}/count-{uuid.uuid4().hex}.bin"
    before = moved()
    requests.put(url, data=b"x" * 12345)
    for _ in range(2):
        requests.get(url)
    after = moved()
    assert after["in"] - before.get("in", 0) == 12345
    assert after["out"] - before.get("out", 0) == 2 * 12345


def test_two_workers_count_and_serve_as_one(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with services.stack(tmp_path, database, str(tmp_path / "artifacts"), "--workers", "2") as stack:
        run_id = _run(stack.metadata)
        # A connection each, so that both workers get some.
        for index in range(40):
            fields = {"run_id": run_id, "key": "m", "value": index, "timestamp": index}
            _post(stack.metadata, "runs/log-metric", **fields, step=index)
            requests.put(f"{stack.artifacts.url}{FILES}/f{index}", data=b"x" * 100)
        for _ in range(5):
            assert _count(stack.metadata, f"{API}/runs/log-metric") == 40
            assert _count(stack.artifacts, f"{FILES}/{{path:path}}") == 40
        sent = [v for n, _, v in _samples(stack.artifacts) if n == "tandem_artifact_bytes_total"]
        assert sum(sent) == 4000
        assert stored_steps(stack.metadata, run_id, "m") == set(range(40))


def _count(service: Process, route: str) -> float:
    return sum(
        value
        for name, labels, value in _samples(service)
        if name == "tandem_http_requests_total" and labels["route"] == route
    )


def _terminate(service: Process) -> None:
    assert service.stop() == 0


@pytest.mark.parametrize("end", [_terminate, Process.kill], ids=["sigterm", "sigkill"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_whatever_was_acknowledged_is_there_after_the_end(
    workers: str, end: Callable[[Process], None], database: str, tmp_path: Path
) -> None:
    options = ("--workers", workers)
    with services.metadata_service(tmp_path, database, ROOT, *options) as service:
        run_id = _run(service)
        hammer = Hammer(service.url, run_id)
        eventually(lambda: hammer.count() > 100)
        end(service)
        hammer.join()
    assert hammer.cut_answers == 0 or end is Process.kill
    with services.metadata_service(tmp_path, database, ROOT) as again:
        for key, steps in hammer.acknowledged.items():
            assert steps <= stored_steps(again, run_id, key)
            latest = _latest(again, run_id)[key]
            assert latest == max(stored_steps(again, run_id, key))


def _latest(service: Process, run_id: str) -> dict[str, float]:
    run = requests.get(f"{service.url}{API}/runs/get", params={"run_id": run_id}).json()["run"]
    return {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}


def test_readiness_fails_before_the_service_stops(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    delay = {"TANDEM_SHUTDOWN_DELAY": "3"}
    with services.stack(tmp_path, database, str(tmp_path / "artifacts"), variables=delay) as stack:
        for service in (stack.artifacts, stack.metadata):
            service.send_signal()
            eventually(lambda service=service: _status(service, "/ready") == 503)
            assert _status(service, "/health") == 200
            assert service.wait() == 0


def _status(service: Process, path: str) -> int:
    return requests.get(service.url + path).status_code


def test_an_upload_in_flight_finishes_before_the_stop(tmp_path: Path) -> None:
    with services.artifacts_service(tmp_path, str(tmp_path / "files")) as service:
        begun, finish = threading.Event(), threading.Event()

        def body() -> Iterator[bytes]:
            yield b"a" * 100_000
            begun.set()
            assert finish.wait(30)
            yield b"b" * 100_000

        statuses: list[int] = []

        def upload() -> None:
            url = f"{service.url}{FILES}/slow.bin"
            statuses.append(requests.put(url, data=body(), timeout=60).status_code)

        thread = threading.Thread(target=upload)
        thread.start()
        assert begun.wait(30)
        service.send_signal()
        eventually(lambda: _refuses(service))
        finish.set()
        thread.join(30)
        assert statuses == [200]
        assert service.wait() == 0
    assert (tmp_path / "files" / "slow.bin").read_bytes() == b"a" * 100_000 + b"b" * 100_000


def _refuses(service: Process) -> bool:
    try:
        requests.get(service.url + "/health", timeout=5)
    except requests.RequestException:
        return True
    return False


def test_a_killed_upload_leaves_no_artifact(tmp_path: Path) -> None:
    with services.artifacts_service(tmp_path, str(tmp_path / "files")) as service:
        url = f"{service.url}{FILES}/cut.bin"

        def body() -> Iterator[bytes]:
            yield b"a" * 1_000_000
            service.kill()
            yield b"b"

        with pytest.raises(requests.ConnectionError):
            requests.put(url, data=body(), timeout=60)
    with services.artifacts_service(tmp_path, str(tmp_path / "files")) as again:
        assert requests.get(f"{again.url}{FILES}/cut.bin").status_code == 404
        assert requests.get(again.url + FILES).json().get("files", []) == []


def test_metadata_lives_on_when_the_database_comes_back(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    name = postgresql.create()
    with services.metadata_service(tmp_path, postgresql.uri(name), ROOT) as service:
        run_id = _run(service)
        with psycopg.connect(postgresql.uri(), autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
        eventually(lambda: _status(service, "/ready") == 200)
        fields = {"run_id": run_id, "key": "m", "value": 1, "timestamp": 1}
        _post(service, "runs/log-metric", **fields)
    postgresql.drop(name)


def test_artifacts_are_unavailable_without_their_service(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with ExitStack() as running:
        artifacts = running.enter_context(_stopped_artifacts(tmp_path))
        root = f"mlflow-artifacts://{artifacts}/"
        service = running.enter_context(services.metadata_service(tmp_path, database, root))
        run_id = _run(service)
        url = f"{service.url}{API}/artifacts/list"
        response = requests.get(url, params={"run_id": run_id})
        assert response.status_code == 503
        assert response.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert _status(service, "/ready") == 200


@contextmanager
def _stopped_artifacts(directory: Path) -> Iterator[str]:
    """The address of an artifacts service that has stopped."""
    with services.artifacts_service(directory, str(directory / "files")) as service:
        assert service.stop() == 0
        yield service.url.removeprefix("http://")

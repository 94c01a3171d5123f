"""PostgreSQL that crashes, or stands still, while clients log."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults.scale import LONG, scaled
from tests.harness.processes import Process, eventually
from tests.postgresql import PostgreSQL, serve
from tests.system import services
from tests.system.hammer import Hammer, stored_steps

ROOT = "mlflow-artifacts://127.0.0.1:5500/"
API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def own_postgresql() -> Iterator[PostgreSQL]:
    """A server for this module alone, which loses nothing that was committed."""
    with serve(durable=True) as server:
        yield server


@pytest.fixture
def service(own_postgresql: PostgreSQL, tmp_path: Path) -> Iterator[Process]:
    """The metadata service with two workers, which wait a second for a connection."""
    name = own_postgresql.create()
    options = ("--workers", "2", "--pool-timeout", "1")
    with services.metadata_service(tmp_path, own_postgresql.uri(name), ROOT, *options) as running:
        yield running


def _run(service: Process) -> str:
    created = requests.post(f"{service.url}{API}/runs/create", json={"experiment_id": "0"})
    run_id: str = created.json()["run"]["info"]["run_id"]
    return run_id


def _status(service: Process, path: str) -> int:
    return requests.get(service.url + path, timeout=30).status_code


def test_postgresql_that_crashes_under_load_loses_nothing_acknowledged(
    service: Process, own_postgresql: PostgreSQL
) -> None:
    run_id = _run(service)
    hammer = Hammer(service.url, run_id, clients=8, through_outages=True)
    for _ in range(scaled(1, 5)):
        before = hammer.count()
        eventually(lambda before=before: hammer.count() > before + 200)
        own_postgresql.crash()
        eventually(lambda: _status(service, "/ready") == 503)
        assert _status(service, "/health") == 200
        own_postgresql.start()
        eventually(lambda: _status(service, "/ready") == 200)
    after = hammer.count()
    eventually(lambda: hammer.count() > after + 200)
    hammer.stop()
    assert hammer.refusals <= {503}
    for key, steps in hammer.acknowledged.items():
        assert steps <= stored_steps(service, run_id, key)


@pytest.mark.parametrize("asgi_server", ["hypercorn", *(["uvicorn"] if LONG else [])])
def test_what_waits_for_a_frozen_postgresql_at_the_stop_is_a_503_or_cut(
    own_postgresql: PostgreSQL, tmp_path: Path, asgi_server: str
) -> None:
    uri = own_postgresql.uri(own_postgresql.create())
    options = ("--graceful-timeout", "0.5", "--asgi-server", asgi_server)
    with services.metadata_service(tmp_path, uri, ROOT, *options) as service:
        run_id = _run(service)
        value = {"run_id": run_id, "key": "a", "value": 1, "timestamp": 1}
        asked = [
            ("GET", "runs/get", {"params": {"run_id": run_id}}),
            ("POST", "runs/log-metric", {"json": value}),
            ("POST", "runs/search", {"json": {"experiment_ids": ["0"]}}),
            ("GET", "experiments/get", {"params": {"experiment_id": "0"}}),
            ("POST", "runs/update", {"json": {"run_id": run_id, "status": "FINISHED"}}),
        ]

        def ask(method: str, path: str, fields: dict[str, Any]) -> requests.Response | None:
            with suppress(requests.ConnectionError):
                return requests.request(method, f"{service.url}{API}/{path}", timeout=30, **fields)
            return None

        with own_postgresql.frozen(), ThreadPoolExecutor() as pool:
            answers = [pool.submit(ask, *each) for each in asked]
            time.sleep(0.5)
            assert service.stop() == 0
            found = [answer.result() for answer in answers]
    statuses = [answer if answer is None else answer.status_code for answer in found]
    assert set(statuses) <= {503, None}
    assert statuses[:2] == [503, 503]
    for answer in found:
        assert answer is None or answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert "Traceback" not in service.log.read_text()


def test_postgresql_that_stands_still_is_a_503_and_health_goes_on(
    service: Process, own_postgresql: PostgreSQL
) -> None:
    run_id = _run(service)
    hammer = Hammer(service.url, run_id, clients=8, through_outages=True)
    for _ in range(scaled(1, 5)):
        before = hammer.count()
        eventually(lambda before=before: hammer.count() > before + 100)
        with own_postgresql.frozen():
            eventually(lambda: _status(service, "/ready") == 503)
            for _ in range(10):
                assert _status(service, "/health") == 200
                time.sleep(scaled(50, 500) / 1000)
        eventually(lambda: _status(service, "/ready") == 200)
    after = hammer.count()
    eventually(lambda: hammer.count() > after + 100)
    hammer.stop()
    assert hammer.refusals <= {503}
    for key, steps in hammer.acknowledged.items():
        assert steps <= stored_steps(service, run_id, key)

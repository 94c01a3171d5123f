"""Searches made to take long: they are stopped by the clock, and when their clients leave."""

import time
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from sqlalchemy import insert

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.tracking import experiment_tags, experiments, runs, tags
from tandem_metadata.settings import Settings
from tests.faults import connections
from tests.faults.scale import LONG, scaled
from tests.harness.processes import Process, eventually
from tests.system.services import metadata_service

_ROOT = "mlflow-artifacts://127.0.0.1:1/"
_RUNS = 200
_VALUE = "a" * 4990 + "b"
_PATTERN = "%" + "a" * 990 + "b%"
"""It is found at the value's end only: until then it is tried at each character."""
_SECONDS = 1
_PAIRS = [("sqlite", "uvicorn"), ("postgresql", "hypercorn")]
if LONG:
    _PAIRS += [("sqlite", "hypercorn"), ("postgresql", "uvicorn")]


def _seed(uri: str) -> None:
    database = Database(Settings(backend_store_uri=uri))
    database.prepare(_ROOT)
    with database.write() as conn:
        ids = [f"{number:032x}" for number in range(_RUNS)]
        common = {"experiment_id": 0, "lifecycle_stage": "active", "status": "RUNNING"}
        conn.execute(insert(runs), [{"run_uuid": each, **common} for each in ids])
        conn.execute(
            insert(tags), [{"run_uuid": each, "key": "long", "value": _VALUE} for each in ids]
        )
        numbers = range(1, _RUNS)
        conn.execute(
            insert(experiments),
            [
                {"experiment_id": each, "name": f"e{each}", "lifecycle_stage": "active"}
                for each in numbers
            ],
        )
        conn.execute(
            insert(experiment_tags),
            [{"experiment_id": each, "key": "long", "value": _VALUE} for each in numbers],
        )
    database.close()


@pytest.mark.parametrize(("database", "asgi_server"), _PAIRS, indirect=["database"])
def test_a_search_is_stopped_at_the_time_limit_or_when_its_client_hangs_up(
    tmp_path: Path, database: str, asgi_server: str
) -> None:
    _seed(database)
    options = ["--read-timeout", str(_SECONDS), "--asgi-server", asgi_server]
    with metadata_service(tmp_path, database, _ROOT, *options) as process:
        for path, kind in (("runs/search", "runs"), ("experiments/search", "experiments")):
            began = time.monotonic()
            answer = _search(process, path, 50)
            assert time.monotonic() - began < _SECONDS + 10
            assert answer.status_code == 400, answer.text
            assert answer.json()["error_code"] == "BAD_REQUEST"
            assert "Ask for less" in answer.json()["message"]
            assert _connections_in_use(process) == 0
            assert len(_search(process, path, 0).json()[kind]) == _RUNS

    # Without a limit that would do it.
    with metadata_service(tmp_path, database, _ROOT, "--asgi-server", asgi_server) as process:
        comparisons = " AND ".join([f"tags.long LIKE '{_PATTERN}'"] * 12)  # a head has 16 KiB
        where = f"experiments/search?max_results=1000&filter={quote(comparisons)}"
        held = [
            connections.request(process, f"/api/2.0/mlflow/{where}") for _ in range(scaled(14, 40))
        ]
        eventually(lambda: _connections_in_use(process) >= 8)
        began = time.monotonic()
        for connection in held:
            connection.close()
        assert _search(process, "experiments/search", 0).ok
        eventually(lambda: _connections_in_use(process) == 0, seconds=10)
        assert time.monotonic() - began < 10


def _search(process: Process, path: str, comparisons: int) -> requests.Response:
    """A search that compares each tag so many times: 50 are a minute's work."""
    body = {
        "max_results": 1000,
        "filter": " AND ".join([f"tags.long LIKE '{_PATTERN}'"] * comparisons),
        "experiment_ids": ["0"],
    }
    return requests.post(f"{process.url}/api/2.0/mlflow/{path}", json=body, timeout=120)


def _connections_in_use(process: Process) -> float:
    name = "tandem_db_pool_connections_in_use "
    for line in requests.get(f"{process.url}/metrics", timeout=10).text.splitlines():
        if line.startswith(name):
            return float(line.removeprefix(name))
    raise AssertionError("the gauge is not there")

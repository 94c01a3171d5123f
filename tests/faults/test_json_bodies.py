"""JSON that is cheap to send and dear to read."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.faults import memory
from tests.faults.scale import scaled
from tests.harness.processes import Process
from tests.system import services

MIB = 1024 * 1024
ROOT = "mlflow-artifacts://artifacts.example.com/"
JSON = {"Content-Type": "application/json"}
LENGTH = 7 * MIB
LISTS = "[]," * (LENGTH // 3) + "[]"
OBJECTS = "{}," * (LENGTH // 3) + "{}"
STRINGS = '"",' * (LENGTH // 3) + '""'
ESCAPES = "\\u4e2d" * (LENGTH // 6)
QUOTES = '\\",' * (LENGTH // 3)

BATCH = "2.0/mlflow/runs/log-batch"
CREATE = "2.0/mlflow/runs/create"
MODEL = "2.0/mlflow/runs/log-model"
BODIES = [
    (BATCH, f'{{"q":NaN,"x":[{LISTS}]}}'),
    (BATCH, f'{{"run_id":"a","x":[{LISTS}]}}'),
    (BATCH, f'{{"q":NaN,"x":[{STRINGS}]}}'),
    (BATCH, f'{{"run_id":"a","q":1,"params":["{ESCAPES}"]}}'),
    (BATCH, f'{{"run_id":"a","params":["{QUOTES}"]}}'),
    (BATCH, '{"q":' + "[" * LENGTH),
    (BATCH, json.dumps(f'{{"q":NaN,"x":[{LISTS}]}}')),
    (CREATE, f'{{"experiment_id":"0","tags":[{OBJECTS}]}}'),
    (MODEL, json.dumps({"run_id": "a", "model_json": f"[{LISTS}]"})),
]


def test_json_that_is_dear_to_read_neither_fills_memory_nor_holds_others_up(
    tmp_path: Path, asgi_server: str
) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    arguments = ("--asgi-server", asgi_server)
    with services.metadata_service(tmp_path, database, ROOT, *arguments) as process:
        usual = _send(process, CREATE, '{"experiment_id": "0"}')
        assert usual.status_code == 200
        for path, text in BODIES:
            before = memory.resident(process)
            with _others(process) as waits:
                for _ in range(scaled(1, 10)):
                    answer = _send(process, path, text)
                    assert answer.status_code == 400, answer.text
            assert memory.peak(process) - before < 4 * len(text)
            # A tenth of a second on two cores of their own; before, 20 seconds and more.
            assert max(waits) < 2
            assert sorted(waits)[len(waits) // 2] < 0.2


def test_a_body_longer_than_its_endpoint_needs_is_refused(tmp_path: Path) -> None:
    with services.metadata_service(tmp_path, f"sqlite:///{tmp_path / 'm.db'}", ROOT) as process:
        text = json.dumps({"experiment_ids": ["0"], "filter": "(" * 3 * MIB})
        assert _send(process, "2.0/mlflow/runs/search", text).status_code == 413
        text = json.dumps({"experiment_id": "0", "unknown": "(" * 3 * MIB})
        assert _send(process, CREATE, text).status_code == 200
        text = json.dumps({"experiment_id": "0", "unknown": "(" * 9 * MIB})
        assert _send(process, CREATE, text).status_code == 413


def test_a_message_of_an_upload_that_is_dear_to_read_is_refused(
    tmp_path: Path, asgi_server: str
) -> None:
    arguments = ("--asgi-server", asgi_server)
    path = "2.0/mlflow-artifacts/mpu/complete/run"
    with services.artifacts_service(tmp_path, str(tmp_path / "store"), *arguments) as process:
        for begin in ('{"q":NaN,"x":[', '{"path":"a","upload_id":"u","parts":['):
            before = memory.resident(process)
            text = f"{begin}{LISTS}]}}"
            with _others(process) as waits:
                answer = _send(process, path, text)
            assert answer.status_code == 400, answer.text
            assert memory.peak(process) - before < 4 * len(text)
            assert max(waits) < 2


def _send(process: Process, path: str, text: str) -> requests.Response:
    return requests.post(f"{process.url}/api/{path}", data=text, headers=JSON, timeout=60)


@contextmanager
def _others(process: Process) -> Iterator[list[float]]:
    """How long each of somebody else's requests takes meanwhile, in seconds."""
    waits: list[float] = []
    is_over = threading.Event()

    def ask() -> None:
        with requests.Session() as session:
            while not waits or not is_over.is_set():
                begun = time.perf_counter()
                assert session.get(f"{process.url}/version", timeout=60).status_code == 200
                waits.append(time.perf_counter() - begun)
                time.sleep(0.002)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield waits
    finally:
        is_over.set()
        asking.join()

"""A bucket whose store stands still, or is gone, while files go up and down."""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.faults.gate import Gate
from tests.faults.scale import scaled
from tests.harness.processes import Process, eventually
from tests.seaweedfs import S3Server
from tests.system import services

FILES = "/api/2.0/mlflow-artifacts/artifacts"
CONTENT = os.urandom(8 * 1024 * 1024)


@dataclass(frozen=True)
class Scene:
    """The artifacts service, and the way from it to its store."""

    service: Process
    gate: Gate

    def put(self, name: str, content: bytes = CONTENT) -> int:
        url = f"{self.service.url}{FILES}/{name}"
        return requests.put(url, data=content, timeout=60).status_code

    def get(self, name: str) -> bytes | int:
        """The content, or else the status; a download that was cut raises."""
        answer = requests.get(f"{self.service.url}{FILES}/{name}", timeout=60)
        return answer.content if answer.status_code == 200 else answer.status_code

    def health(self) -> int:
        return requests.get(self.service.url + "/health", timeout=10).status_code


@pytest.fixture(params=["s3", "minio"])
def scene(request: pytest.FixtureRequest, s3_server: S3Server, tmp_path: Path) -> Iterator[Scene]:
    at = urlsplit(s3_server.endpoint)
    gate = Gate(at.hostname or "", at.port or 0)
    bucket = f"faults-{uuid.uuid4().hex}"
    s3_server.create_bucket(bucket)
    host = f"127.0.0.1:{gate.port}"
    destination = {"s3": f"s3://{bucket}/x", "minio": f"minio://{host}/{bucket}/x?secure=false"}
    variables = {**s3_server.environ, "MLFLOW_S3_ENDPOINT_URL": f"http://{host}"}
    with services.artifacts_service(
        tmp_path, destination[request.param], variables=variables
    ) as running:
        yield Scene(running, gate)
    gate.close()


def test_store_that_stands_still_for_a_while_costs_no_transfer(scene: Scene) -> None:
    assert scene.put("old.bin") == 200
    for _ in range(scaled(1, 5)):
        with ThreadPoolExecutor(8) as pool:
            with scene.gate.frozen():
                puts = [pool.submit(scene.put, f"new-{index}.bin") for index in range(4)]
                gets = [pool.submit(scene.get, "old.bin") for _ in range(4)]
                for _ in range(5):
                    assert scene.health() == 200
                    time.sleep(scaled(100, 1000) / 1000)
                assert not any(each.done() for each in (*puts, *gets))
            assert [each.result() for each in puts] == [200] * 4
            assert all(each.result() == CONTENT for each in gets)
    assert all(scene.get(f"new-{index}.bin") == CONTENT for index in range(4))


def test_store_that_is_gone_under_load_is_a_503_and_comes_back(scene: Scene) -> None:
    assert scene.put("old.bin") == 200
    stored: set[str] = set()
    statuses: set[int] = set()
    stopping = threading.Event()

    def upload(client: int) -> None:
        number = 0
        while not stopping.is_set():
            name = f"{client}-{number}.bin"
            status = scene.put(name)
            statuses.add(status)
            if status == 200:
                stored.add(name)
            number += 1

    def download() -> None:
        while not stopping.is_set():
            try:
                got = scene.get("old.bin")
            except requests.RequestException:
                continue  # it was cut, and shows it
            if isinstance(got, int):
                statuses.add(got)
            else:
                assert got == CONTENT

    with ThreadPoolExecutor(4) as pool:
        running: list[Future[None]] = [pool.submit(upload, client) for client in range(2)]
        running += [pool.submit(download) for _ in range(2)]
        try:
            for _ in range(scaled(1, 5)):
                count = len(stored)
                eventually(lambda count=count: len(stored) > count + 2)
                with scene.gate.gone():
                    eventually(lambda: 503 in statuses)
                    assert scene.health() == 200
                statuses.discard(503)
                count = len(stored)
                eventually(lambda count=count: len(stored) > count + 2)
        finally:
            stopping.set()
        for each in running:
            each.result()
    assert statuses <= {200, 503}
    for name in stored:
        assert scene.get(name) == CONTENT

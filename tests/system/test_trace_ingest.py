"""Spans under load: what was acknowledged is stored, whichever process is killed meanwhile."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from sqlalchemy import create_engine, text

from tandem_metadata.database.address import parse_url
from tests.harness.processes import Process, eventually
from tests.metadata.spans.exports import export, span
from tests.system import services

ROOT = "mlflow-artifacts://127.0.0.1:5500/"
CLIENTS = 8
TRACES = 5


class Exporters:
    """Clients that export spans of the same traces without pause, each span once."""

    def __init__(self, url: str) -> None:
        self.acknowledged: set[tuple[str, str]] = set()
        """Traces and spans whose export was answered 200."""
        self._url = url
        self._gone = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(number,)) for number in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._gone.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _work(self, client: int) -> None:
        headers = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "0"}
        number = 0
        while not self._gone.is_set():
            number += 1
            trace = (number % TRACES + 1).to_bytes(16, "big")
            ids = [(client << 32 | number << 1 | each).to_bytes(8, "big") for each in (0, 1)]
            body = export(*(span(each, b"parent--", trace_id=trace) for each in ids))
            try:
                answer = requests.post(
                    f"{self._url}/v1/traces",
                    data=body.SerializeToString(),
                    headers=headers,
                    timeout=30,
                )
            except requests.RequestException:
                continue
            if answer.status_code == 200:
                assert answer.content == b""
                self.acknowledged |= {(f"tr-{trace.hex()}", each.hex()) for each in ids}


def _kill_all(service: Process) -> None:
    service.kill()


def _kill_a_worker(service: Process) -> None:
    """The supervisor starts another one."""
    pid = service.popen.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    workers = [
        each for each in children if b"spawn" in _command(each) or b"serve" in _command(each)
    ]
    os.kill(int(workers[-1]), signal.SIGKILL)


def _command(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("kill", [_kill_all, _kill_a_worker])
def test_spans_that_were_acknowledged_are_there_after_a_kill(
    kill: Callable[[Process], None], database: str, tmp_path: Path
) -> None:
    with services.metadata_service(tmp_path, database, ROOT, "--workers", "2") as service:
        exporters = Exporters(service.url)
        eventually(lambda: len(exporters.acknowledged) > 300)
        kill(service)
        if kill is _kill_a_worker:
            before = len(exporters.acknowledged)
            eventually(lambda: len(exporters.acknowledged) > before + 100)
        exporters.stop()
    engine = create_engine(parse_url(database))
    with engine.connect() as conn:
        rows = conn.execute(text("SELECT trace_id, span_id FROM spans"))
        stored = {(row.trace_id, row.span_id) for row in rows}
    engine.dispose()
    assert exporters.acknowledged <= stored

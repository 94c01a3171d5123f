"""Connections that use every descriptor up: the log and the processor stay quiet, others go on."""

import contextlib
import os
import resource
import time
from pathlib import Path

import pytest
import requests

from tests.faults import connections
from tests.faults.scale import scaled
from tests.harness.processes import Process, eventually
from tests.system.services import artifacts_service

_LIMIT = 256


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux alone limits other processes")
def test_idle_connections_that_take_all_descriptors_stop_nobody(
    tmp_path: Path, asgi_server: str
) -> None:
    """There are fewer than the service counted on at its start: it has to do with what it gets."""
    options = ("--asgi-server", asgi_server, "--log-level", "WARNING")
    with artifacts_service(tmp_path, str(tmp_path / "files"), *options) as service:
        pid = service.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        assert soft == hard
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (_LIMIT, hard))
        with contextlib.ExitStack() as opened:
            for _ in range(2 * _LIMIT):
                opened.enter_context(connections.connect(service))
            used = os.path.join("/proc", str(pid), "fd")
            eventually(lambda: len(os.listdir(used)) > _LIMIT * 3 // 4)
            before, began = _seconds_of_work(service), time.monotonic()
            for _ in range(scaled(2, 20)):
                time.sleep(1)
                assert requests.get(service.url + "/health", timeout=20).status_code == 200
            assert _seconds_of_work(service) - before < (time.monotonic() - began) / 2
        lines = service.log.read_text().splitlines()
        assert len(lines) <= 3 + (time.monotonic() - began)
        assert not any("Traceback" in line for line in lines)


def _seconds_of_work(service: Process) -> float:
    fields = Path(f"/proc/{service.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

"""The artifacts service for tests: inside the test, or as a process of its own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tandem_artifacts.app import application, driver_of
from tandem_artifacts.settings import Settings

API = "/api/2.0/mlflow-artifacts"
ARTIFACTS = f"{API}/artifacts"

_LISTENS = re.compile(r"listens on http://127\.0\.0\.1:(\d+)")


@contextlib.contextmanager
def client(destination: Path | str, **settings: Any) -> Iterator[TestClient]:
    """A client of the application, which runs inside the test."""
    chosen = Settings(artifacts_destination=str(destination), **settings)
    app = application(chosen, driver_of(chosen))
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as opened:
        yield opened


def stored(root: Path) -> list[str]:
    """Every file below the root, unfinished uploads included."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@dataclass(frozen=True)
class Process:
    """The service as a process."""

    port: int
    popen: "subprocess.Popen[str]"
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """A bare connection, for what no HTTP client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def peak_bytes(self) -> int:
        """The most memory that the process has had at any time."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def terminate(self) -> None:
        self.popen.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def process(
    directory: Path, *arguments: str, environ: dict[str, str] | None = None
) -> Iterator[Process]:
    """Run `tandem-artifacts serve` with `directory/store` as its destination, on a free port."""
    command = [sys.executable, "-m", "tandem_artifacts", "serve", "--port", "0", *arguments]
    if "--artifacts-destination" not in arguments:
        command += ["--artifacts-destination", str(directory / "store")]
    log = directory / "service.log"
    with log.open("w") as output:
        popen = subprocess.Popen(
            command, stderr=output, cwd=directory, text=True, env={**os.environ, **(environ or {})}
        )
    try:
        yield Process(_port(popen, log), popen, log)
    finally:
        popen.terminate()
        try:
            popen.wait(20)
        finally:
            popen.kill()


def _port(popen: "subprocess.Popen[str]", log: Path) -> int:
    while True:
        if found := _LISTENS.search(log.read_text()):
            return int(found[1])
        with contextlib.suppress(subprocess.TimeoutExpired):
            popen.wait(0.05)
            raise RuntimeError(f"the service ended: {log.read_text()}")

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import hypothesis
import pytest

from tests.harness import processes
from tests.harness.processes import eventually

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0

# A busy machine is no finding.
hypothesis.settings.register_profile("tandem", deadline=None, database=None)
hypothesis.settings.load_profile("tandem")


# Reading the authorities' certificates for each request would take longer than the request.
_TLS = httpx.create_ssl_context()


@dataclass
class Process:
    """A service under test: its process, where it listens, and what it wrote to standard error."""

    popen: subprocess.Popen[bytes]
    url: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def get(self, path: str, **options: object) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE, verify=_TLS, **options)  # type: ignore[arg-type]

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        return self.popen.wait(PATIENCE)

    def log(self) -> str:
        return "".join(self.lines)

    def is_ready(self) -> bool:
        if self.popen.poll() is not None:
            pytest.fail(f"ended with {self.popen.returncode}: {self.log()}")
        if not self.url:
            said = [line for line in self.lines if "listens on " in line or "running on" in line]
            if said:
                self.url = said[0].rsplit("on ", 1)[1].split()[0]
            return False
        try:
            return self.get("/ready").status_code in (200, 404)
        except httpx.TransportError:
            return False


@dataclass
class Starter:
    asgi_server: str = "hypercorn"
    processes: list[Process] = field(default_factory=list)

    def __call__(
        self,
        *flags: str,
        environ: dict[str, str] | None = None,
        command: tuple[str, ...] = ("-m", "tests.shared.tiny"),
        ready: bool = True,
    ) -> Process:
        """Start the tiny service, or another command, and wait until it answers."""
        arguments = [sys.executable, *command, *flags]
        chosen = {"PYTHONPATH": str(ROOT), "TANDEM_ASGI_SERVER": self.asgi_server}
        environment = {**os.environ, **chosen, **(environ or {})}
        popen = subprocess.Popen(
            arguments, cwd=ROOT, env=environment, stderr=subprocess.PIPE, start_new_session=True
        )
        process = Process(popen)
        self.processes.append(process)
        threading.Thread(target=_collect, args=(process,), daemon=True).start()
        if ready:
            eventually(process.is_ready, "the service is ready")
        return process


def _collect(process: Process) -> None:
    assert process.popen.stderr
    for line in process.popen.stderr:
        process.lines.append(line.decode(errors="replace"))


@pytest.fixture
def starter() -> Iterator[Starter]:
    starter = Starter()
    yield starter
    for process in starter.processes:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.wait()


@pytest.fixture(params=["hypercorn", "uvicorn"])
def start(request: pytest.FixtureRequest, starter: Starter) -> Starter:
    """Starts services under either ASGI server."""
    starter.asgi_server = request.param
    return starter


@pytest.fixture
def free_port() -> int:
    return processes.free_port()

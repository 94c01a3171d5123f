"""Processes that tests start, and what they wait for."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

START_SECONDS = 120
STOP_SECONDS = 40

_LISTENS = re.compile(r"(?:listens|running) on (https?://\S+)")
_PROBES = re.compile(r"answers probes and scrapes on (http://\S+)")
_FOREIGN = ("MLFLOW_", "TANDEM_", "AWS_", "PROMETHEUS_", "_MLFLOW_")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def free_port() -> int:
    """A port that nobody listens on now."""
    return free_ports(1)[0]


def eventually(
    condition: Callable[[], bool], what: str = "what was waited for", seconds: float = 30
) -> None:
    """Wait until the condition holds; fail when it does not within the seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without what would configure a server or client under test."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }
    return {**inherited, **variables}


def get(url: str, **options: Any) -> httpx.Response:
    """The answer of a local server; the options are those of httpx.get."""
    # Reading the authorities' certificates for each request would take longer than the request.
    return httpx.get(url, **{"timeout": 20, "verify": False, "trust_env": False, **options})


def answers(url: str, **options: Any) -> bool:
    """Whether a URL is answered with success; the options are those of httpx.get."""
    try:
        return get(url, timeout=5, **options).is_success
    except httpx.TransportError:
        return False


@dataclass
class Process:
    """A process in a session of its own; its output goes to the log."""

    popen: "subprocess.Popen[bytes]"
    log: Path
    url: str = ""
    """Where it serves; of a service that says so itself, empty until `answers` has read it."""
    seconds: float = 0
    """From its start until it was ready."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of all requests that this sends to it, as httpx has them: a certificate, for instance."""

    @property
    def name(self) -> str:
        """The program's."""
        return Path(self.popen.args[0]).name  # type: ignore[index,arg-type]

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def connect(self) -> socket.socket:
        """A bare connection, for what no HTTP client would send."""
        return socket.create_connection((urlsplit(self.url).hostname, self.port), timeout=20)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return get(self.url + path, **{**self.options, **options})

    @property
    def probes(self) -> str:
        """The address of a service's port for probes."""
        found = _PROBES.search(self.output())
        assert found, self.output()
        return found[1]

    def answers(self, path: str) -> bool:
        """Whether it serves and answers the path with success."""
        if not self.url and (said := _LISTENS.search(self.output())):
            self.url = said[1]
        return bool(self.url) and answers(self.url + path, **self.options)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def log_lines(self) -> list[dict[str, Any]]:
        """What a service logged so far; lines that are no JSON (its greeting) are left out."""
        return [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]

    def send_signal(self, number: int = signal.SIGTERM) -> None:
        self.popen.send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """The exit status."""
        return self.popen.wait(seconds)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal; the exit status."""
        self.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL to the process and its children, as a crash of the machine's memory would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    ready: str | Callable[[], bool],
    *,
    url: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Process]:
    """A server, from when it is ready; it is killed at the end, with its children.

    It is ready when the condition holds, or when it answers the path with success. `options` are
    `Process.options`.
    Raises RuntimeError as `wait_ready` does.
    """
    process = start(command, log, cwd=cwd, env=env, user=user)
    process.url = url
    process.options = dict(options or {})
    try:
        wait_ready(process, ready)
        yield process
    finally:
        process.kill()


def start(
    command: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    pass_fds: Sequence[int] = (),
) -> Process:
    """A process that works in the log's folder, or in `cwd`; it inherits `pass_fds`."""
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command,
            cwd=cwd or log.parent,
            env=env,
            user=user,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    return Process(popen, log)


def wait_ready(process: Process, ready: str | Callable[[], bool]) -> None:
    """Wait until a process that was started just now is ready, as `running` takes it.

    Raises RuntimeError with the end of its log if it ends before, or takes more than START_SECONDS.
    """
    begun = time.monotonic()
    while not (process.answers(ready) if isinstance(ready, str) else ready()):
        if process.popen.poll() is not None or time.monotonic() > begun + START_SECONDS:
            raise RuntimeError(f"{process.name} did not start:\n{process.output()[-4000:]}")
        time.sleep(0.02)
    process.seconds = time.monotonic() - begun

"""Server processes: started, timed until they answer, looked at, stopped."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.harness.processes import environment

START_SECONDS = 120
_STOP_SECONDS = 20
_POLL_SECONDS = 0.01
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Process:
    """A server that answers."""

    command: tuple[str, ...]
    url: str
    pid: int
    seconds: float
    """From its start to the first good answer."""


@contextmanager
def serve(
    directory: Path,
    command: Sequence[str],
    port: int,
    *,
    health: str = "/health",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run a server that listens on the port, from its first answer of 200 on."""
    log = directory / f"{Path(command[0]).name}-{port}.log"
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        begun = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=directory,
            # MLflow would report home what it is asked.
            env=environment(DO_NOT_TRACK="true", **(variables or {})),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        while not _answers(url + health):
            if process.poll() is not None or time.monotonic() > begun + START_SECONDS:
                tail = log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{command[0]} did not start:\n{tail}")
            time.sleep(_POLL_SECONDS)
        yield Process(tuple(command), url, process.pid, time.monotonic() - begun)
    finally:
        _stop(process)


def wait_for_port(port: int) -> None:
    """Wait until something listens, for a server that has no page to ask for."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Politely, then the whole group; children of a server may outlive it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

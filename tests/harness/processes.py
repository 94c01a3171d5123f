"""Processes that tests start, and what they wait for."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

START_SECONDS = 60

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


def answers(url: str, **options: object) -> bool:
    """Whether a URL is answered with success; the options are those of requests.get."""
    try:
        return requests.get(url, timeout=5, **options).ok  # type: ignore[arg-type]
    except requests.RequestException:
        return False


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    ready: Callable[[], bool],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server, from when it is ready; it is killed at the end, with its children.

    Its output goes to the log. Raises RuntimeError with the end of it when the server ends before
    it is ready, or takes more than START_SECONDS.
    """
    process = start(command, log, cwd=cwd, env=env, user=user)
    try:
        wait_ready(process, log, ready)
        yield process
    finally:
        kill(process)


def start(
    command: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> "subprocess.Popen[bytes]":
    """A process in a session of its own, with its output in the log."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=cwd or log.parent,
            env=env,
            user=user,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_ready(process: "subprocess.Popen[bytes]", log: Path, ready: Callable[[], bool]) -> None:
    """Wait until a server is ready; raises RuntimeError with the end of its log if it is not."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-4000:]
            raise RuntimeError(f"{Path(str(process.args[0])).name} did not start:\n{tail}")  # type: ignore[index]
        time.sleep(0.05)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to a process that `start` began, and to its children."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

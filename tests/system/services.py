"""Both services, and MLflow's own server, as real processes on free ports."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

START_SECONDS = 60
STOP_SECONDS = 40

_BIN = Path(sys.executable).parent
_LISTENS = re.compile(r"listens on (http://\S+)")
_FOREIGN = ("MLFLOW_", "TANDEM_", "AWS_", "PROMETHEUS_", "_MLFLOW_")


@dataclass
class Process:
    """A running server; its output goes to a file."""

    name: str
    url: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL to the process and its children, as a crash of the machine's memory would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def log_lines(self) -> list[dict[str, Any]]:
        """What the service logged so far; lines that are no JSON (its greeting) are left out."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@dataclass(frozen=True)
class Stack:
    """Both services, joined as an operator joins them."""

    metadata: Process
    artifacts: Process
    database: str
    """The URI of the metadata service's database."""
    destination: str
    """Where the artifacts service keeps its files: a directory or an s3:// URI."""

    @property
    def artifacts_host(self) -> str:
        """`host:port` of the artifacts service."""
        return self.artifacts.url.removeprefix("http://")


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without what would configure a server or client under test."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }
    return {**inherited, **variables}


@contextmanager
def artifacts_service(
    directory: Path,
    destination: str,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    started: str = "/ready",
) -> Iterator[Process]:
    """`tandem-artifacts serve`, once it answers 200 at `started`; it must stop with status 0."""
    command = ["tandem-artifacts", "serve", "--artifacts-destination", destination, *arguments]
    with service(directory, command, variables or {}, started) as process:
        yield process


@contextmanager
def metadata_service(
    directory: Path,
    database: str,
    artifact_root: str,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    started: str = "/ready",
) -> Iterator[Process]:
    """`tandem-metadata serve`, once it answers 200 at `started`; it must stop with status 0."""
    options = ["--backend-store-uri", database, "--default-artifact-root", artifact_root]
    command = ["tandem-metadata", "serve", *options, *arguments]
    with service(directory, command, variables or {}, started) as process:
        yield process


def database_command(action: str, uri: str, *arguments: str) -> "subprocess.Popen[str]":
    """`tandem-metadata db …`, begun; what it says comes through a pipe."""
    return subprocess.Popen(
        [_BIN / "tandem-metadata", "db", action, "--backend-store-uri", uri, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def stack(
    directory: Path,
    database: str,
    destination: str,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Both services; `arguments` and `variables` go to both."""
    with ExitStack() as running:
        artifacts = running.enter_context(
            artifacts_service(directory, destination, *arguments, variables=variables)
        )
        root = artifacts.url.replace("http://", "mlflow-artifacts://") + "/"
        metadata = running.enter_context(
            metadata_service(directory, database, root, *arguments, variables=variables)
        )
        yield Stack(metadata, artifacts, database, destination)


@contextmanager
def mlflow_server(
    directory: Path,
    destination: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """MLflow's own server over a fresh SQLite database, serving artifacts too.

    Without a destination they are in `directory/artifacts`. It gets the address of its own artifact
    proxy as the default artifact root, as Tandem's metadata service gets that of the artifacts
    service.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = {
        "--backend-store-uri": f"sqlite:///{directory / 'mlflow.db'}",
        "--default-artifact-root": f"mlflow-artifacts://127.0.0.1:{port}/",
        "--artifacts-destination": destination or str(directory / "artifacts"),
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
    }
    command = ["mlflow", "server", *(part for pair in options.items() for part in pair)]
    # Jobs are background processes of features that no test asks about.
    chosen = environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", **(variables or {}))
    server = _start(directory, command, chosen)
    server.url = url
    try:
        _wait(server, lambda: _answers(f"{url}/health"))
        yield server
    finally:
        server.kill()


def eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until the condition holds; fail when it does not within the seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def service(
    directory: Path,
    command: Sequence[str],
    variables: Mapping[str, str] | None = None,
    started: str = "/ready",
) -> Iterator[Process]:
    """A command that serves, once it answers 200 at `started`; it must stop with status 0."""
    server = _start(directory, [*command, "--port", "0"], environment(**(variables or {})))
    try:
        _wait(server, lambda: _found_url(server) and _answers(server.url + started))
        yield server
        if server.process.poll() is None:
            status = server.stop()
            assert status == 0, f"{server.name} ended with {status}:\n{_tail(server)}"
    finally:
        if server.process.poll() is None:
            server.kill()


def _start(directory: Path, command: Sequence[str], variables: Mapping[str, str]) -> Process:
    name = Path(command[0]).name
    number = len(list(directory.glob(f"{name}-*.log")))
    log = directory / f"{name}-{number}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [_BIN / command[0], *command[1:]],
            cwd=directory,
            env=dict(variables),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Process(name, "", log, process)


def _wait(server: Process, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{server.name} did not start:\n{_tail(server)}")
        time.sleep(0.05)


def _found_url(server: Process) -> bool:
    if match := _LISTENS.search(server.log.read_text(errors="replace")):
        server.url = match[1]
    return bool(server.url)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == requests.codes.ok
    except requests.RequestException:
        return False


def _tail(server: Process) -> str:
    return server.log.read_text(errors="replace")[-4000:]

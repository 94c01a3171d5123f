"""Both services, and MLflow's own server, as real processes on free ports."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness import processes
from tests.harness.processes import answers, environment, free_port, wait_ready

STOP_SECONDS = 40

_BIN = Path(sys.executable).parent
_LISTENS = re.compile(r"listens on (http://\S+)")


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
    *,
    database: str | None = None,
    artifact_root: str | None = None,
) -> Iterator[Process]:
    """MLflow's own server, serving artifacts too.

    Without a database it is a fresh one on SQLite; without a destination artifacts are in
    `directory/artifacts`. Without an artifact root it gets the address of its own artifact proxy,
    as Tandem's metadata service gets that of the artifacts service.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = {
        "--backend-store-uri": database or f"sqlite:///{directory / 'mlflow.db'}",
        "--default-artifact-root": artifact_root or f"mlflow-artifacts://127.0.0.1:{port}/",
        "--artifacts-destination": destination or str(directory / "artifacts"),
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
    }
    command = [_BIN / "mlflow", "server", *(part for pair in options.items() for part in pair)]
    # Jobs are background processes of features that no test asks about.
    chosen = environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", **(variables or {}))
    log = directory / "mlflow.log"
    with processes.running(command, log, lambda: answers(f"{url}/health"), env=chosen) as process:
        yield Process("mlflow", url, log, process)


def mlflow_upgrade(database: str) -> None:
    """Bring a database's tables to the form of MLflow's release, by its own command."""
    command = [_BIN / "mlflow", "db", "upgrade", database]
    subprocess.run(command, check=True, env=environment(), capture_output=True)


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
        wait_ready(server.process, server.log, lambda: _is_up(server, started))
        yield server
        if server.process.poll() is None:
            status = server.stop()
            assert status == 0, f"{server.name} ended with {status}:\n{_tail(server)}"
    finally:
        processes.kill(server.process)


def _start(directory: Path, command: Sequence[str], variables: Mapping[str, str]) -> Process:
    name = Path(command[0]).name
    number = len(list(directory.glob(f"{name}-*.log")))
    log = directory / f"{name}-{number}.log"
    process = processes.start([_BIN / command[0], *command[1:]], log, env=variables)
    return Process(name, "", log, process)


def _is_up(server: Process, path: str) -> bool:
    if not server.url:
        match = _LISTENS.search(server.log.read_text(errors="replace"))
        server.url = match[1] if match else ""
    return bool(server.url) and answers(server.url + path)


def _tail(server: Process) -> str:
    return server.log.read_text(errors="replace")[-4000:]

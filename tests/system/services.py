"""Both services, and MLflow's own server, as real processes on free ports."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.processes import Process, environment, free_port, running

_BIN = Path(sys.executable).parent


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
    options: Mapping[str, Any] | None = None,
) -> Iterator[Process]:
    """`tandem-artifacts serve`, once it answers 200 at `started`; it must stop with status 0."""
    command = ["tandem-artifacts", "serve", "--artifacts-destination", destination, *arguments]
    with service(directory, command, variables or {}, started, options) as process:
        yield process


@contextmanager
def metadata_service(
    directory: Path,
    database: str,
    artifact_root: str,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    started: str = "/ready",
    options: Mapping[str, Any] | None = None,
    port: int = 0,
) -> Iterator[Process]:
    """`tandem-metadata serve`, once it answers 200 at `started`; it must stop with status 0."""
    flags = ["--backend-store-uri", database, "--default-artifact-root", artifact_root]
    command = ["tandem-metadata", "serve", *flags, *arguments]
    with service(directory, command, variables or {}, started, options, port) as process:
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
    with ExitStack() as stacked:
        artifacts = stacked.enter_context(
            artifacts_service(directory, destination, *arguments, variables=variables)
        )
        root = artifacts.url.replace("http://", "mlflow-artifacts://") + "/"
        metadata = stacked.enter_context(
            metadata_service(directory, database, root, *arguments, variables=variables)
        )
        yield Stack(metadata, artifacts, database, destination)


@contextmanager
def guarded_stack(
    directory: Path,
    database: str,
    destination: str,
    *,
    variables: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[Stack]:
    """Both services with accounts, in which nobody may do what is not granted.

    `options` are the metadata service's. The administrator's password is `ADMIN_PASSWORD`.
    """
    with ExitStack() as stacked:
        port = free_port()
        asking = ("--auth", "metadata", "--metadata-url", f"http://127.0.0.1:{port}")
        artifacts = stacked.enter_context(
            artifacts_service(directory, destination, *asking, variables=variables)
        )
        root = artifacts.url.replace("http://", "mlflow-artifacts://") + "/"
        metadata = stacked.enter_context(
            metadata_service(
                directory, database, root, *GUARDED, *options, variables=ADMIN, port=port
            )
        )
        yield Stack(metadata, artifacts, database, destination)


ADMIN_PASSWORD = "correct horse battery"
ADMIN = {"MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD}
GUARDED = ("--auth", "basic", "--auth-default-permission", "NO_PERMISSIONS")


@contextmanager
def mlflow_server(
    directory: Path,
    destination: str | None = None,
    variables: Mapping[str, str] | None = None,
    *,
    database: str | None = None,
    artifact_root: str | None = None,
    arguments: Sequence[str] = (),
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
    command += arguments
    # Jobs are background processes of features that no test asks about.
    chosen = environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", **(variables or {}))
    log = directory / "mlflow.log"
    with running(command, log, "/health", url=url, env=chosen) as process:
        yield process


def mlflow_upgrade(database: str) -> None:
    """Bring a database's tables to the form of MLflow's release, by its own command."""
    import mlflow.db  # takes seconds; most of those who use this module need none of it

    # In this process: another one would spend most of its seconds on the same import.
    mlflow.db.upgrade.main([database], standalone_mode=False)


@contextmanager
def service(
    directory: Path,
    command: Sequence[str],
    variables: Mapping[str, str] | None = None,
    started: str = "/ready",
    options: Mapping[str, Any] | None = None,
    port: int = 0,
) -> Iterator[Process]:
    """A command that serves, once it answers 200 at `started`; it must stop with status 0.

    `options` are `Process.options`.
    """
    name = Path(command[0]).name
    log = directory / f"{name}-{len(list(directory.glob(f'{name}-*.log')))}.log"
    serving = [_BIN / command[0], *command[1:], "--port", str(port)]
    variables = environment(**(variables or {}))
    with running(serving, log, started, env=variables, options=options) as process:
        yield process
        if process.popen.poll() is None:
            status = process.stop()
            assert status == 0, f"{name} ended with {status}:\n{process.output()[-4000:]}"

"""The servers under load, each with the settings that its makers chose."""

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tandem_shared import MLFLOW_VERSION
from tests.benchmark.databases import Database
from tests.benchmark.processes import Process, serve
from tests.harness.processes import environment, free_port

WORKERS = 2
FASTTRACKML = "fasttrackml==0.6.0"
MLFLOW = f"mlflow=={MLFLOW_VERSION}"
_MLFLOW_DRIVERS = ("boto3", "psycopg[binary]")
_ROOT = Path(__file__).resolve().parents[2]
_PINNED = ("-c", str(_ROOT / "constraints.txt"))
_CACHE = _ROOT / ".cache" / "bench"
_PYTHON = f"python-{hashlib.sha256((sys.base_prefix + sys.version).encode()).hexdigest()[:12]}"
_PARTS = ("shared", "services/metadata", "services/artifacts")


@dataclass(frozen=True)
class Destination:
    """Where artifacts are kept: a directory or an s3:// address, and what leads there."""

    address: str
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    artifacts_url: str | None
    """Where `/api/2.0/mlflow-artifacts` is; None for a server that has no such thing."""
    processes: tuple[Process, ...]


Start = Callable[[Path, Database, Destination], AbstractContextManager[Running]]


@dataclass(frozen=True)
class Server:
    name: str
    title: str
    settings: str
    """How it is run, for the reader of the figures."""
    start: Start


@contextmanager
def _tandem(directory: Path, database: Database, destination: Destination) -> Iterator[Running]:
    with _both(directory, database, destination, "hypercorn") as running:
        yield running


@contextmanager
def _tandem_uvicorn(
    directory: Path, database: Database, destination: Destination
) -> Iterator[Running]:
    with _both(directory, database, destination, "uvicorn") as running:
        yield running


@contextmanager
def tandem_with_accounts(
    directory: Path, database: Database, destination: Destination, default_permission: str
) -> Iterator[Running]:
    """As Tandem, but each request must come from a user; there is an administrator."""
    more = {
        "TANDEM_AUTH": "basic",
        "TANDEM_AUTH_DEFAULT_PERMISSION": default_permission,
        "MLFLOW_AUTH_ADMIN_PASSWORD": "the administrator's password",
    }
    with _both(directory, database, destination, "hypercorn", more) as running:
        yield running


@contextmanager
def _both(
    directory: Path,
    database: Database,
    destination: Destination,
    asgi_server: str,
    more: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Both services; with `more`, which are variables of metadata, artifacts asks it as well."""
    ports = free_port(), free_port()
    artifacts_variables = {
        "MLFLOW_ARTIFACTS_DESTINATION": destination.address,
        **destination.variables,
    }
    if more:
        artifacts_variables["TANDEM_AUTH"] = "metadata"
        artifacts_variables["TANDEM_METADATA_URL"] = f"http://127.0.0.1:{ports[1]}"
    metadata_variables = {
        "MLFLOW_BACKEND_STORE_URI": database.uri("postgresql"),
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"mlflow-artifacts://127.0.0.1:{ports[0]}/",
        **(more or {}),
    }
    _tandem_program("tandem-metadata")  # installed once, before two threads ask for programs
    with ExitStack() as stack:

        def start(name: str, port: int, variables: dict[str, str]) -> Process:
            command = _tandem_command(name, asgi_server, port)
            return stack.enter_context(serve(directory, command, port, variables=variables))

        # Both at once, as an operator starts them.
        with ThreadPoolExecutor() as threads:
            artifacts = threads.submit(start, "tandem-artifacts", ports[0], artifacts_variables)
            metadata = start("tandem-metadata", ports[1], metadata_variables)
        yield Running(metadata.url, artifacts.result().url, (metadata, artifacts.result()))


def make_tables(variables: Mapping[str, str]) -> None:
    """Tandem's tables in an empty database."""
    done = subprocess.run(
        [_tandem_program("tandem-metadata"), "db", "upgrade"],
        env=environment(**variables),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"tandem-metadata db upgrade failed: {done.stderr[-3000:]}")


def _tandem_command(name: str, asgi_server: str, port: int) -> list[str]:
    options = ["--port", str(port), "--workers", str(WORKERS), "--asgi-server", asgi_server]
    return [str(_tandem_program(name)), "serve", *options]


def _tandem_program(name: str) -> Path:
    """A program of Tandem's, in an environment that has what its users have, and no tools."""
    told = hashlib.sha256((_ROOT / "constraints.txt").read_bytes())
    for part in _PARTS:
        told.update((_ROOT / part / "pyproject.toml").read_bytes())
    parts = [word for part in _PARTS for word in ("-e", f"{_ROOT / part}[uvicorn]")]
    return _installed(f"tandem-{told.hexdigest()[:12]}", name, *_PINNED, *parts)


@contextmanager
def _mlflow(directory: Path, database: Database, destination: Destination) -> Iterator[Running]:
    port = free_port()
    command = [
        str(_program("mlflow", MLFLOW, *_PINNED, *_MLFLOW_DRIVERS)),
        "server",
        f"--port={port}",
        f"--backend-store-uri={database.uri('postgresql+psycopg')}",
        f"--artifacts-destination={destination.address}",
    ]
    with serve(directory, command, port, variables=destination.variables) as process:
        yield Running(process.url, process.url, (process,))


@contextmanager
def _fasttrackml(
    directory: Path, database: Database, destination: Destination
) -> Iterator[Running]:
    port = free_port()
    command = [
        str(_program("fml", FASTTRACKML, "--no-deps")),
        "server",
        f"--listen-address=127.0.0.1:{port}",
        # An absolute path has a slash less here than in SQLAlchemy's addresses.
        f"--database-uri={database.uri('postgres').replace('sqlite:////', 'sqlite:///')}",
        f"--default-artifact-root={directory / 'fasttrackml'}",
    ]
    with serve(directory, command, port) as process:
        yield Running(process.url, None, (process,))


def _program(name: str, requirement: str, *install: str) -> Path:
    """A peer's program, in an environment of its own that holds what its users have and no more."""
    return _installed(requirement.replace("==", "-"), name, *install, requirement)


def _installed(named: str, name: str, *install: str) -> Path:
    """A program in an environment of this Python, made when it is first asked for."""
    home = _CACHE / f"{named}-{_PYTHON}"
    program = home / "bin" / name
    if not program.exists():
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "pip", "install", "-qq", *install], check=True)
    return program


SERVERS = {
    server.name: server
    for server in (
        Server(
            "tandem",
            "Tandem",
            f"`tandem-metadata serve --workers {WORKERS}` and "
            f"`tandem-artifacts serve --workers {WORKERS}`, under Hypercorn",
            _tandem,
        ),
        Server(
            "tandem-uvicorn",
            "Tandem, Uvicorn",
            "the same with `--asgi-server uvicorn`",
            _tandem_uvicorn,
        ),
        Server("mlflow", "MLflow", "`mlflow server`: 4 workers of Uvicorn", _mlflow),
        Server("fasttrackml", "FastTrackML", "`fml server`: one process", _fasttrackml),
    )
}

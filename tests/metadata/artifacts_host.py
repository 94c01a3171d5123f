"""An HTTP server that stands in for a foreign artifacts host and answers as a test chooses."""

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert
from starlette.testclient import TestClient

from tandem_metadata.app import create_app
from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.database.tables.registry import model_versions, registered_models

FEW = 8
"""Artifacts that the service relays at once."""

FETCH = (
    "/get-artifact?run_id={run}&path=",
    "/model-versions/get-artifact?name=fraud&version=1&path=",
    "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files?artifact_file_path=",
)
"""URLs that fetch a file of a run, a model version and a logged model; its path is appended."""

LIST = (
    "/ajax-api/2.0/mlflow/artifacts/list?run_id={run}&path=",
    "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/directories?artifact_directory_path=",
)
"""URLs that list the files of a run and a logged model; the path is appended."""

Handler = http.server.BaseHTTPRequestHandler


@dataclass
class ArtifactsHost:
    """A running server that answers each request with `answer`."""

    address: str
    """`host:port`."""
    answer: Callable[[Handler], None]
    seen: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Paths and headers of the requests, names in lower case."""
    stored: dict[str, bytes] = field(default_factory=dict)
    """Bodies of uploads that came whole, by path."""

    @property
    def root(self) -> str:
        """An artifact root on this host."""
        return f"mlflow-artifacts://{self.address}/"


def answer(
    body: bytes = b"", status: int = 200, *, length: int | None = None, **headers: str
) -> Callable[[Handler], None]:
    """A handler that sends this answer; `_` in header names stands for `-`."""

    def send(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = length is not None

    return send


@contextmanager
def serve() -> Iterator[ArtifactsHost]:
    """A server on loopback."""

    class Answering(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            host.seen.append((self.path, headers))
            try:
                host.answer(self)
            except OSError:  # who asked has left
                self.close_connection = True

        def do_PUT(self) -> None:
            if (body := _body_of(self)) is not None:
                host.stored[self.path] = body
                self.do_GET()

        def do_DELETE(self) -> None:
            for path in [each for each in host.stored if each.startswith(self.path)]:
                del host.stored[path]
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        server.block_on_close = False
        host = ArtifactsHost(f"127.0.0.1:{server.server_port}", answer())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield host
        server.shutdown()
        thread.join()


def _body_of(handler: Handler) -> bytes | None:
    """The body of a request, by its length or in chunks; None if it breaks off."""
    body = b""
    if length := handler.headers["Content-Length"]:
        body = handler.rfile.read(int(length))
        return body if len(body) == int(length) else None
    while size := int(handler.rfile.readline() or b"-1", 16):
        if size < 0:
            return None
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


@dataclass
class Metadata:
    """The metadata service over artifacts of one location."""

    http: TestClient
    run: str

    def urls(self, templates: tuple[str, ...], path: str) -> list[str]:
        """The URL of `path` for each kind of owner."""
        return [template.format(run=self.run) + path for template in templates]


@contextmanager
def metadata(
    directory: Path,
    template: Path,
    monkeypatch: pytest.MonkeyPatch,
    root: str,
    location: str,
    **variables: str,
) -> Iterator[Metadata]:
    """The service on a copy of an empty database, with a run, a model and a version of it.

    `root` is its default artifact root; all artifacts are at `location`.
    """
    database = directory / "mlflow.db"
    database.write_bytes(template.read_bytes())
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", f"sqlite:///{database}")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", root)
    monkeypatch.setenv("TANDEM_ARTIFACTS_TIMEOUT", "1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _put_models(f"sqlite:///{database}", location)
    with TestClient(create_app(), base_url="http://localhost", follow_redirects=False) as http:
        message = {"name": "e", "artifact_location": location}
        created = http.post("/api/2.0/mlflow/experiments/create", json=message).json()
        run = http.post("/api/2.0/mlflow/runs/create", json=created).json()["run"]
        yield Metadata(http, run["info"]["run_id"])


def _put_models(database: str, location: str) -> None:
    """Insert the source directly: an older database may hold one that is refused today."""
    engine = create_engine(database)
    with engine.begin() as conn:
        conn.execute(insert(registered_models).values(name="fraud"))
        conn.execute(
            insert(model_versions).values(
                name="fraud", version=1, current_stage="None", source=location
            )
        )
        conn.execute(
            insert(logged_models).values(
                model_id="m-1",
                experiment_id=0,
                name="forest",
                artifact_location=location,
                creation_timestamp_ms=1,
                last_updated_timestamp_ms=1,
                status=2,
                lifecycle_stage="active",
            )
        )
    engine.dispose()

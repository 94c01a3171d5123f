"""Artifacts relayed from another HTTP server, by connections that do not run out."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, insert
from starlette.testclient import TestClient

from tandem_metadata.app import create_app
from tandem_metadata.tables.logged_models import logged_models
from tandem_metadata.tables.registry import model_versions, registered_models

CONNECTIONS = 64
"""As many the service holds to the artifacts service."""


class Artifacts(http.server.BaseHTTPRequestHandler):
    """Answers each path with its own name, and the caller's If-None-Match as ETag."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.path.rpartition("/")[2].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "sandbox")
        self.send_header("ETag", self.headers.get("If-None-Match", '"none"'))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests of a test are no news."""


@pytest.fixture(scope="module")
def artifacts() -> Iterator[str]:
    """The address of a server of artifacts."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Artifacts) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"mlflow-artifacts://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def client(
    artifacts: str, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    database = tmp_path / "mlflow.db"
    database.write_bytes(sqlite_template.read_bytes())
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", f"sqlite:///{database}")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", artifacts)
    monkeypatch.setenv("TANDEM_ARTIFACTS_TIMEOUT", "1")
    with TestClient(create_app(), base_url="http://localhost") as made:
        created = made.post(
            "/api/2.0/mlflow/experiments/create",
            json={"name": "e", "artifact_location": f"{artifacts}e"},
        ).json()
        run = made.post("/api/2.0/mlflow/runs/create", json=created).json()["run"]
        made.params = {"run_id": run["info"]["run_id"], "path": "a.txt"}
        _put_models(f"sqlite:///{database}", f"{artifacts}m")
        yield made


def _put_models(database: str, location: str) -> None:
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


@pytest.mark.parametrize(
    "url",
    [
        "/get-artifact",
        "/model-versions/get-artifact?name=fraud&version=1&path=a.txt",
        "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files?artifact_file_path=a.txt",
    ],
)
def test_head_requests_leave_the_connections_free(client: TestClient, url: str) -> None:
    if "?" in url:
        client.params = {}
    for _ in range(CONNECTIONS + 1):
        answer = client.head(url)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == "5"
    assert client.get(url).content == b"a.txt"


def test_what_keeps_a_browser_from_running_an_artifact_is_passed_on(client: TestClient) -> None:
    answer = client.get("/get-artifact")
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_headers_pass_as_they_come_in_both_directions(client: TestClient) -> None:
    etag = '"日"'.encode() + b"\xe9"

    async def ask() -> httpx.Response:  # Starlette's own client cannot read such a header
        transport = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as raw:
            return await raw.get(
                "/get-artifact", params=client.params, headers={b"If-None-Match": etag}
            )

    assert client.portal is not None
    answer = client.portal.call(ask)
    assert answer.status_code == 200
    assert (b"etag", etag) in answer.headers.raw

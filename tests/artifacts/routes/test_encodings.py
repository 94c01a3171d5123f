"""Objects with a Content-Encoding, as MLflow's server puts them into S3, come back as logged."""

import gzip
import http.client
import http.server
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from tandem_shared.http.artifact_headers import RELAYED
from tests.artifacts.service import API, ARTIFACTS
from tests.seaweedfs import S3Server
from tests.system.services import artifacts_service

_PACKED = gzip.compress(b"plain" * 200)
_FILES = {
    "data.csv.gz": _PACKED,
    "model.tgz": _PACKED,
    "plot.svgz": _PACKED,
    "empty.gz": b"",
    "not-packed.gz": b"plain, whatever the name says",
    "page.html.br": b"not what br packs",
    "plain.txt": b"plain",
}


@contextmanager
def _deaf(endpoint: str) -> Iterator[str]:
    """The address of a store that answers what it keeps, whatever Content-Encoding is asked for."""
    host = urlsplit(endpoint).netloc

    class Passing(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            with closing(http.client.HTTPConnection(host, timeout=30)) as store:
                # With the Host that was signed.
                headers = dict(self.headers.items())
                store.request(self.command, self.path, self.rfile.read(length), headers)
                answer = store.getresponse()
                body = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() == "content-encoding" and value == "identity":
                    value = "gzip"
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_PUT = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Passing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=["listens", "deaf"])
def endpoint(request: pytest.FixtureRequest, s3_server: S3Server) -> Iterator[str]:
    if request.param == "listens":
        yield s3_server.endpoint
    else:
        with _deaf(s3_server.endpoint) as address:
            yield address


@pytest.mark.parametrize("kind", ["s3", "minio"])
def test_content_encoding_that_mlflow_stored_comes_back_as_logged(
    kind: str,
    endpoint: str,
    s3_server: S3Server,
    s3_bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    prefix = f"{s3_bucket}/encodings/{abs(hash(request.node.name))}"
    (tmp_path / "logged").mkdir()
    for name, content in _FILES.items():
        (tmp_path / "logged" / name).write_bytes(content)
    S3ArtifactRepository(f"s3://{prefix}/run").log_artifacts(str(tmp_path / "logged"))

    host = endpoint.removeprefix("http://")
    destination = {"s3": f"s3://{prefix}", "minio": f"minio://{host}/{prefix}?secure=false"}[kind]
    variables = {**s3_server.environ, "MLFLOW_S3_ENDPOINT_URL": endpoint}
    arguments = (destination, "--redirect-downloads")
    with artifacts_service(tmp_path, *arguments, variables=variables) as service:
        uri = f"mlflow-artifacts://127.0.0.1:{service.port}/run"
        repository = get_artifact_repository(uri, tracking_uri="http://127.0.0.1:1")
        fetched = Path(repository.download_artifacts(""))
        for name, content in _FILES.items():
            assert (fetched / name).read_bytes() == content, name
            url = f"{service.url}{ARTIFACTS}/run/{name}"
            assert requests.get(url).content == content, name
            assert requests.get(url, headers={RELAYED: "1"}).content == content, name
            signed = requests.get(f"{service.url}{API}/presigned/run/{name}").json()
            if "file_size" in signed:
                assert requests.get(signed["url"]).content == content, name
            # A store that listens is not bypassed.
            encoded = name not in ("plain.txt", "empty.gz")
            assert ("file_size" in signed) is (endpoint == s3_server.endpoint or not encoded), name

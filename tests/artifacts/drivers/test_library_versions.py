"""Undocumented parts of the minio SDK that its driver uses, and the versions that have them."""

import http.server
import inspect
import re
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from minio import Minio
from minio.error import InvalidResponseError

from tandem_artifacts.drivers.minio import SUPPORTED
from tandem_artifacts.drivers.open import open_driver
from tandem_shared.settings import SettingsError

ROOT = Path(__file__).resolve().parents[3]


def test_minio_series_is_that_of_pyproject_and_constraints() -> None:
    distribution, series = SUPPORTED
    major, minor = series.split(".")[:2]
    text = (ROOT / "services/artifacts/pyproject.toml").read_text()
    bounds = f"{distribution}>={major}.{minor},<{major}.{int(minor) + 1}"
    assert bounds in tomllib.loads(text)["project"]["dependencies"]
    pinned = re.findall(r"(?im)^minio==(\S+)", (ROOT / "constraints.txt").read_text())
    assert [pin.startswith(series) for pin in pinned] == [True]


def test_minio_of_another_version_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "minio-9.9.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: minio\nVersion: 9.9.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match=r"minio 9\.9\.0 is installed.*'minio==7\.2\.\*'"):
        open_driver("minio://store.example/bucket")


def test_minio_execute_takes_what_the_driver_gives() -> None:
    given = inspect.signature(Minio._execute)
    bound = given.bind(
        None, "PUT", "bucket", "key", body=bytearray(b"x"), headers={}, query_params={"a": "b"}
    )
    assert list(bound.arguments) == [
        "self",
        "method",
        "bucket_name",
        "object_name",
        "body",
        "headers",
        "query_params",
    ]


@pytest.fixture
def plain_store() -> Iterator[tuple[str, list[str]]]:
    """A store's `host:port` that says no to everything in plain text, and what it is asked."""
    asked: list[str] = []

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked.append(f"{self.path} {self.rfile.read(int(self.headers['Content-Length']))!r}")
            self.send_response(418)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_minio_execute_sends_one_request_and_its_error_keeps_the_status(
    plain_store: tuple[str, list[str]],
) -> None:
    host, asked = plain_store
    client = Minio(host, "key", "secret", secure=False, region="us-east-1")
    with pytest.raises(InvalidResponseError) as raised:
        client._execute(
            "PUT", "bucket", "a", body=bytearray(b"x"), query_params={"partNumber": "1"}
        )
    assert raised.value._code == 418
    assert asked == ["/bucket/a?partNumber=1 b'x'"]

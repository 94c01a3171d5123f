"""`doctor` of the artifacts service beside stores that are broken, on disk and in buckets."""

import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import seaweedfs
from tests.harness.processes import free_port
from tests.seaweedfs import S3Server
from tests.system.doctoring import doctor, doctor_within

_UNSHARE = ["/usr/bin/unshare", "--map-root-user", "--mount"]


def _on_disk(tmp_path: Path, how: str) -> tuple[list[str], Path]:
    """A command's beginning that gives it a file system of its own, and where that is."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run([*_UNSHARE, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a disk of their own")
    script = f'mount -t tmpfs -o {how} tmpfs {place} && exec "$@"'
    return [*_UNSHARE, "sh", "-c", script, "sh"], place


def test_a_folder_that_is_read_only_is_told(tmp_path: Path) -> None:
    before, place = _on_disk(tmp_path, "ro")
    report = doctor_within(before, "tandem-artifacts", "--artifacts-destination", str(place))
    assert report.status == 1
    assert "read-only" in report.told("destination")
    assert "Mount it for writing" in report.told("destination")


def test_a_disk_that_is_full_is_told(tmp_path: Path) -> None:
    before, place = _on_disk(tmp_path, "size=8m")
    report = doctor_within(before, "tandem-artifacts", "--artifacts-destination", str(place))
    assert report.status == 1
    assert "is full" in report.told("destination")
    assert "Make room" in report.told("destination")


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    report = doctor("tandem-artifacts", "--artifacts-destination", str(place))
    assert report.status == 0
    assert "serve makes it" in report.told("destination")
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").touch()
    report = doctor("tandem-artifacts", "--artifacts-destination", str(tmp_path / "file"))
    assert "is no folder" in report.told("destination")


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    name = f"doctor-{uuid.uuid4().hex}"
    s3_server.create_bucket(name)
    return name


def test_a_bucket_that_is_missing_is_told(s3_server: S3Server) -> None:
    report = doctor(
        "tandem-artifacts",
        *("--artifacts-destination", f"s3://missing-{uuid.uuid4().hex}"),
        variables=s3_server.environ,
    )
    assert report.status == 1
    assert "bucket of the artifact store does not exist" in report.told("destination")
    assert "Create the bucket" in report.told("destination")


def test_a_bucket_without_rights_is_told_with_the_rights_that_are_needed(
    s3_server: S3Server, bucket: str
) -> None:
    reading = {
        **s3_server.environ,
        "AWS_ACCESS_KEY_ID": seaweedfs.READER,
        "AWS_SECRET_ACCESS_KEY": seaweedfs.READER,
    }
    wrong = {**s3_server.environ, "AWS_SECRET_ACCESS_KEY": "not-the-secret"}
    for variables, failing in ((reading, "To store a file"), (wrong, "To list the destination")):
        report = doctor(
            "tandem-artifacts",
            *("--artifacts-destination", f"s3://{bucket}/root"),
            variables=variables,
        )
        assert report.status == 1
        told = report.told("destination")
        assert f"failure: {failing}" in told
        assert "s3:PutObject" in told
        assert "not-the-secret" not in report.output


def test_a_store_that_is_down_is_told(bucket: str, s3_server: S3Server) -> None:
    down = {**s3_server.environ, "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    report = doctor("tandem-artifacts", "--artifacts-destination", f"s3://{bucket}", variables=down)
    assert report.status == 1
    assert "does not answer" in report.told("destination")


@contextmanager
def _refusing(code: str) -> Iterator[str]:
    """A store that refuses every request by one of S3's codes."""
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_clock_that_the_store_refuses_is_told_as_one() -> None:
    with _refusing("RequestTimeTooSkewed") as endpoint:
        variables = {
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "very-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
        }
        given = ("--artifacts-destination", "s3://bucket/root")
        report = doctor("tandem-artifacts", *given, variables=variables)
    assert report.status == 1
    assert "RequestTimeTooSkewed" in report.told("destination")
    assert "time server" in report.told("destination")
    assert "very-secret" not in report.output

"""What the commands say of a start that cannot work: one sentence, exit status 2, no secret."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.harness.processes import Process, environment, eventually
from tests.seaweedfs import S3Server
from tests.system import services

ROOT = "mlflow-artifacts://127.0.0.1:5500/"
BIN = Path(sys.executable).parent
# Root may do what no permission allows, unless this is taken from it.
SETPRIV = ["/usr/bin/setpriv", "--bounding-set=-dac_override,-dac_read_search"]
UNPRIVILEGED = SETPRIV if os.geteuid() == 0 else []


def refusal(directory: Path, *command: str, **variables: str) -> str:
    """The one line on standard error of a command that ends with status 2."""
    done = subprocess.run(
        [*UNPRIVILEGED, BIN / command[0], *command[1:]],
        cwd=directory,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def metadata(*arguments: str) -> list[str]:
    """A command that serves metadata."""
    program = str(BIN / "tandem-metadata")
    return [program, "serve", "--port", "0", "--default-artifact-root", ROOT, *arguments]


@contextmanager
def closed(path: Path, mode: int) -> Iterator[None]:
    """A file or folder whose permissions are taken away meanwhile."""
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


def test_a_folder_without_write_permission_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with closed(folder, 0o555):
        uri = f"sqlite:///{folder}/mlflow.db"
        said = refusal(tmp_path, *metadata("--backend-store-uri", uri))
        assert "--backend-store-uri" in said
        assert f"may not make files in the folder {folder}" in said
        destination = ("--port", "0", "--artifacts-destination")
        said = refusal(tmp_path, "tandem-artifacts", "serve", *destination, str(folder))
        assert f"may not write to {folder}" in said
        said = refusal(tmp_path, "tandem-artifacts", "serve", *destination, f"{folder}/below")
        assert f"{folder}/below cannot be used: Permission denied" in said


def _serving(service: str, directory: Path) -> list[str]:
    """A command of either service."""
    if service == "tandem-metadata":
        return metadata("--backend-store-uri", f"sqlite:///{directory}/mlflow.db")
    destination = ["--artifacts-destination", str(directory / "files")]
    return [service, "serve", "--port", "0", *destination]


@pytest.mark.parametrize("service", ["tandem-metadata", "tandem-artifacts"])
def test_an_open_address_needs_a_word_on_authentication(service: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, *_serving(service, tmp_path), "--host", "0.0.0.0")
    assert "The address 0.0.0.0 can be reached by others, and nobody is authenticated" in said
    assert "--insecure-no-auth" in said
    assert not (tmp_path / "mlflow.db").exists()
    open_ = ["--host", "0.0.0.0", "--insecure-no-auth"]
    with services.service(tmp_path, [*_serving(service, tmp_path), *open_]) as one:
        assert requests.get(f"http://127.0.0.1:{one.port}/health").text == "OK"
        (told,) = [line for line in one.log_lines() if line["logger"] == "tandem.auth"]
    assert told["level"] == "WARNING"
    assert "nobody is authenticated on 0.0.0.0" in told["message"]


@pytest.mark.parametrize("service", ["tandem-metadata", "tandem-artifacts"])
def test_a_folder_that_workers_cannot_share_metrics_in_is_refused(
    service: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    command = [service, "serve", "--port", "0", "--workers", "2", "--expose-prometheus"]
    if service == "tandem-metadata":
        command[2:2] = ["--default-artifact-root", ROOT]
    assert "metrics in file: File exists" in refusal(tmp_path, *command, "file")
    (tmp_path / "folder").mkdir()
    with closed(tmp_path / "folder", 0o555):
        assert "metrics in folder: Permission denied" in refusal(tmp_path, *command, "folder")


def test_a_folder_of_other_workers_metrics_is_not_used(tmp_path: Path) -> None:
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "gone")}
    destination = str(tmp_path / "files")
    with services.artifacts_service(tmp_path, destination, variables=variables) as service:
        assert requests.get(f"{service.url}/metrics").status_code == 200


def test_an_sqlite_file_is_not_served_while_it_is_read_only(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    uri = f"sqlite:///{path}"
    with services.service(tmp_path, [*UNPRIVILEGED, *metadata("--backend-store-uri", uri)]) as one:
        assert requests.get(f"{one.url}/ready").status_code == 200
        with closed(path, 0o444):
            for _ in range(2):
                answer = requests.get(f"{one.url}/ready")
                assert (answer.status_code, "read-only" in answer.text) == (503, True)
                assert str(tmp_path) not in answer.text
        assert requests.get(f"{one.url}/ready").status_code == 200
        told = [line["message"] for line in one.log_lines() if line["logger"] == "tandem.ready"]
    assert len(told) == 2  # once a change, not at every probe
    assert f"may not write to {path}" in told[0]
    assert told[1] == "ready again"
    with closed(path, 0o444):
        said = refusal(tmp_path, *metadata("--backend-store-uri", uri))
        assert f"may not write to {path}" in said
        waiting = [*UNPRIVILEGED, *metadata("--backend-store-uri", uri, "--no-migrate")]
        with services.service(tmp_path, waiting, started="/health") as one:
            eventually(lambda: "may not write" in one.log.read_text())
            assert requests.get(f"{one.url}/ready").status_code == 503


@pytest.mark.parametrize("driver", ["s3", "minio"])
def test_a_bucket_that_is_not_there_is_logged_at_once(
    driver: str, s3_server: S3Server, tmp_path: Path
) -> None:
    host = s3_server.endpoint.removeprefix("http://")
    destination = "s3://no-such-bucket/below"
    if driver == "minio":
        destination = f"minio://{host}/no-such-bucket/below?secure=false"
    variables = s3_server.environ
    told = _told_at_start(tmp_path, destination, variables)
    assert "not ready: The bucket of the artifact store does not exist." in told


@pytest.mark.parametrize("wrong", ["missing", "refused"])
def test_credentials_that_do_not_do_are_logged_at_once(
    wrong: str, s3_server: S3Server, tmp_path: Path
) -> None:
    variables = s3_server.environ
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        if wrong == "missing":
            del variables[name]
        else:
            variables[name] = "wrong-secret"
    # No other way of boto3's leads to any.
    variables |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    told = _told_at_start(tmp_path, "s3://bucket", variables)
    assert "credentials" in told
    assert "wrong-secret" not in told


def _told_at_start(directory: Path, destination: str, variables: dict[str, str]) -> str:
    """The first line about the store in the log of a service that nobody asks anything."""

    def lines(service: Process) -> list[str]:
        found = [line for line in service.log_lines() if line["logger"] == "tandem.ready"]
        return [line["message"] for line in found]

    with services.artifacts_service(
        directory, destination, variables=variables, started="/health"
    ) as service:
        eventually(lambda: bool(lines(service)))
        (told,) = lines(service)
    return told

"""`make run`'s script: what people see of it, beside another Tandem and without one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.harness.processes import STOP_SECONDS, environment, free_port
from tests.system import services

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "run.py"
BANNER = "export MLFLOW_TRACKING_URI="
_OWN = {
    "BACKEND_STORE_URI": "sqlite:///mlflow.db",
    "ARTIFACTS_DESTINATION": "./mlartifacts",
    "UI_DIR": "",
}
"""In place of what `make test` exports, whose paths are those of its own folder."""


@contextmanager
def running(directory: Path, metadata: int, artifacts: int) -> "Iterator[subprocess.Popen[str]]":
    """The script on two ports, its output all in one."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT],
        cwd=directory,
        env=environment(**_OWN, METADATA_PORT=str(metadata), ARTIFACTS_PORT=str(artifacts)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)


def test_make_run_ends_with_its_banner_and_logs_no_requests(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    with running(tmp_path, *ports) as process:
        assert process.stdout is not None
        before = []
        for line in process.stdout:
            before.append(line)
            if "Ctrl-C stops both" in line:
                break
        for port in ports:
            assert requests.get(f"http://127.0.0.1:{port}/version").status_code == 200
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=STOP_SECONDS)[0]
        assert process.returncode == 0
    shown = "".join(before)
    assert f"{BANNER}http://127.0.0.1:{ports[0]}" in shown
    assert "listens on" not in shown
    assert rest.strip() == ""


@pytest.mark.parametrize("taken", ["metadata", "artifacts"])
def test_make_run_does_not_announce_another_tandem(taken: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    database = f"sqlite:///{first / 'mlflow.db'}"
    with services.stack(first, database, str(first / "artifacts")) as other:
        ports = {"metadata": free_port(), "artifacts": free_port()}
        process = other.metadata if taken == "metadata" else other.artifacts
        ports[taken] = int(process.url.rpartition(":")[2])
        with running(second, **ports) as again:
            shown = again.communicate(timeout=60)[0]
        assert again.returncode != 0
        assert BANNER not in shown
        assert f"Cannot listen on 127.0.0.1:{ports[taken]}" in shown
        assert "METADATA_PORT=5001" in shown
        assert os.getpgid(process.pid)  # the other goes on
        assert requests.get(f"{process.url}/ready").status_code == 200


def test_make_run_shows_no_password(tmp_path: Path) -> None:
    environ = environment(
        UI_DIR="",
        METADATA_PORT=str(free_port()),
        ARTIFACTS_PORT=str(free_port()),
        BACKEND_STORE_URI="postgresql://user:secret@127.0.0.1:1/name",
    )
    done = subprocess.run(
        [sys.executable, SCRIPT],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "Connection refused" in done.stderr
    assert "secret" not in done.stdout + done.stderr

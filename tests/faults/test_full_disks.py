"""A disk that fills up under SQLite: it is said, nothing acknowledged is lost, and it passes.

The disk is a small one in memory, seen by the service alone.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.harness.processes import Process
from tests.system import services

_API = "/api/2.0/mlflow"
_SENTENCE = "The database's disk is full"
_MOST_BATCHES = 200
_UNSHARE = ["/usr/bin/unshare", "--map-root-user", "--mount"]


@contextmanager
def _on_a_small_disk(directory: Path, place: Path) -> Iterator[tuple[Process, Path]]:
    """The metadata service with its database on a disk of 8 MiB, and the way to that disk."""
    if subprocess.run([*_UNSHARE, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a disk of their own")
    mount = f'mount -t tmpfs -o size=8m tmpfs {place} && exec "$@"'
    command = [
        *_UNSHARE, "sh", "-c", mount, "sh",
        str(Path(sys.executable).parent / "tandem-metadata"), "serve",
        "--backend-store-uri", f"sqlite:///{place}/mlflow.db",
        "--default-artifact-root", "mlflow-artifacts:/",
    ]  # fmt: skip
    with services.service(directory, command) as process:
        yield process, Path(f"/proc/{process.pid}/root{place}")


def test_a_full_disk_is_said_and_unready_until_it_has_room(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    with _on_a_small_disk(tmp_path, place) as (service, disk):
        run_id = _post(service, "runs/create", experiment_id="0").json()["run"]["info"]["run_id"]
        ballast = disk / "ballast"
        _fill(ballast)
        acknowledged = []
        for number in range(_MOST_BATCHES):
            answer = _log(service, run_id, number)
            if answer.status_code != 200:
                break
            acknowledged.append(number)
        _is_refused(answer)
        _is_refused(_log(service, run_id, 1000))  # and the next one too
        ready = requests.get(f"{service.url}/ready", timeout=20)
        assert (ready.status_code, ready.text.startswith(_SENTENCE)) == (503, True)
        assert _steps(service, run_id) == acknowledged  # what is there can be read

        ballast.unlink()
        assert requests.get(f"{service.url}/ready", timeout=20).status_code == 200
        assert _log(service, run_id, 1000).status_code == 200
        assert _steps(service, run_id) == [*acknowledged, 1000]
        lines = service.log_lines()
        assert not [line for line in lines if "exception" in line]
        told = [line["message"] for line in lines if line["logger"] == "tandem.ready"]
        assert len(told) == 2
        assert "No space left on device" in told[0]


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (64 * 1024, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def _post(service: Process, path: str, **fields: Any) -> requests.Response:
    return requests.post(f"{service.url}{_API}/{path}", json=fields, timeout=20)


def _log(service: Process, run_id: str, step: int) -> requests.Response:
    """All of a batch, or nothing of it."""
    metrics = [{"key": f"k{n}", "value": n, "timestamp": 1, "step": step} for n in range(1000)]
    return _post(service, "runs/log-batch", run_id=run_id, metrics=metrics)


def _steps(service: Process, run_id: str) -> list[int]:
    """The steps of the first key and of the last, which must be the same."""
    found = [
        requests.get(
            f"{service.url}{_API}/metrics/get-history",
            params={"run_id": run_id, "metric_key": key},
            timeout=20,
        ).json()
        for key in ("k0", "k999")
    ]
    first, last = ([metric["step"] for metric in each.get("metrics", [])] for each in found)
    assert first == last
    return sorted(first)


def _is_refused(answer: requests.Response) -> None:
    assert answer.status_code == 503
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert answer.json()["message"].startswith(_SENTENCE)

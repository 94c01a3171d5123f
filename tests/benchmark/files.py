"""The rows of artifacts: small files by many clients, one large file, a directory of many."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import urllib3

from tests.benchmark import transfer, wrk
from tests.benchmark.results import Figure
from tests.benchmark.servers import Running
from tests.harness.processes import environment

SMALL = 10_000
LARGE = 1 << 30
DIRECTORY = 1000
REPEATS = 3
SECONDS = 4
"""Transfers are repeated at least so often and so long in all."""
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
TITLES = {
    "artifact-put": "artifact PUT of 10 kB, 16 clients",
    "artifact-get": "artifact GET of 10 kB, 16 clients",
    "upload": "upload of 1 GiB, disk",
    "download": "download of 1 GiB, disk",
    "upload-s3": "upload of 1 GiB, S3",
    "download-s3": "download of 1 GiB, S3",
    "directory-up": "directory of 1,000 files up, stock client",
    "directory-down": "directory of 1,000 files down, stock client",
}
_FILES = 100
_LONG_SECONDS = 30
_BLOCK = 1 << 20
_pool = urllib3.PoolManager(retries=False, timeout=60)


def small(
    server: str, base: str, home: Path, chosen: list[str], names: tuple[str, str], seconds: int
) -> Iterator[Figure]:
    """Many clients put and get small files at `base`, which keeps them in `home`."""
    put, get = names
    if put in chosen:
        yield _put(server, base, home, put, seconds)
    if get in chosen:
        yield _get(server, base, get, seconds)


def _put(server: str, base: str, home: Path, row: str, seconds: int) -> Figure:
    url, path = _split(base)
    data = {"folder": f"{path}/put", "length": SMALL}
    loads = wrk.drive(url, "put-file", seconds, data)
    last = loads[-1]
    fault = last.fault
    stored = [entry.stat().st_size for entry in os.scandir(home / "put") if entry.is_file()]
    promised = sum(load.good for load in loads)
    whole = sum(size == SMALL for size in stored)
    if not fault and not promised <= whole <= promised + wrk.CONNECTIONS * len(loads):
        fault = f"{promised} files were acknowledged, {whole} are there"
    return Figure("", server, row, last.rate, "1/s", fault, asdict(last))


def _get(server: str, base: str, row: str, seconds: int) -> Figure:
    url, path = _split(base)
    contents = {f"{path}/get/{number}": os.urandom(SMALL) for number in range(_FILES)}
    for name, content in contents.items():
        _asked("PUT", url + name, content)
    last = wrk.drive(url, "get-file", seconds, {"paths": list(contents)})[-1]
    fault = last.fault
    if any(_asked("GET", url + name) != content for name, content in contents.items()):
        fault = "files came back other than they went"
    return Figure("", server, row, last.rate, "1/s", fault, asdict(last))


def _asked(method: str, url: str, body: bytes | None = None) -> bytes:
    answer = _pool.request(method, url, body=body)
    if answer.status >= 300:
        raise RuntimeError(f"{method} {url}: {answer.status} {answer.data[:200]!r}")
    return answer.data


def _split(base: str) -> tuple[str, str]:
    url, slash, path = base.partition("/api/")
    return url, slash + path


@contextmanager
def large_file(directory: Path) -> Iterator[Path]:
    """A file of 1 GiB, all of it in the page cache when it fits."""
    path = directory / "large"
    block = os.urandom(_BLOCK)
    with path.open("wb") as file:
        for number in range(LARGE // _BLOCK):
            file.write(number.to_bytes(8, "big") + block[8:])
    try:
        yield path
    finally:
        path.unlink()


def large(
    server: str,
    url: str,
    source: Path,
    chosen: list[str],
    names: tuple[str, str],
    remove: Callable[[], None],
) -> Iterator[Figure]:
    """One file up, and down again, a few times; the median. `remove` takes it away between."""
    up, down = names
    if up not in chosen and down not in chosen:
        return
    ups: list[float] = []
    downs: list[float] = []
    fault = None
    try:
        while not enough(ups):
            if ups:
                remove()
            os.sync()  # what is still to be written would take the disk from this one
            ups.append(transfer.upload(url, source))
        while not enough(downs):
            downs.append(transfer.download(url, LARGE))
        remove()
    except (OSError, transfer.Refused) as error:
        fault = str(error) or type(error).__name__
    for row, seconds in ((up, ups), (down, downs)):
        if row in chosen:
            yield speed(server, row, seconds, fault)


def enough(seconds: list[float]) -> bool:
    """Whether a transfer has been measured often and long enough, or for very long."""
    often = len(seconds) >= REPEATS and sum(seconds) >= SECONDS
    return often or sum(seconds) > _LONG_SECONDS


def speed(server: str, row: str, seconds: list[float], fault: str | None = None) -> Figure:
    """How fast 1 GiB went."""
    rate = LARGE / (1 << 20) / statistics.median(seconds) if seconds else 0
    return Figure("", server, row, rate, "MiB/s", fault, {"seconds": seconds})


def directory(server: str, running: Running, chosen: list[str]) -> Iterator[Figure]:
    """A directory of many files, by MLflow's client, which is given the server's address only."""
    rows = {"directory-up": "up", "directory-down": "down"}
    if not any(row in chosen for row in rows):
        return
    with tempfile.TemporaryDirectory() as name:
        for number in range(DIRECTORY):
            folder = Path(name, f"part-{number // 100}")
            folder.mkdir(exist_ok=True)
            (folder / f"file-{number}").write_bytes(os.urandom(SMALL // 10))
        command = [sys.executable, "-m", "tests.benchmark.stock_client", running.url, name]
        variables = environment(DO_NOT_TRACK="true", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")
        done = subprocess.run(command, env=variables, capture_output=True, text=True)
    fault = None if done.returncode == 0 else done.stderr[-300:]
    seconds = json.loads(done.stdout.splitlines()[-1]) if not fault else {"up": 0.0, "down": 0.0}
    for row, way in rows.items():
        if row in chosen:
            yield Figure("", server, row, seconds[way], "s", fault)

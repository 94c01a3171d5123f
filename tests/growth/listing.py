"""Directories of many files, listed by both services, and what that takes of memory."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3

from tests.benchmark import files, memory
from tests.benchmark.content import Api
from tests.benchmark.databases import SQLiteDatabase
from tests.benchmark.servers import SERVERS, Destination, Running, make_tables
from tests.growth.figures import Listing
from tests.growth.rows import Wrong

ENTRIES = (1_000, 100_000)
SERVICES = ("artifacts", "metadata")
_WARM_UP = 5
_CHUNK = 1 << 16


def measure(directory: Path, server: str, say: Callable[[str], None]) -> list[Listing]:
    """Each size by each service, every time by processes that have listed only a few files yet."""
    database = SQLiteDatabase(directory / "listings.db")
    make_tables({"MLFLOW_BACKEND_STORE_URI": database.uri("sqlite")})
    found = []
    destination = Destination(str(directory / "listed"))
    for entries in ENTRIES:
        for service in SERVICES:
            with SERVERS[server].start(directory, database, destination) as running:
                run, home = _made(running, directory / "listed", entries)
                found.append(_list(running, service, run, home, entries))
            one = found[-1]
            say(
                f"{service:<10}{entries:>7} files {one.seconds:6.2f} s, "
                f"{one.before:.1f} MiB before, {one.peak:.1f} at most"
            )
    return found


def _made(running: Running, root: Path, entries: int) -> tuple[str, str]:
    """A run with a small and a large directory: its id, and where its artifacts are."""
    api = Api(running.url)
    # One of its own: experiments keep the address that the artifacts service had.
    experiment = api.post("experiments/create", name=f"listed at {running.url}")["experiment_id"]
    made = api.post("runs/create", experiment_id=experiment, start_time=1)["run"]["info"]
    home = f"{experiment}/{made['run_id']}/artifacts"
    for name, number in (("few", 10), ("many", entries)):
        folder = root / home / name
        folder.mkdir(parents=True)
        for each in range(number):
            (folder / f"checkpoint-{each:06}.bin").touch()
    return str(made["run_id"]), home


def _list(running: Running, service: str, run: str, home: str, entries: int) -> Listing:
    metadata, artifacts = running.processes
    if service == "metadata":
        root = metadata
        url = f"{running.url}/api/2.0/mlflow/artifacts/list"
        few, many = ({"run_id": run, "path": name} for name in ("few", "many"))
    else:
        root = artifacts
        url = f"{running.artifacts_url}{files.PROXY}"
        few, many = ({"path": f"{home}/{name}"} for name in ("few", "many"))
    for _ in range(_WARM_UP):
        _received(url, few)
    before = memory.by_process([root.pid])
    memory.forget_peaks(before)
    begun = time.monotonic()
    answer = _received(url, many)
    seconds = time.monotonic() - begun
    after = memory.by_process([root.pid])
    _check(answer, entries)
    # The one of the workers that answered is the one that grew.
    pid = max(before, key=lambda each: after[each].peak - before[each].rss)
    return Listing(service, entries, seconds, len(answer) / 2**20, before[pid].rss, after[pid].peak)


def _received(url: str, fields: dict[str, str]) -> bytes:
    answer = urllib3.request("GET", url, fields=fields, preload_content=False, timeout=120)
    body = b"".join(answer.stream(_CHUNK))
    if answer.status != 200:
        raise Wrong(f"{url}: {answer.status} {body[:200]!r}")
    return body


def _check(answer: bytes, entries: int) -> None:
    listed: list[Any] = json.loads(answer)["files"]
    names = [os.path.basename(each["path"]) for each in listed]
    if len(names) != entries or names != sorted(set(names)):
        raise Wrong(f"{len(names)} files of {entries} were listed, or not in their order")

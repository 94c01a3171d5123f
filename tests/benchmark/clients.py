"""The rows of MLflow's own client, which logs metrics one by one as a training loop does."""

import json
import subprocess
import sys
from collections.abc import Iterator

from tests.benchmark.databases import Database
from tests.benchmark.results import Figure
from tests.harness.processes import environment

DATABASE = "postgresql"
"""The one that they are measured on: eight clients that start eight times take minutes."""
SECONDS = 3
WAITING, BUFFERED = 100, 20_000
"""Metrics that a process may have on their way, without a buffer and with one."""

_ASYNCHRONOUS = {"MLFLOW_ENABLE_ASYNC_LOGGING": "true"}
_MODES = {
    "sync": ("", 0, {}),
    "async": (", asynchronous", WAITING, _ASYNCHRONOUS),
    "buffered": (
        ", asynchronous and buffered",
        BUFFERED,
        {**_ASYNCHRONOUS, "MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS": "1"},
    ),
}
_PROCESSES = {"1": "one process", "8": "eight processes"}
TITLES = {
    f"client-{mode}-{number}": f"log_metric by the stock client{words}, {processes}"
    for mode, (words, _, _) in _MODES.items()
    for number, processes in _PROCESSES.items()
}


def measure(server: str, url: str, database: Database, chosen: list[str]) -> Iterator[Figure]:
    """Metrics a second, from the first call to the last acknowledgement."""
    for row in TITLES:
        if row in chosen:
            database.settle()
            yield _measure(row, server, url, database)


def _measure(row: str, server: str, url: str, database: Database) -> Figure:
    _, mode, processes = row.split("-")
    _, waiting, variables = _MODES[mode]
    before = database.count("metrics")
    command = [sys.executable, "-m", "tests.benchmark.logging_client"]
    done = subprocess.run(
        [*command, url, processes, str(SECONDS), str(waiting)],
        env=environment(DO_NOT_TRACK="true", **variables),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return Figure(database.kind, server, row, 0, "1/s", done.stderr[-300:])
    told = json.loads(done.stdout.splitlines()[-1])
    stored = database.count("metrics") - before
    promised = told["metrics"] + int(processes)  # the first of each is not timed
    fault = None
    if stored != promised:
        fault = f"{promised} metrics were acknowledged, {stored} are there"
    rate = told["metrics"] / told["seconds"]
    return Figure(database.kind, server, row, rate, "1/s", fault, told)

"""What PostgreSQL itself can do with the two tables that log-metric and log-batch write to."""

import itertools
import multiprocessing
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import psycopg

from tests.benchmark.databases import Database
from tests.benchmark.servers import make_tables

_COLUMNS = "key, value, timestamp, run_uuid, step, is_nan"
_INSERT = f"INSERT INTO metrics ({_COLUMNS}) "
_UPSERT = f"INSERT INTO latest_metrics ({_COLUMNS}) "
_VALUES = "VALUES (%s, %s, %s, %s, %s, false)"
_ARRAYS = (
    "SELECT key, value, timestamp, run, step, false FROM unnest("
    "%s::text[], %s::float8[], %s::bigint[], %s::text[], %s::bigint[]"
    ") AS rows (key, value, timestamp, run, step)"
)
_NEWER = (
    " ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, step = excluded.step,"
    " timestamp = excluded.timestamp, is_nan = excluded.is_nan"
    " WHERE (excluded.step, excluded.timestamp, excluded.value)"
    " > (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)"
)
_SIZE = 1000
"""Rows of one transaction."""
_KEYS = 100
_RUNS = 32

Work = Callable[[psycopg.Connection, list[str], int], None]


def prepare(database: Database) -> list[str]:
    """Tandem's tables with some runs to log to; returns the ids of the runs."""
    make_tables({"MLFLOW_BACKEND_STORE_URI": database.uri("postgresql")})
    runs = [uuid.uuid4().hex for _ in range(_RUNS)]
    with psycopg.connect(database.uri("postgresql")) as conn:
        conn.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)"
            " VALUES (77, 'raw', '', 'active')"
        )
        for run in runs:
            conn.execute(
                "INSERT INTO runs (run_uuid, experiment_id, status, lifecycle_stage, artifact_uri)"
                " VALUES (%s, 77, 'RUNNING', 'active', '')",
                (run,),
            )
    return runs


def rate(name: str, database: Database, runs: list[str], seconds: int) -> float:
    """Metrics that are committed in a second; the name is one of `WORKS`."""
    database.settle()
    processes = WORKS[name][1]
    share = len(runs) // processes
    jobs = [
        (name, database.uri("postgresql"), runs[first * share : (first + 1) * share], seconds)
        for first in range(processes)
    ]
    # Processes, as the workers of a server are: threads of one would take turns.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return sum(pool.map(_run, *zip(*jobs, strict=True)))


def _run(name: str, address: str, runs: list[str], seconds: int) -> float:
    work, _, size = WORKS[name]
    first = time.time_ns() // 1_000_000  # later than all steps of another measurement
    with psycopg.connect(address, autocommit=True) as conn:
        conn.prepare_threshold = 0
        for number in range(20):  # warm up
            work(conn, runs, first + number)
        begun = time.monotonic()
        for done in itertools.count(1):
            work(conn, runs, first + 20 + done)
            if (passed := time.monotonic() - begun) >= seconds:
                return done * size / passed
    raise AssertionError


def _single(conn: psycopg.Connection, runs: list[str], step: int) -> None:
    row = ("loss", 0.5, time.time_ns() // 1_000_000, runs[step % len(runs)], step)
    with conn.transaction():
        conn.execute(_INSERT + _VALUES, row)
        conn.execute(_UPSERT + _VALUES + _NEWER, row)


def _single_metrics_only(conn: psycopg.Connection, runs: list[str], step: int) -> None:
    row = ("loss", 0.5, time.time_ns() // 1_000_000, runs[step % len(runs)], step)
    conn.execute(_INSERT + _VALUES, row)


def _unnest(conn: psycopg.Connection, runs: list[str], step: int) -> None:
    arrays = _arrays(runs, step)
    with conn.transaction():
        conn.execute(_INSERT + _ARRAYS, arrays)
        conn.execute(_UPSERT + _ARRAYS + _NEWER, arrays)


def _unnest_metrics_only(conn: psycopg.Connection, runs: list[str], step: int) -> None:
    conn.execute(_INSERT + _ARRAYS, _arrays(runs, step))


def _copy(conn: psycopg.Connection, runs: list[str], step: int) -> None:
    with conn.cursor().copy(f"COPY metrics ({_COLUMNS}) FROM STDIN") as copy:
        for row in zip(*_arrays(runs, step), strict=True):
            copy.write_row((*row, False))


_BATCH_KEYS = [f"metric_{number % _KEYS}" for number in range(_SIZE)]
_BATCH_VALUES = [number / 7 for number in range(_SIZE)]


def _arrays(runs: list[str], step: int) -> tuple[list[object], ...]:
    """Ten batches of a hundred keys, as log-batch has them, of as many runs."""
    now = time.time_ns() // 1_000_000
    owners: list[object] = []
    steps: list[object] = []
    for batch in range(_SIZE // _KEYS):
        owners += [runs[(step + batch) % len(runs)]] * _KEYS
        steps += [step] * _KEYS
    return [*_BATCH_KEYS], [*_BATCH_VALUES], [now] * _SIZE, owners, steps


WORKS: dict[str, tuple[Work, int, int]] = {
    "raw-commit": (_single, 1, 1),
    "raw-commit-metrics-only": (_single_metrics_only, 1, 1),
    "raw-unnest": (_unnest, 1, _SIZE),
    "raw-unnest-2": (_unnest, 2, _SIZE),
    "raw-unnest-metrics-only": (_unnest_metrics_only, 1, _SIZE),
    "raw-unnest-metrics-only-2": (_unnest_metrics_only, 2, _SIZE),
    "raw-copy-metrics-only": (_copy, 1, _SIZE),
}
"""By name: the work, the connections that do it at once, the metrics of one piece of it."""

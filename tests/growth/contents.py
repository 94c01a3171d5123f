"""Fills an empty database with runs and what they logged, the same rows on SQLite and PostgreSQL.

Everything follows from a run's number: nothing is drawn. Run ids are digests, as scattered as real
ones, and later runs started later.
"""

import base64
import hashlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from tests.growth import trace_contents

KEYS: Final = 10
"""Metrics and params of a run."""

OTHER_EXPERIMENTS: Final = 10
LARGEST: Final = 1
"""The id of the experiment that has half of the runs or more."""

_RANDOM: Final = "((n % 1009 * (n % 1013) * (k + {salt}) + n * 7919 + k * 104729) % 1000003)"
"""0 to 1,000,002, by the number of the run and of the key; each salt gives other numbers."""

_NUMBER: Final = _RANDOM.format(salt=7)
_WORD: Final = _RANDOM.format(salt=31)

_NUMBERS: Final = "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers"
_KEYED: Final = f"(SELECT n AS k FROM numbers WHERE n < {KEYS}) AS keys"
_UPTO: Final = _NUMBERS + " WHERE n < {upto}) "

_RUNS: Final = """
INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,
    start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)
SELECT md5(CAST(n AS TEXT)), 'run-' || n, 'UNKNOWN', '', '',
    'user' || (n % 7),
    CASE WHEN n % 10 < 7 THEN 'FINISHED' WHEN n % 10 < 9 THEN 'FAILED' ELSE 'RUNNING' END,
    1700000000000 + n * CAST(60000 AS BIGINT), 1700000030000 + n * CAST(60000 AS BIGINT), '',
    CASE WHEN n % 50 = 0 THEN 'deleted' ELSE 'active' END,
    'mlflow-artifacts:/experiments/artifacts/' || md5(CAST(n AS TEXT)) || '/artifacts',
    {experiment}
FROM numbers WHERE n < {runs}
"""
_NUMBERED: Final = """
CREATE TEMPORARY TABLE numbered AS
SELECT run_uuid, CAST(substr(name, 5) AS INTEGER) AS n, start_time FROM runs
"""
# Metric 0 is nearly unique, metric 1 has a thousand values and some NaN, 2 is on every tenth run.
_MARK: Final = "k = 1 AND n % 97 = 0"
_VALUE: Final = f"""
CASE WHEN {_MARK} THEN 0.0 WHEN k = 1 THEN {_NUMBER} % 1000 / 1000.0 ELSE {_NUMBER} / 1000003.0 END
"""
_LATEST: Final = f"""
INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
SELECT 'metric_' || k, {_VALUE}, start_time + 1000 * ({{steps}} - 1), {{steps}} - 1, {_MARK},
  run_uuid
FROM numbered, {_KEYED} WHERE k <> 2 OR n % 10 = 0
"""
_METRICS: Final = f"""
INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid)
SELECT 'metric_' || k, CASE WHEN {_MARK} THEN 0.0 ELSE ({_VALUE}) + {{steps}} - 1 - step END,
    start_time + 1000 * step, step, {_MARK}, run_uuid
FROM {_KEYED}, numbered, (SELECT n AS step FROM numbers WHERE n < {{steps}}) AS steps
"""
_PARAMS: Final = f"""
INSERT INTO params (key, value, run_uuid)
SELECT 'param_' || k,
    CASE k WHEN 0 THEN CAST({_WORD} % 10 / 10.0 AS TEXT) WHEN 1 THEN 'model-' || ({_WORD} % 5)
        ELSE 'value ' || {_WORD} END,
    run_uuid
FROM numbered, {_KEYED}
"""
_TAGS: Final = """
INSERT INTO tags (key, value, run_uuid)
SELECT key, CASE key WHEN 'mlflow.runName' THEN 'run-' || n WHEN 'mlflow.user' THEN 'user' || n % 7
    WHEN 'label' THEN 'label-' || (n % 100) ELSE 'train.py' END, run_uuid
FROM numbered, (SELECT 'mlflow.runName' AS key UNION ALL SELECT 'mlflow.user' UNION ALL
    SELECT 'label' UNION ALL SELECT 'mlflow.source.name') AS keys
"""
_EXPERIMENTS: Final = """
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time,
    last_update_time)
SELECT n + 1, 'experiment ' || (n + 1), 'mlflow-artifacts:/experiments', 'active', n, n
FROM numbers WHERE n < {experiments}
"""


_BASE64: Final = """
CREATE FUNCTION pg_temp.base64_of(digits text) RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT encode(decode(digits, 'hex'), 'base64') $$
"""


@dataclass(frozen=True)
class Size:
    """How much a database holds."""

    runs: int
    metric_rows: int
    one_experiment: bool = False
    """Whether every run is in `LARGEST`, instead of half of them."""
    traces: int = 0
    """All of them in `LARGEST`."""

    @property
    def steps(self) -> int:
        """Values in a metric's history."""
        return max(1, self.metric_rows // (self.runs * KEYS)) if self.runs else 1


def fill(uri: str, size: Size, say: Callable[[str], None]) -> None:
    """Fill a database that Tandem has prepared, at the address as a user writes it."""
    if uri.startswith("sqlite"):
        _fill_sqlite(uri.removeprefix("sqlite:///"), size, say)
    else:
        _fill_postgresql(uri, size, say)


def _statements(size: Size, function: str) -> Sequence[tuple[str, str]]:
    """What to run, in order, each with the table that it fills."""
    experiment = f"CASE WHEN n % 2 = 0 THEN {LARGEST} ELSE 2 + n / 2 % {OTHER_EXPERIMENTS} END"
    if size.one_experiment:
        experiment = str(LARGEST)
    numbers = _UPTO.format(upto=max(size.runs, size.steps, KEYS, OTHER_EXPERIMENTS + 1))
    few = _UPTO.format(upto=max(size.steps, KEYS))
    experiments = numbers + _EXPERIMENTS.format(experiments=OTHER_EXPERIMENTS + 1)
    made = [("experiments", experiments)]
    if size.traces:
        made += trace_contents.statements(size.traces, LARGEST, function)
    if not size.runs:
        return made
    return [
        *made,
        ("runs", numbers + _RUNS.format(runs=size.runs, experiment=experiment)),
        ("", _NUMBERED),
        ("latest_metrics", few + _LATEST.format(steps=size.steps)),
        ("", "DROP INDEX index_metrics_run_uuid"),
        ("metrics", few + _METRICS.format(steps=size.steps) + _IN_ORDER),
        ("its index", "CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid)"),
        ("params", few + _PARAMS),
        ("tags", _TAGS),
    ]


_IN_ORDER: Final = "ORDER BY 1, 3, 4"
"""As the primary key has them: both databases then append to it instead of searching their way."""


def _fill_sqlite(path: str, size: Size, say: Callable[[str], None]) -> None:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.create_function("md5", 1, _md5, deterministic=True)
    conn.create_function("base64_of", 1, _base64, deterministic=True)
    conn.execute("PRAGMA synchronous = OFF")
    conn.execute("PRAGMA cache_size = -400000")
    conn.execute("BEGIN IMMEDIATE")
    _run(conn, size, say, "base64_of")
    conn.execute("COMMIT")
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def _fill_postgresql(uri: str, size: Size, say: Callable[[str], None]) -> None:
    with psycopg.connect(uri) as conn:
        conn.execute("SET session_replication_role = replica")  # looks up no foreign keys
        conn.execute("SET maintenance_work_mem = '512MB'")
        conn.execute("SET work_mem = '256MB'")
        conn.execute(_BASE64)
        _run(conn, size, say, "pg_temp.base64_of")
        conn.execute("SELECT setval('experiments_experiment_id_seq', 1000)")
    with psycopg.connect(uri, autocommit=True) as conn:
        conn.execute("VACUUM")


def _run(conn: Any, size: Size, say: Callable[[str], None], function: str) -> None:
    for table, statement in _statements(size, function):
        began = time.monotonic()
        conn.execute(statement)
        if table:
            say(f"{table}: {time.monotonic() - began:.0f} s")

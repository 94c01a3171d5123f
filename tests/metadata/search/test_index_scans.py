"""Searches find the same runs in the same order with and without the indexes of `db optimize`."""

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from tandem_metadata.database import indexes
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.tracking import experiments, latest_metrics, params, runs
from tandem_metadata.search.sql import index_scans
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import run_search
from tests.metadata.conftest import DATABASES
from tests.postgresql import PostgreSQL

RUNS = 90
EXPERIMENTS = ["1", "2", "3"]
ORDERS: list[list[str]] = [
    [],
    ["start_time ASC"],
    ["start_time DESC", "metrics.loss"],
    ["metrics.loss"],
    ["metrics.loss DESC"],
    ["metrics.loss ASC", "metrics.steps DESC"],
    ["metrics.steps DESC", "params.lr", "start_time ASC"],
    ["metrics.unknown"],
    ["params.lr DESC"],
    ["end_time"],
]
SEARCHES = [
    ("", ["1"], "ACTIVE_ONLY", 2),
    ("", EXPERIMENTS, "ALL", 30),
    ("metrics.steps > 2 AND params.lr = '0.1'", EXPERIMENTS, "ACTIVE_ONLY", 9),
    ("metrics.loss != 0.5", ["2", "99"], "ALL", 4),
    ("metrics.steps > 2 OR NOT params.lr = '0.1'", EXPERIMENTS, "ACTIVE_ONLY", 9),
    ("params.lr IN ('0.1') OR end_time IS NULL AND metrics.loss > 0", ["1", "2"], "ALL", 30),
    ("status = 'FAILED'", EXPERIMENTS, "DELETED_ONLY", 9),
]
"""Filter, experiments, view, and the initial size of the index scan."""


def _fill(conn: Connection) -> None:
    """Runs with few distinct values, for ties, and with NaN, nulls and missing values."""
    drawn = random.Random(7)
    conn.execute(
        insert(experiments),
        [
            {"experiment_id": int(number), "name": f"e{number}", "lifecycle_stage": "active"}
            for number in EXPERIMENTS
        ],
    )
    ids = [f"{drawn.getrandbits(128):032x}" for _ in range(RUNS)]
    conn.execute(
        insert(runs),
        [
            {
                "run_uuid": run_id,
                "experiment_id": int(drawn.choice(EXPERIMENTS)),
                "lifecycle_stage": drawn.choice(["active", "active", "active", "deleted"]),
                "status": drawn.choice(["FAILED", "FINISHED"]),
                "start_time": drawn.choice([None, 1, 1, 2, 3, *range(10, 60)]),
                "end_time": drawn.choice([None, 5, 6]),
            }
            for run_id in ids
        ],
    )
    logged = []
    for key, values in (
        ("loss", [0.0, 0.5, 0.5, -1.5, None, *(n / 7 for n in range(40))]),
        ("steps", [1.0, 2.0, 3.0, None]),
    ):
        for run_id in drawn.sample(ids, RUNS * 3 // 4):
            value = drawn.choice(values)
            row = {"key": key, "run_uuid": run_id, "step": 0, "timestamp": 0}
            logged.append({**row, "value": value or 0.0, "is_nan": value is None})
    conn.execute(insert(latest_metrics), logged)
    conn.execute(
        insert(params),
        [
            {"key": "lr", "run_uuid": run_id, "value": drawn.choice(["0.1", "0.2"])}
            for run_id in drawn.sample(ids, RUNS // 2)
        ],
    )


@pytest.fixture(scope="module", params=DATABASES)
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Database]]:
    """Two databases with the same runs, one without and one with the indexes."""
    opened = []
    for kind in ("plain", "optimized"):
        if request.param == "sqlite":
            path = tmp_path_factory.mktemp(kind) / "mlflow.db"
            template: Path = request.getfixturevalue("sqlite_template")
            shutil.copy(template, path)
            uri = f"sqlite:///{path}"
        else:
            server: PostgreSQL = request.getfixturevalue("postgresql")
            uri = server.uri(server.create(request.getfixturevalue("postgresql_template")))
        database = Database(Settings(backend_store_uri=uri, pool_size=2))
        with database.write() as conn:
            _fill(conn)
            for index in indexes.of(conn):  # a new database has some of them
                conn.exec_driver_sql(f"DROP INDEX IF EXISTS {index.name}")
                if kind == "optimized":
                    conn.exec_driver_sql(f"CREATE INDEX {index.definition(conn.dialect.name)}")
        opened.append(database)
    plain, optimized = opened
    yield plain, optimized
    for database in opened:
        database.close()


def _pages(database: Database, size: int, **search: Any) -> list[list[str]]:
    pages = []
    token = None
    with database.read() as conn:
        while token or not pages:
            found, token = run_search.find(conn, max_results=size, page_token=token, **search)
            pages.append([info.run_id for info in found])
    return pages


@pytest.mark.parametrize("order_by", ORDERS, ids=str)
def test_indexes_of_db_optimize_do_not_change_results(
    databases: tuple[Database, Database],
    order_by: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, optimized = databases
    for wanted, among, view, size in SEARCHES:
        monkeypatch.setattr(index_scans, "initial_size", lambda _, size=size: size)
        search = {
            "experiment_ids": among,
            "order_by": order_by,
            "filter": wanted,
            "run_view_type": view,
        }
        (whole,) = _pages(plain, RUNS, **search)
        pages = _pages(optimized, 7, **search)
        assert [run_id for page in pages for run_id in page] == whole
        assert all(len(page) == 7 for page in pages[:-1])


def test_index_scan_by_metric_continues_with_nan_and_missing_values(
    databases: tuple[Database, Database],
) -> None:
    for database in databases:
        pages = _pages(database, 1, experiment_ids=["1"], order_by=["metrics.loss DESC"])
        assert len(pages) > 10


def test_index_scan_ends_the_search_if_it_fills_the_page(
    databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that the other tests do not compare the plain search with itself."""
    asked = []
    original = index_scans.next_size
    monkeypatch.setattr(
        index_scans,
        "next_size",
        lambda search, size, found: asked.append(found) or original(search, size, found),
    )
    _, optimized = databases
    with optimized.read() as conn:
        search = {"experiment_ids": EXPERIMENTS, "order_by": ["metrics.loss"]}
        assert len(run_search.find(conn, max_results=5, **search)[0]) == 5
        assert asked == []
        run_search.find(conn, max_results=89, **search)
        assert len(asked) == 1


def test_index_scan_grows_only_while_it_is_likely_to_fill_the_page() -> None:
    def next_size(size: int, found: int) -> int | None:
        search: Any = type("Search", (), {"limit": 101})
        return index_scans.next_size(search, size, found)

    assert next_size(1_200, 60) == 3_030
    assert next_size(1_200, 0) is None
    assert next_size(1_200, 3) is None
    assert next_size(3_030, 100) == 4_590

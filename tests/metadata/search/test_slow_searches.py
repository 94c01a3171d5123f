"""A search of a large experiment without its index says so once in the log."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from tandem_metadata.database import indexes
from tandem_metadata.database.database import Database
from tandem_metadata.database.indexes import SlowSearches
from tandem_metadata.database.tables.tracking import experiments, runs
from tandem_metadata.store.tracking import run_search

_SAID = (
    "an experiment (id 0) of more than 10,000 runs was searched without the index "
    "tandem_runs_started, so all of them were read; `tandem-metadata db optimize "
    "--backend-store-uri …` adds it while the service runs"
)


def _fill(database: Database, experiment_id: int, first: int, last: int) -> None:
    row: dict[str, Any] = {"experiment_id": experiment_id, "status": "FINISHED"}
    row |= {"lifecycle_stage": "active", "start_time": 1}
    with database.write() as conn:
        conn.execute(
            insert(runs), [{**row, "run_uuid": f"{number:032x}"} for number in range(first, last)]
        )


def _search(database: Database, *experiment_ids: str) -> None:
    with database.read() as conn:
        run_search.find_ids(conn, experiment_ids=experiment_ids, max_results=1)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowSearches]:
    """The notice of a process that has just started, and looks at every search."""
    monkeypatch.setattr(SlowSearches, "_LOOK_SECONDS", 0.0)
    new = SlowSearches()
    monkeypatch.setattr(run_search, "_slow_searches", new)
    return new


def test_slow_searches_are_said_once_with_the_command_to_run(
    database: Database, slow: SlowSearches, caplog: pytest.LogCaptureFixture
) -> None:
    with database.write() as conn:
        conn.execute(
            insert(experiments), {"experiment_id": 1, "name": "other", "lifecycle_stage": "active"}
        )
    _fill(database, 0, 0, indexes.MANY_RUNS)
    _fill(database, 1, indexes.MANY_RUNS, indexes.MANY_RUNS + 5)
    _search(database, "0")
    with database.write() as conn:
        conn.exec_driver_sql(f"DROP INDEX {indexes.STARTED.name}")
    _search(database, "0", "1")
    assert caplog.messages == []
    _fill(database, 0, indexes.MANY_RUNS + 5, indexes.MANY_RUNS + 6)
    _search(database, "1")
    assert caplog.messages == []
    _search(database, "1", "0")
    assert caplog.messages == [_SAID]
    _search(database, "0")
    assert caplog.messages == [_SAID]


def test_slow_searches_are_not_said_where_the_index_is(
    database: Database, slow: SlowSearches, caplog: pytest.LogCaptureFixture
) -> None:
    _fill(database, 0, 0, indexes.MANY_RUNS + 1)
    _search(database, "0")
    assert caplog.messages == []


def test_slow_searches_are_looked_for_once_a_minute(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_search, "_slow_searches", SlowSearches())
    monkeypatch.setattr(indexes, "MANY_RUNS", 3)
    with database.write() as conn:
        conn.exec_driver_sql(f"DROP INDEX {indexes.STARTED.name}")
    _search(database, "0")
    _fill(database, 0, 0, 4)
    _search(database, "0")
    assert caplog.messages == []

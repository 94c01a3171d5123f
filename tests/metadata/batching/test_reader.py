"""Reads of many clients by one statement, each answered for itself."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Connection, insert

from tandem_metadata.batching.reader import Reader
from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import fetch_tuples
from tandem_metadata.database.tables import tracking
from tandem_metadata.messages.batch import LogBatch, LoggedEntry
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.store.tracking import load_sql, log_entry
from tandem_metadata.store.tracking.run_search import Page
from tandem_shared.errors import NotFound
from tests.metadata.logging_client import log_to_run, new_run


def _ids(outcome: object) -> list[str]:
    assert isinstance(outcome, list), outcome
    return [json.loads(run)["info"]["run_id"] for run in outcome]


@asynccontextmanager
async def _reader(database: Database) -> AsyncIterator[Reader]:
    threads = Threads(2, 10)
    reader = Reader(database, threads, 10)
    yield reader
    await reader.aclose()
    await threads.aclose()


class _Noted:
    """Statements of a database; the first of them lasts until it is let go."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.go = threading.Event()
        self._began = threading.Event()

    async def began(self) -> None:
        assert await asyncio.to_thread(self._began.wait, 10)

    def note(self, statement: str) -> None:
        self.statements.append(statement)
        if len(self.statements) == 1:
            self._began.set()
            assert self.go.wait(10)


@contextmanager
def _noted() -> Iterator[_Noted]:
    noted = _Noted()

    def fetch(conn: Connection, statement: str, *given: Any) -> Any:
        noted.note(statement)
        return fetch_tuples(conn, statement, *given)

    with patch.object(load_sql, "fetch_tuples", fetch):
        yield noted


def _page(ids: Sequence[str]) -> Page:
    return Page(ids, None)


def test_what_many_ask_for_at_once_is_read_by_one_statement(database: Database) -> None:
    a, b, c = (new_run(database) for _ in range(3))
    with database.write() as conn:
        log_to_run(conn, log_entry.metric(b, LoggedMetric("m", float("nan"), 1)))

    async def main() -> tuple[list[list[bytes]], list[str]]:
        async with _reader(database) as reader:
            calls = [(a, b), (b, c, a), (c, "f" * 32), ()]
            with _noted() as noted:
                tasks = [asyncio.create_task(reader.page(_page(calls[0])))]
                await noted.began()
                tasks += [asyncio.create_task(reader.page(_page(ids))) for ids in calls[1:]]
                await asyncio.sleep(0)
                noted.go.set()
                outcomes = await asyncio.gather(*tasks)
        return outcomes, noted.statements

    outcomes, statements = asyncio.run(main())
    assert [*map(_ids, outcomes)] == [[a, b], [b, c, a], [c], []]
    assert json.loads(outcomes[1][0])["data"]["metrics"] == [
        {"key": "m", "value": "NaN", "timestamp": 1, "step": 0}
    ]
    assert len(statements) == 2


def test_a_run_that_is_not_there_is_said_to_be_missing_and_the_others_come(
    database: Database,
) -> None:
    run_id = new_run(database)

    async def main() -> None:
        async with _reader(database) as reader:
            asked = [reader.run("f" * 32), reader.run(run_id), reader.run("g" * 32)]
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [NotFound, bytes, NotFound]
            with pytest.raises(NotFound, match="ffff"):
                await reader.run("f" * 32)

    asyncio.run(main())


def test_a_page_of_many_runs_does_not_hold_up_others(database: Database) -> None:
    run_id = new_run(database)
    ids = [f"{number:032x}" for number in range(1001)]
    row = {"experiment_id": 0, "status": "RUNNING", "lifecycle_stage": "active"}
    with database.write() as conn:
        conn.execute(insert(tracking.runs), [{**row, "run_uuid": each} for each in ids])

    async def main() -> None:
        async with _reader(database) as reader:
            with _noted() as noted:
                many = asyncio.create_task(reader.page(_page(ids)))
                await noted.began()
                found = await asyncio.wait_for(reader.page(_page((run_id,))), 5)
                assert _ids(found) == [run_id]
                assert not many.done()
                noted.go.set()
                assert _ids(await many) == ids

    asyncio.run(main())


@pytest.mark.parametrize("count", [15, 16, 129])
def test_many_runs_come_as_they_come_alone(database: Database, count: int) -> None:
    """Each number of runs has a statement of its own; what they logged is never mixed up."""
    run_ids = [new_run(database) for _ in range(count)]
    for number, run_id in enumerate(run_ids[::3]):
        metrics = [
            LoggedMetric(key, value, number, step)
            for step, (key, value) in enumerate(
                [("b", number / 7), ("a", float("nan")), ("c", float("inf"))]
            )
        ]
        entries = [LoggedEntry(key, f"{key} of {number}") for key in ("z", "y")]
        request = LogBatch(run_id, metrics=metrics, params=entries, tags=entries)
        with database.write() as conn:
            log_to_run(conn, log_entry.many(request, truncate=True))

    async def main() -> None:
        async with _reader(database) as reader:
            found = await reader.page(_page(run_ids))
            assert found == [await reader.run(run_id) for run_id in run_ids]
            data = [json.loads(run)["data"] for run in found]
            assert {metric["key"] for metric in data[0]["metrics"]} == {"a", "b", "c"}
            assert data[3]["params"] == [{"key": k, "value": f"{k} of 1"} for k in ("z", "y")]
            assert not {"metrics", "params"} & data[1].keys()

    asyncio.run(main())

"""Reads of many clients by one statement, each answered for itself."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import event

from tandem_metadata.db import Database
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.reader import Reader
from tandem_metadata.store import batch
from tandem_shared.errors import NotFound
from tests.metadata.logging_client import new_run


def _ids(outcome: object) -> list[str]:
    assert isinstance(outcome, list), outcome
    return [json.loads(run)["info"]["run_id"] for run in outcome]


def test_what_many_ask_for_at_once_is_read_by_one_statement(database: Database) -> None:
    a, b, c = (new_run(database) for _ in range(3))
    with database.write() as conn:
        batch.log(conn, batch.metric(b, LoggedMetric("m", float("nan"), 1)))

    async def main() -> tuple[list[Any], list[str]]:
        reader = Reader(database, 10)
        statements: list[str] = []
        engine = database._engine
        listener = (engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        event.listen(*listener)
        calls = [(a, b), (b, c, a), (c, "f" * 32), ()]
        tasks = [asyncio.create_task(reader.runs(ids)) for ids in calls]
        outcomes = await asyncio.gather(*tasks)
        event.remove(*listener)
        await asyncio.to_thread(reader.close)
        return outcomes, statements

    outcomes, statements = asyncio.run(main())
    assert [_ids(outcome) for outcome in outcomes] == [[a, b], [b, c, a], [c], []]
    assert json.loads(outcomes[1][0])["data"]["metrics"] == [
        {"key": "m", "value": "NaN", "timestamp": 1, "step": 0}
    ]
    assert len(statements) < 3 * (2 if database.dialect == "sqlite" else 1)


def test_a_run_that_is_not_there_is_said_to_be_missing_and_the_others_come(
    database: Database,
) -> None:
    run_id = new_run(database)

    async def main() -> None:
        reader = Reader(database, 10)
        asked = [reader.run("f" * 32), reader.run(run_id), reader.run("g" * 32)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [NotFound, bytes, NotFound]
        with pytest.raises(NotFound, match="ffff"):
            await reader.run("f" * 32)
        await asyncio.to_thread(reader.close)

    asyncio.run(main())

"""Calls for one group of a `Writer`, and what a group leaves in the database."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event, insert

from tandem_metadata.batching.writer import Writer
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.messages.batch import LogBatch, LoggedEntry
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.messages.runs import CreateRun, Run, RunTag
from tandem_metadata.store.tracking import load, log_entry, runs
from tandem_metadata.store.tracking.log_entry import LogEntry
from tests.metadata.logging_client import new_run

Call = LogEntry | runs.NewRun


def metric(run_id: str, key: str = "a", value: float = 1.0, step: int = 0) -> LogEntry:
    return log_entry.metric(run_id, LoggedMetric(key, value, 1, step))


def many(run_id: str, **params: str) -> LogEntry:
    request = LogBatch(
        run_id,
        metrics=[LoggedMetric("m", 1.0, 1)],
        params=[LoggedEntry(key, value) for key, value in params.items()],
        tags=[LoggedEntry("t", "x")],
    )
    return log_entry.many(request, truncate=True)


def creation(experiment_id: str = "0", **fields: Any) -> runs.NewRun:
    return runs.new(CreateRun(experiment_id, **fields), truncate=True)


def new_model(database: Database, model_id: str) -> str:
    with database.write() as conn:
        conn.execute(
            insert(logged_models).values(
                model_id=model_id,
                experiment_id=0,
                name=model_id,
                artifact_location="mlflow-artifacts:/0",
                creation_timestamp_ms=1,
                last_updated_timestamp_ms=1,
                status=2,
                lifecycle_stage="active",
            )
        )
    return model_id


def of_model(run_id: str, model_id: str, value: float = 1.0, **params: str) -> LogEntry:
    metric = LoggedMetric("m", value, 1, 0, model_id=model_id)
    return LogEntry(run_id, metrics=[metric], params=params)


def together(database: Database, calls: Sequence[Call]) -> list[Run | BaseException | None]:
    """The outcomes of calls that wait for the same transaction."""

    async def main() -> list[Run | BaseException | None]:
        writer = Writer(database, 10)
        busy, go = threading.Event(), threading.Event()
        run_in_transaction = database.run_in_transaction

        def wait_first(function: Callable[[Connection], Any], *, point_lookup: bool = False) -> Any:
            busy.set()
            assert go.wait(10)
            return run_in_transaction(function, point_lookup=point_lookup)

        database.run_in_transaction = wait_first  # type: ignore[method-assign]
        tag = log_entry.tag(new_run(database), RunTag("first", "x"), truncate=True)
        first = asyncio.create_task(writer.log(tag))
        assert await asyncio.to_thread(busy.wait, 10)
        tasks = [
            asyncio.create_task(
                writer.create(call) if isinstance(call, runs.NewRun) else writer.log(call)
            )
            for call in calls
        ]
        await asyncio.sleep(0)
        database.run_in_transaction = run_in_transaction  # type: ignore[method-assign]
        go.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await first
        await writer.aclose()
        return outcomes

    return asyncio.run(main())


@contextmanager
def count_commits(database: Database) -> Iterator[list[int]]:
    """How many transactions were committed within."""
    counted: list[int] = []

    def count(_: object) -> None:
        counted.append(1)

    event.listen(Engine, "commit", count)
    yield counted
    event.remove(Engine, "commit", count)


def stored_run(database: Database, run_id: str) -> Run:
    with database.read() as conn:
        return load.get(conn, [run_id])[run_id]

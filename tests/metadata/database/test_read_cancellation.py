"""Reads that are stopped: by their time limit, by their client's leaving, by a cancelled caller."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection
from starlette.requests import ClientDisconnect

from tandem_metadata.batching.batcher import Batcher
from tandem_metadata.batching.reader import Reader
from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database import read_cancellation
from tandem_metadata.database.database import Database
from tandem_metadata.database.read_cancellation import ReadTimeout
from tandem_metadata.settings import Settings
from tandem_shared.errors import NotFound, Unavailable
from tandem_shared.settings import replace
from tests.metadata.conftest import only_postgresql

_ENDLESS = {
    "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
    "SELECT count(*) FROM c",
    "postgresql": "SELECT pg_sleep(600)",
}
_SHORT = {
    "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) "
    "SELECT count(*) FROM c",
    "postgresql": "SELECT pg_sleep(0.02)",
}
_BOUND = 20.0  # seconds; without a stop nothing here would end


def _endless(database: Database) -> None:
    with database.read() as conn:
        conn.exec_driver_sql(_ENDLESS[database.dialect]).scalar()


def _from_a_bare_cursor(database: Database) -> None:
    with database.read() as conn:
        conn.exec_driver_sql(_ENDLESS[database.dialect]).cursor.fetchall()


def _in_short_statements(database: Database) -> None:
    with database.read() as conn:
        while True:
            conn.exec_driver_sql(_SHORT[database.dialect]).scalar()


def _in_use() -> float:
    return REGISTRY.get_sample_value("tandem_db_pool_connections_in_use") or 0.0


def _run(limit: float | None, function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns or raises in a thread, as a request's would."""

    async def main() -> Any:
        threads = Threads(2, 5, limit)
        try:
            async with asyncio.timeout(_BOUND):
                return await threads.run(function, *arguments)
        finally:
            await threads.aclose()

    return asyncio.run(main())


@pytest.mark.parametrize("read", [_endless, _from_a_bare_cursor, _in_short_statements])
def test_a_read_that_takes_too_long_is_stopped_and_says_what_to_narrow(
    database: Database, read: Callable[[Database], None]
) -> None:
    used = _in_use()
    with pytest.raises(
        ReadTimeout, match=r"--read-timeout \(0\.2 seconds\).*Ask for less"
    ) as stopped:
        _run(0.2, read, database)
    assert stopped.value.status == 400
    assert _in_use() == used
    for _ in range(5):  # nothing meets who comes next
        _run(None, database.ping)


def test_a_read_in_time_is_not_stopped(database: Database) -> None:
    assert _run(5.0, lambda: _count(database)) == 1


def _count(database: Database) -> int:
    with database.read() as conn:
        return int(conn.exec_driver_sql("SELECT count(*) FROM experiments").scalar_one())


def test_what_is_written_goes_on_beyond_the_time_limit_of_reads(database: Database) -> None:
    def write() -> None:
        with database.write() as conn:
            conn.exec_driver_sql("INSERT INTO experiments (name) VALUES ('slow')")
            time.sleep(0.4)

    _run(0.1, write)
    assert _count(database) == 2


@pytest.mark.parametrize("queued", [False, True])
def test_a_read_whose_client_leaves_is_stopped(database: Database, queued: bool) -> None:
    async def main() -> None:
        threads = Threads(1, 5)
        free, left = threading.Event(), asyncio.Event()

        async def receive() -> MutableMapping[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        held = asyncio.create_task(threads.run(free.wait, 5)) if queued else None
        await asyncio.sleep(0)
        read_cancellation.CLIENT_RECEIVE.set(receive)
        reading = asyncio.create_task(threads.run(_endless, database))
        await asyncio.sleep(0.05)
        left.set()
        if held:
            free.set()
            await held
        async with asyncio.timeout(_BOUND):
            with pytest.raises(ClientDisconnect):
                await reading
        read_cancellation.CLIENT_RECEIVE.set(None)
        await threads.run(database.ping)
        await threads.aclose()

    asyncio.run(main())


def test_a_read_whose_caller_is_cancelled_is_stopped(database: Database) -> None:
    async def main() -> None:
        threads = Threads(1, 5)
        reading = asyncio.create_task(threads.run(_endless, database))
        await asyncio.sleep(0.2)
        reading.cancel()
        async with asyncio.timeout(_BOUND):
            with pytest.raises(asyncio.CancelledError):
                await reading
        await threads.run(database.ping)
        await threads.aclose()

    asyncio.run(main())


@only_postgresql
def test_a_statement_that_postgresql_stops_by_itself_is_told_as_too_slow(
    database: Database,
) -> None:
    def read() -> None:
        with database.read() as conn:
            conn.exec_driver_sql("SET statement_timeout = 100")
            try:
                conn.exec_driver_sql(_ENDLESS["postgresql"])
            finally:
                conn.exec_driver_sql("RESET statement_timeout")

    with pytest.raises(ReadTimeout, match="than the database allows"):
        _run(None, read)


@only_postgresql
def test_a_read_at_a_frozen_server_is_cut(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_cancellation, "_PATIENCE", 0.5)
    database = Database(replace(settings, pool_size=2))
    frozen: list[int] = []

    def read() -> None:
        with database.read() as conn:
            frozen.append(_backend(conn))
            os.kill(frozen[0], signal.SIGSTOP)
            conn.exec_driver_sql("SELECT 1")

    _run(None, database.ping)  # so that it is connected before the clock runs
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            _run(1.0, read)
    finally:
        with suppress(ProcessLookupError):
            os.kill(frozen[0], signal.SIGCONT)
    _run(None, database.ping)
    database.close()


def test_batcher_stops_a_run_that_reads_for_too_long(database: Database) -> None:
    def work(calls: Sequence[bool]) -> Sequence[bool]:
        if calls[0]:
            _endless(database)
        else:
            database.ping()
        return calls

    async def main() -> None:
        batcher = Batcher[bool, bool](
            "test", work, cost=lambda _: 1, limit=1, timeout=_BOUND, read_timeout=0.2
        )
        async with asyncio.timeout(_BOUND):
            for _ in range(2):
                with pytest.raises(ReadTimeout):
                    await batcher.run(True)
                assert await batcher.run(False) is False
        await batcher.aclose()

    asyncio.run(main())


@only_postgresql
def test_runs_that_are_read_together_for_too_long_are_worth_another_attempt(
    database: Database,
) -> None:
    async def main() -> list[Any]:
        threads = Threads(2, 5, 0.2)
        reader = Reader(database, threads, 5)
        with database.write() as conn:
            conn.exec_driver_sql("LOCK TABLE tags IN ACCESS EXCLUSIVE MODE")
            alone = asyncio.create_task(reader.run("a"))
            await asyncio.sleep(0.2)
            together = [asyncio.create_task(reader.run(name)) for name in "bc"]
            async with asyncio.timeout(_BOUND):
                outcomes = await asyncio.gather(alone, *together, return_exceptions=True)
        with pytest.raises(NotFound):
            await reader.run("a")
        await reader.aclose()
        await threads.aclose()
        return outcomes

    assert [type(outcome) for outcome in asyncio.run(main())] == [
        ReadTimeout,
        Unavailable,
        Unavailable,
    ]


def _backend(conn: Connection) -> int:
    return int(conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

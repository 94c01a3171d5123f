"""Functions in threads: what waits for one, for how long, and what becomes of the cancelled."""

import asyncio
import threading
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import pytest
from prometheus_client import REGISTRY

from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database.database import Database
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.settings import Settings
from tandem_shared.errors import Unavailable


def test_a_request_waits_for_a_connection_no_longer_than_the_setting_says(
    settings: Settings, database: Database
) -> None:
    context = Context(replace(settings, pool_size=1, pool_timeout=0.05), database)
    threads = context.threads
    begun, end = threading.Event(), threading.Event()
    counted = _timeouts()

    def hold() -> None:
        begun.set()
        end.wait(5)

    async def ask() -> None:
        async with context:
            async with anyio.create_task_group() as group:
                group.start_soon(partial(threads.run, hold))
                await anyio.to_thread.run_sync(begun.wait)
                with pytest.raises(Unavailable, match="connections are in use"):
                    await threads.run(database.ping)
                end.set()
            await threads.run(database.ping)

    anyio.run(ask)
    assert _timeouts() == counted + 1


def _timeouts() -> float:
    return REGISTRY.get_sample_value("tandem_db_pool_timeouts_total") or 0.0


_NAME: ContextVar[str] = ContextVar("name", default="")


def test_a_function_sees_the_context_of_its_caller_and_raises_into_it() -> None:
    def fail() -> None:
        raise StopIteration

    async def main() -> None:
        threads = Threads(1, 5)
        _NAME.set("caller")
        assert await threads.run(_NAME.get) == "caller"
        with pytest.raises(ValueError, match="invalid literal"):
            await threads.run(int, "x")
        with pytest.raises(RuntimeError, match="StopIteration"):
            await threads.run(fail)
        assert await threads.run(int, "7", base=8) == 7
        await threads.aclose()

    asyncio.run(main())


def test_functions_wait_in_the_order_in_which_they_came() -> None:
    done: list[int] = []

    async def main() -> None:
        threads = Threads(2, 5)
        both = threading.Barrier(3, timeout=5)
        held = [asyncio.create_task(threads.run(both.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(threads.run(done.append, number)) for number in range(9)]
        await asyncio.sleep(0)
        waiting[4].cancel()
        await asyncio.to_thread(both.wait)
        await asyncio.wait([*held, *waiting])
        assert waiting[4].cancelled()
        # All threads are free again.
        held = [asyncio.create_task(threads.run(both.wait)) for _ in range(2)]
        await asyncio.to_thread(both.wait)
        await asyncio.gather(*held)
        await threads.aclose()

    asyncio.run(main())
    assert sorted(done) == [0, 1, 2, 3, 5, 6, 7, 8]
    # Two threads do them, so neighbours may change places.
    assert all(abs(place - number) <= 2 for place, number in enumerate(done))


def test_a_cancelled_caller_waits_for_its_function_and_lets_its_thread_go_then() -> None:
    begun, end = threading.Event(), threading.Event()
    ended: list[bool] = []

    def hold() -> None:
        begun.set()
        end.wait(5)
        ended.append(True)

    async def main() -> None:
        threads = Threads(1, 0.05)
        task = asyncio.create_task(threads.run(hold))
        await asyncio.to_thread(begun.wait, 5)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0.01)
        assert not task.done()
        with pytest.raises(Unavailable):
            await threads.run(int)
        end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended
        assert await threads.run(int) == 0
        await threads.aclose()

    asyncio.run(main())


def test_a_caller_cancelled_as_its_turn_comes_gives_it_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        threads = Threads(1, 5)
        end = threading.Event()
        held = asyncio.create_task(threads.run(end.wait, 5))
        await asyncio.sleep(0)
        first, second = (asyncio.create_task(threads.run(int)) for _ in range(2))
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        call_soon, ended = loop.call_soon_threadsafe, threading.Event()

        def note(*given: Any) -> None:
            call_soon(*given)
            ended.set()

        # The loop stands still until it has been told that the thread is free, and hears next that
        # who waited longest for it is cancelled.
        monkeypatch.setattr(loop, "call_soon_threadsafe", note)
        end.set()
        assert ended.wait(5)
        loop.call_soon(first.cancel)
        assert await asyncio.wait_for(second, 5) == 0
        await held
        assert first.cancelled()
        assert await asyncio.wait_for(threads.run(int), 5) == 0
        await threads.aclose()

    asyncio.run(main())

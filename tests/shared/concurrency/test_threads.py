"""Functions in threads: their context, their errors, and what becomes of the cancelled."""

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest

from tandem_shared.concurrency.threads import Threads

_NAME: ContextVar[str] = ContextVar("name", default="")


def _run(test: Callable[[Threads], Awaitable[None]], size: int = 1) -> None:
    """Run a test in an event loop; afterwards none of the threads is left."""

    async def main() -> None:
        async with contextlib.aclosing(Threads("tested", size)) as threads:
            await test(threads)
        assert threads.busy == 0

    asyncio.run(main())
    assert not [each for each in threading.enumerate() if each.name.startswith("tested")]


def test_run_gives_the_function_its_callers_context_and_the_caller_its_errors() -> None:
    def fail() -> None:
        raise StopIteration

    async def test(threads: Threads) -> None:
        _NAME.set("caller")
        assert await threads.run(_NAME.get) == "caller"
        with pytest.raises(ValueError, match="invalid literal"):
            await threads.run(int, "x")
        with pytest.raises(RuntimeError, match="StopIteration"):
            await threads.run(fail)
        assert await threads.run(int, "7", base=8) == 7

    _run(test)


def test_run_uses_as_many_threads_as_there_are_functions_and_no_more_than_its_size() -> None:
    async def test(threads: Threads) -> None:
        names = {await threads.run(lambda: threading.current_thread().name) for _ in range(5)}
        assert names == {"tested_0"}
        both = threading.Barrier(2, timeout=5)
        await asyncio.gather(*(threads.run(both.wait) for _ in range(6)))
        ours = [each.name for each in threading.enumerate() if each.name.startswith("tested")]
        assert sorted(ours) == ["tested_0", "tested_1"]

    _run(test, size=2)


def test_run_waits_for_a_function_that_has_begun_when_it_is_cancelled() -> None:
    begun, end = threading.Event(), threading.Event()
    ended: list[bool] = []

    def hold() -> None:
        begun.set()
        ended.append(end.wait(5))

    async def test(threads: Threads) -> None:
        task = asyncio.create_task(threads.run(hold))
        await asyncio.to_thread(begun.wait, 5)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0.01)
        assert not task.done()
        end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    _run(test)


def test_run_never_calls_a_function_that_had_not_begun_when_it_was_cancelled() -> None:
    end = threading.Event()
    called: list[bool] = []

    async def test(threads: Threads) -> None:
        held = asyncio.create_task(threads.run(end.wait, 5))
        await asyncio.sleep(0)
        task = asyncio.create_task(threads.run(called.append, True))
        await asyncio.sleep(0)
        assert threads.busy == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert threads.busy == 1
        end.set()
        assert await held
        assert await threads.run(int) == 0

    _run(test)
    assert called == []


def test_run_keeps_nothing_of_a_call_that_failed() -> None:
    class Part(bytearray):
        """Bytes that can be watched."""

    def fail(part: Part) -> None:
        raise ValueError(len(part))

    async def test(threads: Threads) -> None:
        part = Part(5)
        kept = weakref.ref(part)
        for _ in range(2):
            with contextlib.suppress(ValueError):  # pytest.raises would keep the error itself
                await threads.run(fail, part)
        del part
        await threads.run(int)  # the thread has let go of the last call, and the loop of its end
        assert kept() is None

    gc.disable()
    try:
        _run(test)
    finally:
        gc.enable()


def test_start_goes_on_without_its_waiter_and_tells_when_it_has_ended() -> None:
    begun, end = threading.Event(), threading.Event()
    told: list[str] = []

    def hold() -> None:
        begun.set()
        end.wait(5)

    async def test(threads: Threads) -> None:
        outcome = threads.start(hold, ended=lambda: told.append("ended"))
        await asyncio.to_thread(begun.wait, 5)
        after = threads.start(lambda: told.append("called"))
        after.cancel()
        outcome.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outcome
        assert (told, threads.busy) == ([], 2)
        end.set()

    _run(test)
    assert told == ["ended"]


def test_close_lets_functions_end_that_were_given_before_and_takes_no_more() -> None:
    async def test(threads: Threads) -> None:
        end = threading.Event()
        held = [asyncio.create_task(threads.run(end.wait, 5)) for _ in range(3)]
        await asyncio.sleep(0)
        threads.close()
        with pytest.raises(RuntimeError, match="closed"):
            await threads.run(int)
        end.set()
        assert await asyncio.gather(*held) == [True] * 3

    _run(test)


def test_a_function_that_outlives_its_event_loop_does_no_harm() -> None:
    end = threading.Event()
    threads = Threads("outliving", 1)

    async def abandon() -> None:
        threads.start(lambda: end.wait(5))

    async def ask() -> int:
        return await threads.run(int, "3")

    asyncio.run(abandon())
    end.set()
    assert asyncio.run(ask()) == 3
    threads.close()

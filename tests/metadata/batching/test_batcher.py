"""Calls that wait for one another go together."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from tandem_metadata.batching.batcher import Batcher
from tandem_shared.errors import NotFound, Unavailable


class _Work:
    """Notes the calls of each run; the first run lasts until it is let go."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        self.began = threading.Event()
        self.go = threading.Event()

    def __call__(self, calls: Sequence[int]) -> Sequence[int | BaseException]:
        self.runs.append([*calls])
        if len(self.runs) == 1:
            self.began.set()
            assert self.go.wait(10)
        return [NotFound("odd") if call % 2 else call * 10 for call in calls]


def _batcher(
    work: _Work, *, limit: int = 100, timeout: float = 10, gather: float = 0
) -> Batcher[int, int]:
    return Batcher(
        "test", work, cost=lambda call: call, limit=limit, timeout=timeout, gather=gather
    )


async def _began(work: _Work) -> None:
    assert await asyncio.to_thread(work.began.wait, 10)


def test_batcher_runs_calls_together_that_came_during_a_run() -> None:
    work = _Work()

    async def main() -> list[int | BaseException]:
        batcher = _batcher(work)
        first = asyncio.create_task(batcher.run(2))
        await _began(work)
        others = [asyncio.create_task(batcher.run(call)) for call in (4, 5, 6)]
        await asyncio.sleep(0)
        work.go.set()
        await batcher.aclose()
        return await asyncio.gather(first, *others, return_exceptions=True)

    outcomes = asyncio.run(main())
    assert work.runs == [[2], [4, 5, 6]]
    assert [outcomes[0], outcomes[1], outcomes[3]] == [20, 40, 60]
    assert isinstance(outcomes[2], NotFound)


def test_batcher_gathers_the_next_calls_of_those_it_has_answered() -> None:
    work = _Work()

    async def twice(batcher: Batcher[int, int]) -> None:
        await batcher.run(2)
        await batcher.run(6)

    async def main() -> None:
        batcher = _batcher(work, gather=1)
        first = asyncio.create_task(twice(batcher))
        await _began(work)
        other = asyncio.create_task(batcher.run(4))
        await asyncio.sleep(0)
        work.go.set()
        await asyncio.gather(first, other)
        await batcher.aclose()

    asyncio.run(main())
    assert work.runs == [[2], [4, 6]]


def test_batcher_lets_a_lone_caller_wait_for_nobody() -> None:
    work = _Work()
    work.go.set()

    async def main() -> None:
        batcher = _batcher(work, gather=60)
        for call in (2, 4, 6):
            await asyncio.wait_for(batcher.run(call), 10)
        await batcher.aclose()

    asyncio.run(main())
    assert work.runs == [[2], [4], [6]]


def test_batcher_takes_calls_until_they_cost_the_limit() -> None:
    work = _Work()

    async def main() -> None:
        batcher = _batcher(work, limit=10)
        calls = [asyncio.create_task(batcher.run(2))]
        await _began(work)
        calls += [asyncio.create_task(batcher.run(call)) for call in (6, 2, 4, 8, 2)]
        await asyncio.sleep(0)
        work.go.set()
        await asyncio.gather(*calls)
        await batcher.aclose()

    asyncio.run(main())
    assert work.runs == [[2], [6, 2, 4], [8, 2]]


def test_batcher_gives_what_its_work_raises_to_all_calls_and_goes_on() -> None:
    failures = [ValueError("broken")]

    def work(calls: Sequence[int]) -> Sequence[int]:
        if failures:
            raise failures.pop()
        return calls

    async def main() -> None:
        batcher = Batcher("test", work, cost=lambda _: 1, limit=10, timeout=10)
        with pytest.raises(ValueError, match="broken"):
            await batcher.run(1)
        assert await batcher.run(2) == 2
        await batcher.aclose()

    asyncio.run(main())


def test_batcher_drops_and_fails_a_call_that_waits_too_long() -> None:
    work = _Work()

    async def main() -> None:
        batcher = _batcher(work, timeout=0.1)
        first = asyncio.create_task(batcher.run(2))
        await _began(work)
        with pytest.raises(Unavailable, match="try again later"):
            await batcher.run(4)
        work.go.set()
        assert await first == 20
        assert await batcher.run(6) == 60
        await batcher.aclose()

    asyncio.run(main())
    assert work.runs == [[2], [6]]


def test_batcher_leaves_others_alone_when_a_caller_is_cancelled() -> None:
    work = _Work()

    async def main() -> None:
        batcher = _batcher(work)
        first = asyncio.create_task(batcher.run(2))
        await _began(work)
        gone, other = asyncio.create_task(batcher.run(4)), asyncio.create_task(batcher.run(6))
        await asyncio.sleep(0)
        gone.cancel()
        work.go.set()
        assert await other == 60
        assert await first == 20
        await batcher.aclose()

    asyncio.run(main())


def test_batcher_has_all_outcomes_before_it_is_closed_and_its_thread_ends() -> None:
    work = _Work()

    async def main() -> list[int]:
        batcher = _batcher(work, limit=4)
        calls = [asyncio.create_task(batcher.run(2))]
        await _began(work)
        calls += [asyncio.create_task(batcher.run(call)) for call in (4, 6, 8)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(batcher.aclose())
        await asyncio.sleep(0)
        work.go.set()
        await closing
        assert all(call.done() for call in calls)
        return [call.result() for call in calls]

    assert asyncio.run(main()) == [20, 40, 60, 80]
    assert work.runs == [[2], [4], [6], [8]]
    assert not [each for each in threading.enumerate() if each.name.startswith("test")]


def test_batcher_rests_after_a_run_for_as_long_as_it_is_told() -> None:
    ended: list[float] = []
    lasted: list[float] = []

    def work(calls: Sequence[int]) -> Sequence[int]:
        began.append(time.monotonic())
        time.sleep(0.01)
        ended.append(time.monotonic())
        return calls

    def rest(seconds: float) -> float:
        lasted.append(seconds)
        return 0.05

    began: list[float] = []

    async def main() -> None:
        batcher: Batcher[int, int] = Batcher(
            "test", work, cost=lambda _: 1, limit=1, timeout=10, rest=rest
        )
        calls = [asyncio.create_task(batcher.run(call)) for call in (1, 2)]
        await asyncio.gather(*calls)
        await batcher.aclose()
        assert not batcher.is_busy

    asyncio.run(main())
    assert began[1] - ended[0] >= 0.05
    assert len(lasted) == 2
    assert min(lasted) >= 0.01

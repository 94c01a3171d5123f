"""Calls that wait for one another go together."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from tandem_metadata.batching.batcher import Lane
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


def _lane(work: _Work, *, limit: int = 100, timeout: float = 10) -> Lane[int, int]:
    return Lane("test", work, weigh=lambda call: call, limit=limit, timeout=timeout)


async def _began(work: _Work) -> None:
    assert await asyncio.to_thread(work.began.wait, 10)


def test_what_comes_while_a_run_lasts_goes_together_next() -> None:
    work = _Work()

    async def main() -> list[int | BaseException]:
        lane = _lane(work)
        first = asyncio.create_task(lane.run(2))
        await _began(work)
        others = [asyncio.create_task(lane.run(call)) for call in (4, 5, 6)]
        await asyncio.sleep(0)
        work.go.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    outcomes = asyncio.run(main())
    assert work.runs == [[2], [4, 5, 6]]
    assert [outcomes[0], outcomes[1], outcomes[3]] == [20, 40, 60]
    assert isinstance(outcomes[2], NotFound)


def test_a_run_takes_calls_until_they_weigh_the_limit() -> None:
    work = _Work()

    async def main() -> None:
        lane = _lane(work, limit=10)
        calls = [asyncio.create_task(lane.run(2))]
        await _began(work)
        calls += [asyncio.create_task(lane.run(call)) for call in (6, 2, 4, 8, 2)]
        await asyncio.sleep(0)
        work.go.set()
        await asyncio.gather(*calls)

    asyncio.run(main())
    assert work.runs == [[2], [6, 2, 4], [8, 2]]


def test_what_the_work_raises_goes_for_all_its_calls_and_the_lane_goes_on() -> None:
    failures = [ValueError("broken")]

    def work(calls: Sequence[int]) -> Sequence[int]:
        if failures:
            raise failures.pop()
        return calls

    async def main() -> None:
        lane = Lane("test", work, weigh=lambda _: 1, limit=10, timeout=10)
        with pytest.raises(ValueError, match="broken"):
            await lane.run(1)
        assert await lane.run(2) == 2

    asyncio.run(main())


def test_a_call_that_waits_too_long_fails_and_is_dropped() -> None:
    work = _Work()

    async def main() -> None:
        lane = _lane(work, timeout=0.1)
        first = asyncio.create_task(lane.run(2))
        await _began(work)
        with pytest.raises(Unavailable, match="try again later"):
            await lane.run(4)
        work.go.set()
        assert await first == 20
        assert await lane.run(6) == 60

    asyncio.run(main())
    assert work.runs == [[2], [6]]


def test_a_caller_that_is_cancelled_leaves_the_others_alone() -> None:
    work = _Work()

    async def main() -> None:
        lane = _lane(work)
        first = asyncio.create_task(lane.run(2))
        await _began(work)
        gone, other = asyncio.create_task(lane.run(4)), asyncio.create_task(lane.run(6))
        await asyncio.sleep(0)
        gone.cancel()
        work.go.set()
        assert await other == 60
        assert await first == 20

    asyncio.run(main())

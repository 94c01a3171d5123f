"""Places and memory of transfers, and how long their clients may keep them waiting."""

import asyncio

import pytest

from tandem_shared.errors import Unavailable
from tandem_shared.http import transfers
from tandem_shared.http.transfers import TooSlow, Transfers

pytestmark = pytest.mark.anyio

IDLE = 60.0


def room(places: int = 2, memory: int = 100, rate: float = 1000) -> Transfers:
    return Transfers(places=places, memory=memory, least_rate=rate)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "PATIENCE_SECONDS", 2)
    monkeypatch.setattr(transfers, "_LOOK_SECONDS", 0.05)


@pytest.mark.parametrize(("places", "memory"), [(1, 100), (2, 10)])
async def test_without_place_or_memory_a_transfer_is_turned_away_and_told_when_to_come(
    places: int, memory: int
) -> None:
    every = room(places, memory)
    with await every.begin(10, IDLE):
        with pytest.raises(Unavailable) as refused:
            await every.begin(10, IDLE)
        assert refused.value.retry_after
    with await every.begin(10, IDLE):
        pass


async def test_who_waits_longest_comes_first() -> None:
    every = room(places=1)
    first = await every.begin(10, IDLE)
    came: list[int] = []

    async def come(number: int) -> None:
        with await every.begin(10, IDLE):
            came.append(number)

    waiting = [asyncio.create_task(come(number)) for number in range(5)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    first.end()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert came == [0, 2, 3, 4]
    assert every._free == 100
    assert not every._open


async def test_what_needs_more_than_there_is_goes_alone() -> None:
    every = room(memory=10)
    with await every.begin(50, IDLE), pytest.raises(Unavailable):
        await every.begin(1, IDLE)


async def test_more_memory_is_given_as_long_as_there_is_some_and_nobody_waits() -> None:
    every = room(memory=100)
    one, other = await every.begin(10, IDLE), await every.begin(10, IDLE)
    assert one.hold(80)
    assert not other.hold(30)
    assert other.hold(20)
    waiting = asyncio.create_task(every.begin(0, IDLE))
    await asyncio.sleep(0)
    assert one.hold(40)
    assert not one.hold(41)
    other.end()
    with await waiting:
        assert one.hold(100)
    one.end()
    assert every._free == 100


async def test_a_client_may_keep_a_transfer_waiting_only_so_long() -> None:
    every = room(rate=1000)
    with await every.begin(10, 0.05) as transfer:
        with pytest.raises(TooSlow) as refused:
            await transfer.client(asyncio.Event().wait())
        assert refused.value.status == 408
        # 100 bytes may take as long as they take at the least rate.
        assert await transfer.client(asyncio.sleep(0.07, "came"), 100) == "came"
        with pytest.raises(TimeoutError, match="its own"):
            await transfer.client(fails())


async def fails() -> None:
    raise TimeoutError("its own")


async def test_a_silent_client_makes_way_when_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "HURRY_SECONDS", 0.05)
    every = room(places=1)

    async def silent() -> None:
        with await every.begin(10, IDLE) as transfer:
            await transfer.client(asyncio.Event().wait())

    standing = asyncio.create_task(silent())
    await asyncio.sleep(0.1)
    assert not standing.done()
    with await every.begin(10, IDLE), pytest.raises(TooSlow):
        await standing


async def test_few_may_wait() -> None:
    every = room(places=1)
    with await every.begin(10, IDLE):
        waiting = [asyncio.create_task(every.begin(10, IDLE)) for _ in range(16)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(every.begin(10, IDLE), 0.01)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

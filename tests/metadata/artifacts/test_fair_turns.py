"""FairTurns: one waiting transfer is resumed per iteration of the event loop."""

import asyncio

from tandem_metadata.artifacts.fair_turns import FairTurns


def test_fair_turns_resume_one_transfer_per_iteration_in_order() -> None:
    async def run() -> list[list[int]]:
        turns = FairTurns()
        moved: list[int] = []

        async def transfer(number: int) -> None:
            while True:
                await turns.wait()
                moved.append(number)

        tasks = [asyncio.create_task(transfer(number)) for number in range(5)]
        by_turn = []
        for _ in range(40):
            await asyncio.sleep(0)
            by_turn.append(moved.copy())
            moved.clear()
        for task in tasks:
            task.cancel()
        return by_turn

    by_turn = asyncio.run(run())
    assert max(map(len, by_turn)) == 1
    order = [number for moved in by_turn for number in moved]
    assert len(order) > 30
    assert order == [number % 5 for number in range(len(order))]


def test_fair_turns_skip_cancelled_transfers() -> None:
    async def run() -> None:
        turns = FairTurns()
        for _ in range(3):  # also once the queue was empty
            waiting = [asyncio.create_task(turns.wait()) for _ in range(4)]
            await asyncio.sleep(0)
            for task in waiting[:3]:
                task.cancel()
            await asyncio.wait_for(waiting[3], 1)
            await asyncio.wait_for(turns.wait(), 1)

    asyncio.run(run())

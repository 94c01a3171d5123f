"""When the metadata service is asked, and when it is not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest

from tandem_artifacts.access.gate import Gate
from tandem_artifacts.access.proof import Proof
from tandem_shared.auth.grants import SECONDS, Action, Grant
from tandem_shared.errors import ApiError, PermissionDenied, Unauthenticated, Unavailable

RUN, OTHER = "a" * 32, "b" * 32
ANN, BOB = Proof("Authorization", "Bearer ann"), Proof("Authorization", "Bearer bob")
READ, WRITE = Action.READ, Action.WRITE

Answers = Callable[[Proof, str, Action], Grant]


class Metadata:
    """Answers when it is told to, and counts what it is asked."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[tuple[Proof, str, Action]] = []
        self.open = asyncio.Event()

    async def ask(self, proof: Proof, path: str, action: Action) -> Grant:
        self.asked.append((proof, path, action))
        await self.open.wait()
        return self.answers(proof, path, action)

    async def verified(self, token: str) -> Grant:
        if token == "forged":
            raise Unauthenticated("no grant")
        return Grant("ann", token, frozenset({READ}))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def of_run(_: Proof, path: str, __: Action) -> Grant:
    """A grant for the run of a path `experiment/run/…`."""
    return Grant("ann", "/".join(path.split("/")[:2]), frozenset({READ, WRITE}))


def refusing(error: ApiError) -> Answers:
    def answer(*_: object) -> Grant:
        raise error

    return answer


def asking(
    test: Callable[[Metadata, Gate, Clock], Awaitable[None]], answers: Answers = of_run
) -> None:
    async def run() -> None:
        metadata, clock = Metadata(answers), Clock()
        await test(metadata, Gate(metadata, clock), clock)

    asyncio.run(run())


async def at_once(metadata: Metadata, calls: Iterable[Awaitable[Grant]]) -> list[object]:
    """What calls end with that have all begun before the metadata service answers any."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0)
    metadata.open.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_files_of_a_run_that_come_at_once_cost_one_question() -> None:
    async def test(metadata: Metadata, gate: Gate, _: Clock) -> None:
        paths = [f"1/{RUN}/artifacts/{number}" for number in range(1000)]
        found = await at_once(metadata, (gate.permitted(ANN, path, WRITE) for path in paths))
        assert all(isinstance(each, Grant) for each in found)
        await gate.permitted(ANN, f"1/{RUN}", READ)
        assert len(metadata.asked) == 1

    asking(test)


def test_each_sender_and_each_run_is_asked_about() -> None:
    async def test(metadata: Metadata, gate: Gate, _: Clock) -> None:
        metadata.open.set()
        for _ in range(2):
            for sender in (ANN, BOB):
                for run in (RUN, OTHER):
                    await gate.permitted(sender, f"1/{run}/artifacts/x", READ)
        assert len(metadata.asked) == 4

    asking(test)


def test_runs_are_asked_about_side_by_side() -> None:
    async def test(metadata: Metadata, gate: Gate, _: Clock) -> None:
        calls = (gate.permitted(ANN, f"1/{run}/artifacts/x", READ) for run in (RUN, OTHER))
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(metadata.asked) == 2
        metadata.open.set()
        await asyncio.gather(*tasks)

    asking(test)


def test_an_answer_that_covers_less_than_expected_is_asked_again_for_each_path() -> None:
    def exact(_: str, path: str, action: Action) -> Grant:
        return Grant("ann", path, frozenset({action}), exact=True)

    async def test(metadata: Metadata, gate: Gate, _: Clock) -> None:
        paths = [f"1/{RUN}/{number}" for number in (1, 2, 2, 3)]
        found = await at_once(metadata, (gate.permitted(ANN, path, READ) for path in paths))
        assert [each.prefix for each in found if isinstance(each, Grant)] == paths
        assert len(metadata.asked) == 3

    asking(test, exact)


def test_a_grant_counts_from_when_it_was_asked_for_and_no_longer() -> None:
    async def test(metadata: Metadata, gate: Gate, clock: Clock) -> None:
        task = asyncio.ensure_future(gate.permitted(ANN, f"1/{RUN}/x", READ))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        clock.now += 5  # so long the answer takes
        metadata.open.set()
        await task
        clock.now += SECONDS - 5.001
        await gate.permitted(ANN, f"1/{RUN}/y", READ)
        assert len(metadata.asked) == 1
        clock.now += 0.002
        await gate.permitted(ANN, f"1/{RUN}/y", READ)
        assert len(metadata.asked) == 2

    asking(test)


@pytest.mark.parametrize("error", [PermissionDenied("no"), Unauthenticated("who?")])
def test_a_refusal_is_repeated_for_some_seconds_without_a_question(error: ApiError) -> None:
    async def test(metadata: Metadata, gate: Gate, clock: Clock) -> None:
        metadata.open.set()
        for _ in range(3):
            with pytest.raises(type(error)):
                await gate.permitted(ANN, f"1/{RUN}/x", READ)
        assert len(metadata.asked) == 1
        clock.now += 5
        metadata.answers = of_run
        await gate.permitted(ANN, f"1/{RUN}/x", READ)

    asking(test, refusing(error))


def test_a_refusal_of_one_path_says_nothing_about_others_that_wait() -> None:
    def answer(_: str, path: str, action: Action) -> Grant:
        if path.endswith("secret"):
            raise PermissionDenied("no")
        return Grant("ann", path, frozenset({action}), exact=True)

    async def test(metadata: Metadata, gate: Gate, _: Clock) -> None:
        paths = [f"1/{RUN}/secret", f"1/{RUN}/x", f"1/{RUN}/secret"]
        found = await at_once(metadata, (gate.permitted(ANN, path, READ) for path in paths))
        kinds = [type(each) for each in found]
        assert kinds == [PermissionDenied, Grant, PermissionDenied]
        assert len(metadata.asked) == 2

    asking(test, answer)


def test_nothing_is_remembered_of_a_service_that_is_away() -> None:
    async def test(metadata: Metadata, gate: Gate, _: Clock) -> None:
        paths = [f"1/{RUN}/{number}" for number in range(10)]
        found = await at_once(metadata, (gate.permitted(ANN, path, READ) for path in paths))
        assert {type(each) for each in found} == {Unavailable}
        assert len(metadata.asked) == 1
        metadata.answers = of_run
        await gate.permitted(ANN, paths[0], READ)

    asking(test, refusing(Unavailable("away")))


def test_an_answer_for_another_path_opens_nothing() -> None:
    async def test(metadata: Metadata, gate: Gate, _: Clock) -> None:
        metadata.open.set()
        for _ in range(2):
            with pytest.raises(Unavailable):
                await gate.permitted(ANN, f"1/{RUN}/x", READ)
        assert len(metadata.asked) == 2

    asking(test, lambda *_: Grant("ann", f"1/{OTHER}", frozenset({READ})))


def test_a_client_that_leaves_does_not_end_the_question_of_others() -> None:
    async def test(metadata: Metadata, gate: Gate, _: Clock) -> None:
        first = asyncio.ensure_future(gate.permitted(ANN, f"1/{RUN}/x", READ))
        second = asyncio.ensure_future(gate.permitted(ANN, f"1/{RUN}/y", READ))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        metadata.open.set()
        assert (await second).prefix == f"1/{RUN}"
        assert first.cancelled()
        assert len(metadata.asked) == 1

    asking(test)


def test_a_grant_that_a_request_carries_is_no_question() -> None:
    async def test(metadata: Metadata, gate: Gate, _: Clock) -> None:
        assert (await gate.presented("1/x")).prefix == "1/x"
        with pytest.raises(Unauthenticated):
            await gate.presented("forged")
        assert metadata.asked == []

    asking(test)

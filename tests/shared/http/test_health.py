import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import Response

from tandem_shared.errors import Unavailable
from tandem_shared.http import health

PROBE = Request({"type": "http"})


def test_a_check_that_hangs_is_answered_and_not_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.01)
    checks = 0

    async def probe() -> list[Response]:
        released = asyncio.Event()

        async def check() -> None:
            nonlocal checks
            checks += 1
            await released.wait()

        ready = health.Probe(check).answer
        answers = [await asyncio.wait_for(ready(PROBE), 30) for _ in range(3)]
        released.set()
        await asyncio.sleep(0)
        monkeypatch.setattr(health, "CHECK_SECONDS", 30)
        return [*answers, await ready(PROBE)]

    answers = asyncio.run(probe())

    assert [answer.status_code for answer in answers] == [503, 503, 503, 200]
    assert b"takes longer" in answers[0].body
    assert checks <= 2


def test_every_probe_checks_anew() -> None:
    failures = [Unavailable("The store does not answer.")]

    async def check() -> None:
        if failures:
            raise failures.pop()

    async def probe() -> list[Response]:
        ready = health.Probe(check).answer
        return [await ready(PROBE) for _ in range(2)]

    first, second = asyncio.run(probe())

    assert (first.status_code, first.body) == (503, b"The store does not answer.")
    assert second.status_code == 200

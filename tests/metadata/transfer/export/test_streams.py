"""Exports whose clients leave, do not read, or are too many: as ASGI servers see it."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import prometheus_client
import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.routes import exports
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.export import parquet, serving
from tandem_shared.http import transfers
from tandem_shared.http.router import Router
from tests.metadata.conftest import only_sqlite

pytestmark = only_sqlite

_PATH = "/api/3.0/tandem/experiments/0/export/metrics.parquet"
Message = MutableMapping[str, Any]


@pytest.fixture(autouse=True)
def endless(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Files that have no end; holds how many parts were written."""
    written: list[int] = []

    def write(_: object, __: object, ___: object, sink: Any) -> int:
        while True:
            sink.write(bytes(64 * 1024))
            written.append(1)

    monkeypatch.setattr(parquet, "write", write)
    return written


@dataclass
class Client:
    """A client that takes some parts and then does something else."""

    parts: int
    then: Callable[[], Awaitable[None]]
    status: int = 0
    taken: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, router: Router) -> None:
        scope = {
            "type": "http",
            "asgi": {"spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "path": _PATH,
            "query_string": b"",
            "headers": [],
        }
        await router(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self.arrived.is_set():
            await asyncio.Event().wait()
        self.arrived.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message.get("body"):
            self.taken += 1
            if self.taken > self.parts and self.status == 200:
                await self.then()


async def _leave() -> None:
    raise OSError("gone")


async def _sleep() -> None:
    await asyncio.Event().wait()


def _count(outcome: str) -> float:
    found = prometheus_client.REGISTRY.get_sample_value(
        "tandem_exports_total", {"outcome": outcome}
    )
    return found or 0.0


def _with_router(
    settings: Settings, database: Database, use: Callable[[Router], Awaitable[None]]
) -> None:
    async def run() -> None:
        context = Context(settings, database)
        async with context:
            await use(Router(exports.routes(context)))

    asyncio.run(run())
    assert prometheus_client.REGISTRY.get_sample_value("tandem_exports_in_flight") == 0


def test_an_export_ends_when_its_client_leaves(
    settings: Settings, database: Database, endless: list[int]
) -> None:
    before = _count("abandoned")

    async def use(router: Router) -> None:
        client = Client(3, _leave)
        await client.ask(router)
        assert (client.status, client.taken) == (200, 4)

    _with_router(settings, database, use)
    assert _count("abandoned") == before + 1
    # The client took 1 MiB; what was written beyond waited in the pipe.
    assert len(endless) * 64 <= 4 * 256 + serving.MEMORY // 1024


def test_an_export_is_broken_off_when_its_client_does_not_read(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "STALL_SECONDS", 0.1)
    monkeypatch.setattr(serving, "LEAST_RATE", 1e9)
    before = _count("abandoned")

    async def use(router: Router) -> None:
        client = Client(1, _sleep)
        with pytest.raises(transfers.TooSlow):
            await client.ask(router)

    _with_router(settings, database, use)
    assert _count("abandoned") == before + 1


def test_exports_beyond_the_places_are_answered_503(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "PATIENCE_SECONDS", 1)

    async def use(router: Router) -> None:
        holding = asyncio.Event()
        taken = asyncio.Semaphore(0)

        async def hold() -> None:
            taken.release()
            await holding.wait()
            await _leave()

        holders = [Client(0, hold) for _ in range(serving.AT_ONCE)]
        asking = [asyncio.create_task(each.ask(router)) for each in holders]
        for _ in holders:
            await taken.acquire()
        refused = Client(0, _leave)
        await refused.ask(router)
        assert refused.status == 503
        holding.set()
        await asyncio.gather(*asking)
        admitted = Client(0, _leave)
        await admitted.ask(router)
        assert admitted.status == 200

    _with_router(settings, database, use)

"""Requests that a service sends by httpx: to the other service, to webhooks, to providers."""

import asyncio
import sys
from collections.abc import Sequence
from types import ModuleType

import httpx
import pytest

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class _Missing:
    """Takes down the modules that are looked for and are not there."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        self.names.append(name)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readline():
        while (await reader.readline()).strip():
            pass
        writer.write(_ANSWER)
        await writer.drain()
    writer.close()


async def _ask(times: int) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, httpx.AsyncClient(trust_env=False, verify=False) as client:
        for _ in range(times):
            assert (await client.get(url)).status_code == 200


def test_a_request_looks_for_no_module_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python looks through all folders for one, each time: longer than the request takes."""
    asyncio.run(_ask(1))
    missing = _Missing()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, missing])
    asyncio.run(_ask(3))
    assert missing.names == []

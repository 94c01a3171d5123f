"""Relayed artifacts that break off, stall, or exceed the number of places."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tandem_metadata.artifacts import client
from tandem_shared.errors import Unavailable
from tandem_shared.http import transfers
from tandem_shared.http.transfers import TooSlow
from tests.metadata.artifacts_host import (
    FETCH,
    FEW,
    LIST,
    ArtifactsHost,
    Handler,
    Metadata,
    answer,
    metadata,
)


def test_relay_of_an_artifact_that_breaks_off_is_cut_too(
    service: Metadata, host: ArtifactsHost
) -> None:
    host.answer = answer(b"x" * 10, length=20)
    for url in service.urls(FETCH, "a.txt"):
        with pytest.raises(Unavailable, match="broke off"):
            service.http.get(url)


def test_relay_to_a_client_that_reads_nothing_is_ended(
    service: Metadata, host: ArtifactsHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "STALL_SECONDS", 0.1)
    path, _, query = service.urls(FETCH, "a.txt")[0].partition("?")

    async def stall() -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost")],
        }
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await asyncio.Event().wait()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        with pytest.raises(TooSlow):
            await service.http.app(scope, receive, send)

    assert service.http.portal is not None
    for _ in range(FEW + 1):
        service.http.portal.call(stall)
    assert service.http.get(f"{path}?{query}").content == b"hello"


def test_relay_to_slow_clients_makes_way_for_others(
    host: ArtifactsHost, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "HURRY_SECONDS", 0.2)
    host.answer = answer(b"x" * 1_000_000)
    few = {"TANDEM_MAX_TRANSFERS": "2"}
    with metadata(tmp_path, sqlite_template, monkeypatch, host.root, host.root, **few) as running:
        url = running.urls(FETCH, "a.txt")[0]
        path, _, query = url.partition("?")
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost")],
        }

        async def read_nothing() -> None:
            async def receive() -> dict[str, Any]:
                return await asyncio.Event().wait()  # type: ignore[return-value]

            async def send(message: Any) -> None:
                if message["type"] == "http.response.body":
                    await asyncio.Event().wait()

            await running.http.app(scope, receive, send)

        assert running.http.portal is not None
        slow = [running.http.portal.start_task_soon(read_nothing) for _ in range(2)]
        for _ in range(2):
            assert len(running.http.get(url).content) == 1_000_000
        for each in slow:
            assert each.done() or each.cancel()
            assert each.cancelled() or isinstance(each.exception(), TooSlow)


def test_relay_refuses_too_many_downloads_and_still_lists(
    host: ArtifactsHost, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_FETCHES", 1)
    monkeypatch.setattr(client, "MAX_LISTINGS", 1)
    monkeypatch.setattr(transfers, "PATIENCE_SECONDS", 1)
    monkeypatch.setattr(transfers, "_LOOK_SECONDS", 0.1)
    begun, ended = threading.Event(), threading.Event()

    def hold(handler: Handler) -> None:
        if "?" in handler.path:  # a listing
            answer(b"{}")(handler)
            return
        begun.set()
        ended.wait(10)
        answer(b"late")(handler)

    host.answer = hold
    first = {"TANDEM_ARTIFACTS_TIMEOUT": "20"}
    with metadata(tmp_path, sqlite_template, monkeypatch, host.root, host.root, **first) as running:
        url = running.urls(FETCH, "a.txt")[0]
        with ThreadPoolExecutor() as threads:
            downloading = threads.submit(running.http.get, url)
            assert begun.wait(10)
            refused = running.http.get(url)
            listed = running.http.get(running.urls(LIST, "d")[0])
            ended.set()
            assert downloading.result().content == b"late"
        assert refused.status_code == 503
        assert "Too many" in refused.json()["message"]
        assert int(refused.headers["Retry-After"]) > 0
        assert listed.status_code == 200

"""The client of the metadata service, against a server that answers what a test says."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tandem_artifacts.access.metadata import GRANTS, KEYS, KEYS_SECONDS, RETRY_SECONDS, Metadata
from tandem_artifacts.access.proof import AUTHORIZATION, Proof
from tandem_shared.auth.grants import Action, Grant, SigningKey
from tandem_shared.errors import (
    ApiError,
    InvalidParameter,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)

BASIC = Proof(AUTHORIZATION, "Basic abc")
GRANT = Grant("ann", "1/abc", frozenset({Action.READ}))


class Server:
    """Its answers are set by tests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: list[SigningKey] = []
        self.answer: tuple[int, Any, dict[str, str]] = (200, {}, {})
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.began = threading.Event()
        self.goes_on = threading.Event()  # keys are read, then the answer waits for this
        self.goes_on.set()

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.requests]


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            server.requests.append((self.path, dict(self.headers), body))
            status, content, headers = server.answer
            if self.path.endswith(KEYS):
                status, headers = 200, {}
                content = {"keys": [key.public.jwk for key in server.keys]}
                server.began.set()
                server.goes_on.wait(10)
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{listening.server_address[1]}/prefix/")
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def using(test: Callable[[Server, Metadata, Clock], Awaitable[None]]) -> None:
    async def run(server: Server) -> None:
        clock = Clock()
        metadata = Metadata(server.url, clock)
        try:
            await test(server, metadata, clock)
        finally:
            await metadata.close()

    with serving() as server:
        asyncio.run(run(server))


def test_a_question_has_the_credentials_and_the_answer_is_checked() -> None:
    async def test(server: Server, metadata: Metadata, _: Clock) -> None:
        server.keys = [SigningKey(), SigningKey()]
        server.answer = 200, {"grant": server.keys[1].sign(GRANT)}, {}
        assert await metadata.ask(BASIC, "1/abc/x", Action.READ) == GRANT
        path, headers, body = server.requests[0]
        assert path == f"/prefix{GRANTS}"
        assert headers["Authorization"] == "Basic abc"
        assert json.loads(body) == {"path": "1/abc/x", "action": "read"}
        assert server.paths() == [f"/prefix{GRANTS}", f"/prefix{KEYS}"]
        await metadata.ask(BASIC, "1/abc/x", Action.READ)
        assert server.paths()[2:] == [f"/prefix{GRANTS}"]

    using(test)


def test_credentials_pass_unchanged_whatever_their_bytes() -> None:
    async def test(server: Server, metadata: Metadata, _: Clock) -> None:
        server.keys = [SigningKey()]
        server.answer = 200, {"grant": server.keys[0].sign(GRANT)}, {}
        await metadata.ask(Proof(AUTHORIZATION, "Bearer é"), "1/abc/é☃", Action.READ)
        _, headers, body = server.requests[0]
        assert headers["Authorization"] == "Bearer é"
        assert json.loads(body)["path"] == "1/abc/é☃"

    using(test)


def test_a_new_key_is_fetched_at_once_for_an_answer() -> None:
    async def test(server: Server, metadata: Metadata, _: Clock) -> None:
        for _ in range(3):
            server.keys.append(SigningKey())
            server.answer = 200, {"grant": server.keys[-1].sign(GRANT)}, {}
            assert await metadata.ask(BASIC, "1/abc/x", Action.READ) == GRANT

    using(test)


def test_strangers_share_a_fetch_of_keys() -> None:
    async def test(server: Server, metadata: Metadata, _: Clock) -> None:
        asked = [metadata.verified(SigningKey().sign(GRANT)) for _ in range(20)]
        for refusal in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(refusal, Unauthenticated)
        assert len(server.requests) == 1

    using(test)


def test_a_key_made_since_the_last_fetch_is_found_whoever_has_just_been_refused() -> None:
    async def test(server: Server, metadata: Metadata, _: Clock) -> None:
        for _ in range(3):
            with pytest.raises(Unauthenticated):
                await metadata.verified(SigningKey().sign(GRANT))
            server.keys.append(SigningKey())
            assert await metadata.verified(server.keys[-1].sign(GRANT)) == GRANT

    using(test)


def test_a_key_made_while_keys_are_fetched_is_found_by_the_next_fetch() -> None:
    async def test(server: Server, metadata: Metadata, _: Clock) -> None:
        server.keys = [SigningKey()]
        server.began.clear()
        server.goes_on.clear()
        first = asyncio.create_task(metadata.verified(server.keys[0].sign(GRANT)))
        assert await asyncio.to_thread(server.began.wait, 10)
        later = SigningKey()
        second = asyncio.create_task(metadata.verified(later.sign(GRANT)))
        await asyncio.sleep(0)  # it has seen the first fetch
        server.keys.append(later)
        server.goes_on.set()
        assert [await first, await second] == [GRANT, GRANT]
        assert len(server.requests) == 2

    using(test)


def test_a_key_that_was_withdrawn_is_forgotten_and_kept_while_nobody_can_be_asked() -> None:
    async def test(server: Server, metadata: Metadata, clock: Clock) -> None:
        key = SigningKey()
        server.keys = [key]
        assert await metadata.verified(key.sign(GRANT)) == GRANT
        clock.now += KEYS_SECONDS
        server.keys = []
        assert await metadata.verified(key.sign(GRANT)) == GRANT  # it is being looked for
        fetching = metadata._fetching
        assert fetching
        await fetching
        clock.now += RETRY_SECONDS
        with pytest.raises(Unauthenticated):
            await metadata.verified(key.sign(GRANT))

    using(test)


@pytest.mark.parametrize(
    ("status", "code", "message", "error"),
    [
        (401, "UNAUTHENTICATED", "who?", Unauthenticated),
        (403, "PERMISSION_DENIED", "Permission denied: this needs READ on x.", PermissionDenied),
        (400, "INVALID_PARAMETER_VALUE", "Invalid path", InvalidParameter),
    ],
)
def test_refusals_are_passed_on_in_their_own_words(
    status: int, code: str, message: str, error: type[ApiError]
) -> None:
    async def test(server: Server, metadata: Metadata, _: Clock) -> None:
        headers = {"WWW-Authenticate": 'Bearer realm="x"'} if status == 401 else {}
        answer = {"error_code": code, "message": message, "user": "ann"}
        server.answer = status, answer, headers
        with pytest.raises(error) as refusal:
            await metadata.ask(BASIC, "1/abc/x", Action.READ)
        assert refusal.value.message == message
        if isinstance(refusal.value, PermissionDenied):
            assert refusal.value.user == "ann"
        if isinstance(refusal.value, Unauthenticated):
            assert refusal.value.challenge == 'Bearer realm="x"'

    using(test)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, {"token": "x"}),
        (200, {"grant": "x"}),
        (200, {"grant": SigningKey().sign(GRANT)}),
        (302, {}),
        (401, b"<html>a proxy's</html>"),
        (401, {"error_code": "OTHER"}),
        (403, {"error_code": "PERMISSION_DENIED", "message": "Invalid Host header: …"}),
        (403, b"<html>a proxy's</html>"),
        (404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "no such endpoint"}),
        (429, {}),
        (500, {}),
        (503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "…"}),
    ],
)
def test_every_other_answer_is_none(status: int, content: Any) -> None:
    async def test(server: Server, metadata: Metadata, _: Clock) -> None:
        server.answer = status, content, {"Location": "/elsewhere"}
        with pytest.raises(Unavailable) as refusal:
            await metadata.ask(BASIC, "1/abc/x", Action.READ)
        assert refusal.value.retry_after
        assert server.url not in refusal.value.message

    using(test)


def test_a_server_that_is_not_there_is_none() -> None:
    async def test() -> None:
        metadata = Metadata("http://127.0.0.1:1")
        for call in (
            metadata.ask(BASIC, "x", Action.READ),
            metadata.verified(SigningKey().sign(GRANT)),
        ):
            with pytest.raises(Unavailable):
                await call
        await metadata.close()

    asyncio.run(test())

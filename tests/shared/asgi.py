"""One request to an ASGI application, in process, message by message."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Message


@dataclass
class Answer:
    """What the application sent; `complete` tells whether it ended its body."""

    messages: list[Message]
    scope: dict[str, Any]

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def headers(self) -> dict[str, str]:
        pairs = [(k.decode().lower(), v.decode()) for k, v in self.messages[0]["headers"]]
        assert len(dict(pairs)) == len(pairs), f"a header is given twice: {pairs}"
        return dict(pairs)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def complete(self) -> bool:
        last = self.messages[-1]
        return last["type"] == "http.response.body" and not last.get("more_body")


def call(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    query: str = "",
    headers: dict[str, str] | None = None,
    body: Sequence[bytes] = (b"",),
    leaves: bool = False,
) -> Answer:
    """Send one request whose body comes in pieces; with `leaves` the client goes after them."""
    given = {"host": "localhost"} | {k.lower(): v for k, v in (headers or {}).items()}
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in given.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 5000),
    }
    pieces = list(body)
    waiting: list[Message] = [
        {
            "type": "http.request",
            "body": piece,
            "more_body": leaves or number + 1 < len(pieces),
        }
        for number, piece in enumerate(pieces)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        asyncio.run(app(scope, receive, send))
    finally:
        answer = Answer(sent, scope)
    return answer

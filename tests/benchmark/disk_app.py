"""An ASGI application that writes and reads files in a directory, and checks nothing."""

import os
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_HOME = Path(os.environ.get("BENCHMARK_FILES", "."))


async def app(scope: Any, receive: Any, send: Any) -> None:
    """PUT writes a file, GET reads it, both by 1 MiB; `/` answers 200."""
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
    elif scope["path"] == "/":
        await _answer(send, 200)
    elif scope["method"] == "PUT":
        await _write(_HOME / scope["path"][1:], receive)
        await _answer(send, 201)
    else:
        await _read(_HOME / scope["path"][1:], send)


async def _write(path: Path, receive: Any) -> None:
    with path.open("wb", buffering=0) as file:
        data, more = bytearray(), True
        while more:
            message = await receive()
            data += message.get("body", b"")
            more = message.get("more_body", False)
            if len(data) >= _CHUNK or not more:
                file.write(data)
                data = bytearray()


async def _read(path: Path, send: Any) -> None:
    size = os.stat(path).st_size
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


async def _answer(send: Any, status: int) -> None:
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body"})

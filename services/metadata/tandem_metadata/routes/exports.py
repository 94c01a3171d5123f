"""Tables of an experiment as Parquet files, which programs read by their URLs.

A plain GET is sent while it is written. Readers that want parts begin by HEAD, or by the end of the
file, which tells where everything is. They get a file that is kept for a while, or, if it is too
long, an answer that tells no length.
"""

import re
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from tandem_metadata.access import rules
from tandem_metadata.messages.exports import ExportTable
from tandem_metadata.routes.endpoint import Context, decode
from tandem_metadata.transfer.export.kept_files import KeptFile
from tandem_metadata.transfer.export.parquet import MEDIA_TYPE
from tandem_metadata.transfer.export.serving import Export
from tandem_shared.errors import BadRequest
from tandem_shared.http.artifact_headers import SANDBOX, disposition
from tandem_shared.http.router import Route, api_routes

_PATH: Final = "3.0/tandem/experiments/{experiment_id}/export/{table}.parquet"
_RANGE: Final = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{1,18})?|-[0-9]{1,18})[ \t]*")
_CHUNK: Final = 256 * 1024


def routes(context: Context) -> list[Route]:
    """The one route, for GET and HEAD."""
    exports = context.exports

    async def export(request: Request) -> Response:
        message = await decode(request, ExportTable, 0)
        await context.check(request, rules.RUNS_OF_EXPERIMENT, message)
        headers = {
            "cache-control": "no-store",
            "content-disposition": disposition(f"{message.table}.parquet"),
            "content-security-policy": SANDBOX,
            "content-type": MEDIA_TYPE,
            "x-content-type-options": "nosniff",
        }
        part = request.headers.get("range", "")
        if part or request.method == "HEAD":
            begins = not part or part.startswith("bytes=-")
            kept = await exports.file(message, begins=begins)
        else:
            kept = exports.find(message)
        if kept:
            return _file(request, kept, headers)
        if request.method == "HEAD":
            return StreamingResponse(_nothing(), headers=headers)
        return _Streamed(await exports.stream(message), headers)

    return api_routes("GET", _PATH, export, rules.RUNS_OF_EXPERIMENT)


class _File(FileResponse):
    chunk_size = _CHUNK


def _file(request: Request, kept: KeptFile, headers: dict[str, str]) -> Response:
    """The file, or the one part that the request wants."""
    given = request.headers.get("range", "")
    match = _RANGE.fullmatch(given)
    if match and match[1] and int(match[1]) >= kept.stat.st_size:
        raise BadRequest(
            f"The file has {kept.stat.st_size} bytes; the range begins after them.", status=416
        )
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        # Several parts at once, and what is none, count as absent.
        request.scope["headers"] = [
            each for each in request.scope["headers"] if each[0] != b"range"
        ]
    headers = {**headers, "etag": f'"{kept.tag}"'}
    return _File(kept.path, headers=headers, media_type=MEDIA_TYPE, stat_result=kept.stat)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


class _Streamed(StreamingResponse):
    """A file that is sent while it is written; the writing ends with the answer, or before."""

    def __init__(self, export: Export, headers: dict[str, str]) -> None:
        super().__init__(export.parts(), headers=headers)
        self._export = export

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            await self._export.transfer.client(send(message), len(message.get("body", b"")))

        try:
            await super().__call__(scope, receive, send_in_time)
        finally:
            await self._export.close()

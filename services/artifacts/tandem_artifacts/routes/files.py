"""List, download, upload and delete artifacts."""

from collections.abc import AsyncIterator
from functools import partial

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tandem_artifacts.drivers.base import Entry, Stat
from tandem_artifacts.messages import FileInfo
from tandem_artifacts.routes import conditions, content, rules, streaming
from tandem_artifacts.routes.context import Context, given_path, listed_path, new_path, stored_path
from tandem_shared.errors import BadRequest, InvalidParameter, NotFound
from tandem_shared.http.artifact_headers import RELAYED
from tandem_shared.http.router import Route, api_routes, error_response, json_response
from tandem_shared.http.transfers import Transfer
from tandem_shared.wire import codec

_ARTIFACTS = "2.0/mlflow-artifacts/artifacts"
_ONE = f"{_ARTIFACTS}/{{path:path}}"
_PAGE = 1000
"""Entries of a listing that are sent together."""
_ATTEMPTS = 3
"""Attempts of a download whose object is replaced between `stat` and `read`."""


def routes(context: Context) -> list[Route]:
    """List, download, upload and delete."""
    return [
        *api_routes("GET", _ARTIFACTS, partial(list_directory, context), rules.LIST),
        *api_routes("GET", _ONE, partial(download, context), rules.READ),
        *api_routes("HEAD", _ONE, partial(head, context), rules.READ),
        *api_routes("PUT", _ONE, partial(upload, context), rules.WRITE),
        *api_routes("DELETE", _ONE, partial(delete, context), rules.DELETE),
        *(
            route
            for method in ("GET", "PUT", "DELETE")
            for route in api_routes(method, f"{_ARTIFACTS}/", refuse_root, rules.CREDENTIALS)
        ),
    ]


async def list_directory(context: Context, request: Request) -> Response:
    """One level below `path`; nothing for a path that is a file or does not exist."""
    path = listed_path(request)
    entries = context.driver.list(await stored_path(context.driver, path) if path else "")
    first = await _page(entries)
    if len(first) < _PAGE:
        return json_response(b'{"files":[' + b",".join(first) + b"]}" if first else b"{}")
    return StreamingResponse(_listing(first, entries), media_type="application/json")


async def download(context: Context, request: Request) -> Response:
    """The artifact, or the part of it that the Range header names."""
    path = await stored_path(context.driver, given_path(request))
    redirect = context.settings.redirect_downloads and RELAYED not in request.headers
    if redirect and context.driver.presigned:
        signed = await context.driver.presign_download(path)
        if signed.as_stored:
            headers = {
                "Location": signed.url,
                "Cache-Control": "no-store",
                "Referrer-Policy": "no-referrer",
            }
            return Response(status_code=307, headers=headers)
    return _Download(context, path, request.headers)


async def head(context: Context, request: Request) -> Response:
    """The head of the answer that `download` would send."""
    path = await stored_path(context.driver, given_path(request))
    stat = await context.driver.stat(path)
    selection = conditions.select(request.headers, stat, ranges=False)
    if selection.status == 200:
        return Response(headers=content.headers(path, stat))
    return _bodiless(selection, stat)


async def upload(context: Context, request: Request) -> Response:
    """Store the body as the artifact, all of it or nothing."""
    path = new_path(request)
    if "content-range" in request.headers:
        raise BadRequest("An upload carries the whole artifact; leave Content-Range out.")
    limit = context.settings.max_artifact_bytes
    size = streaming.declared_length(request)
    streaming.check_limit(size or 0, limit)
    need = context.driver.write_bytes
    need = need if size is None else min(size, need)
    idle = context.settings.upload_idle_timeout
    with await context.transfers.begin(need, idle) as transfer:
        body = streaming.request_body(request, transfer, limit=limit)
        await context.driver.write(path, body, size=size, room=transfer)
    return Response()


async def delete(context: Context, request: Request) -> Response:
    """Delete an artifact, or a directory with all below it; clients name directories as `dir/`."""
    path = given_path(request).removesuffix("/")
    await context.driver.delete(await stored_path(context.driver, path))
    return json_response(b"{}")


async def refuse_root(_: Request) -> Response:
    """Refuse `artifacts/`: the root is listed without the slash, and is no artifact."""
    raise InvalidParameter("Invalid path: it is empty; name an artifact below the root.")


class _Download(Response):
    """Opens the artifact when it is sent, so that it is closed however sending ends."""

    def __init__(self, context: Context, path: str, headers: Headers) -> None:
        super().__init__()
        self._context = context
        self._driver = context.driver
        self._path = path
        self._asked = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        idle = self._context.settings.download_idle_timeout
        with await self._context.transfers.begin(self._driver.read_bytes, idle) as transfer:
            await self._send(scope, receive, send, transfer)

    async def _send(self, scope: Scope, receive: Receive, send: Send, transfer: Transfer) -> None:
        if not conditions.any_given(self._asked):
            async with self._driver.read(self._path, room=transfer) as reading:
                headers = content.headers(self._path, reading.stat)
                await streaming.send_out(receive, send, 200, headers, reading.chunks, transfer)
            return
        for attempt in range(1, _ATTEMPTS + 1):
            stat = await self._driver.stat(self._path)
            selection = conditions.select(self._asked, stat)
            if selection.status not in (200, 206):
                await _bodiless(selection, stat)(scope, receive, send)
                return
            try:
                await self._send_selection(selection, stat, receive, send, transfer)
                return
            except _Replaced:
                if attempt == _ATTEMPTS:
                    raise

    async def _send_selection(
        self,
        selection: conditions.Selection,
        stat: Stat,
        receive: Receive,
        send: Send,
        transfer: Transfer,
    ) -> None:
        headers = content.headers(self._path, stat)
        headers["Content-Length"] = str(selection.length)
        if selection.status == 206:
            end = selection.start + selection.length - 1
            headers["Content-Range"] = f"bytes {selection.start}-{end}/{stat.size}"
        start, length = selection.start, selection.length
        opened = self._driver.read(self._path, start, length, etag=stat.etag, room=transfer)
        is_open = False
        try:
            async with opened as reading:
                is_open = True
                chunks = reading.chunks
                await streaming.send_out(receive, send, selection.status, headers, chunks, transfer)
        except NotFound:
            if is_open:
                raise
            raise _Replaced(f"'{self._path}' is being replaced; try again.") from None


class _Replaced(NotFound):
    """The object was replaced between `stat` and `read`."""


def _bodiless(selection: conditions.Selection, stat: Stat) -> Response:
    """The answers 304, 412 and 416."""
    if selection.status == 304:
        return Response(status_code=304, headers=content.validators(stat))
    if selection.status == 412:
        return error_response(BadRequest("The artifact is not the one expected.", status=412))
    response = error_response(
        BadRequest(f"The artifact has {stat.size} bytes; the range begins after them.", status=416)
    )
    response.headers["Content-Range"] = f"bytes */{stat.size}"
    return response


async def _listing(first: list[bytes], entries: AsyncIterator[Entry]) -> AsyncIterator[bytes]:
    yield b'{"files":[' + b",".join(first)
    while page := await _page(entries):
        yield b"," + b",".join(page)
    yield b"]}"


async def _page(entries: AsyncIterator[Entry]) -> list[bytes]:
    """The next entries, encoded."""
    page: list[bytes] = []
    async for entry in entries:
        info = FileInfo(path=entry.path, is_dir=entry.is_dir)
        if entry.size is not None:
            info.file_size = entry.size
        page.append(codec.encode_json(info))
        if len(page) == _PAGE:
            break
    return page

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator

import anyio
import pytest
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message

from tandem_shared import errors
from tandem_shared.auth.rules import PUBLIC
from tandem_shared.http import router
from tandem_shared.http.router import (
    ROUTE,
    Route,
    Router,
    api_routes,
    json_response,
    read_json_body,
    read_message,
)
from tests.shared.asgi import call

JSON = {"Content-Type": "application/json"}


async def show(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.path_params}", headers={"X-A": "b"})


async def echo(request: Request) -> Response:
    return json_response(await read_json_body(request, 10))


async def fail(_: Request) -> Response:
    raise RuntimeError("password=secret")


async def refuse(_: Request) -> Response:
    raise errors.NotFound("Run 'x' is not found.")


async def unwell(_: Request) -> Response:
    return PlainTextResponse("unwell", 503)


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        if "fail" in request.query_params:
            raise errors.Unavailable("gone")

    return StreamingResponse(chunks())


ROUTES = [
    Route("GET", "/a", show, PUBLIC),
    Route("POST", "/a", echo, PUBLIC),
    Route("DELETE", "/only", show, PUBLIC),
    Route("GET", "/runs/{run}/files/{path:path}", show, PUBLIC),
    Route("GET", "/runs/{run}", show, PUBLIC),
    Route("PUT", "/runs/{run}", echo, PUBLIC),
    Route("GET", "/dots.in(path)/{x}", show, PUBLIC),
    Route("GET", "/fail", fail, PUBLIC),
    Route("POST", "/fail", fail, PUBLIC),
    Route("POST", "/refuse", refuse, PUBLIC),
    Route("POST", "/unwell", unwell, PUBLIC),
    Route("GET", "/stream", stream, PUBLIC),
    *api_routes("GET", "2.0/mlflow/x", show, PUBLIC),
]
APP = Router(ROUTES)


@pytest.mark.parametrize(
    ("path", "template", "parameters"),
    [
        ("/a", "/a", {}),
        ("/api/2.0/mlflow/x", "/api/2.0/mlflow/x", {}),
        ("/ajax-api/2.0/mlflow/x", "/ajax-api/2.0/mlflow/x", {}),
        ("/runs/r1", "/runs/{run}", {"run": "r1"}),
        ("/runs/a b%", "/runs/{run}", {"run": "a b%"}),
        (
            "/runs/r/files/a/b//c",
            "/runs/{run}/files/{path:path}",
            {"run": "r", "path": "a/b//c"},
        ),
        ("/runs/r/files/a\nb", "/runs/{run}/files/{path:path}", {"run": "r", "path": "a\nb"}),
        ("/dots.in(path)/y", "/dots.in(path)/{x}", {"x": "y"}),
    ],
)
def test_a_route_takes_its_path_and_leaves_its_template(
    path: str, template: str, parameters: dict[str, str]
) -> None:
    for prefix in ("", "/mlflow"):
        answer = call(Router(ROUTES, prefix=prefix), "GET", prefix + path)
        assert answer.body.decode() == f"GET {parameters}"
        assert answer.scope[ROUTE] == template


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/A",
        "/a/",
        "/a\n",
        "/a?x",
        "/runs/",
        "/runs/a/b",
        "/runs/r/files/",
        "/a/runs/r",
        "/dotsXin(path)/y",
    ],
)
def test_a_path_of_no_route_is_not_found(path: str) -> None:
    answer = call(APP, "GET", path)
    assert answer.status == 404
    assert answer.json == {
        "error_code": "ENDPOINT_NOT_FOUND",
        "message": f"The path {path} was not found on the server: no endpoint has it.",
    }
    assert ROUTE not in answer.scope


def test_paths_exist_below_the_prefix_only() -> None:
    app = Router(ROUTES, prefix="/mlflow")
    assert call(app, "GET", "/mlflow/a").status == 200
    assert call(app, "GET", "/a").status == 404
    assert call(app, "GET", "/mlflow/mlflow/a").status == 404


@pytest.mark.parametrize("prefix", ["", "/mlflow"])
def test_doubled_slashes_count_as_one_before_the_api_and_as_themselves_within(prefix: str) -> None:
    """Clients put their address, which may end in a slash, before paths that begin with one."""
    app = Router(ROUTES, prefix=prefix)
    for start in (f"/{prefix}/", f"{prefix}//", f"//{prefix}///"):
        assert call(app, "GET", f"{start}a").scope[ROUTE] == "/a"
        assert call(app, "GET", f"{start}ajax-api/2.0/mlflow/x").status == 200
        shown = call(app, "GET", f"{start}runs/r/files//d//f/")
        assert shown.body == b"GET {'run': 'r', 'path': '/d//f/'}"
        assert call(app, "GET", f"{start}runs//r").status == 404
    assert call(app, "GET", f"{prefix}/api//2.0/mlflow/x").status == 404
    assert call(app, "GET", f"/a/{prefix}//a").status == 404


def test_a_fallback_answers_what_no_route_has() -> None:
    app = Router(ROUTES, fallback=show)
    assert call(app, "PATCH", "/nowhere").body == b"PATCH {}"
    assert call(app, "PATCH", "/a").status == 405


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/a", "GET, HEAD, POST"),
        ("GET", "/only", "DELETE"),
        ("HEAD", "/only", "DELETE"),
        ("PATCH", "/runs/r", "GET, HEAD, PUT"),
        ("BREW", "/a", "GET, HEAD, POST"),
    ],
)
def test_another_method_is_refused_with_those_that_exist(
    method: str, path: str, allowed: str
) -> None:
    answer = call(APP, method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert answer.json["error_code"] == "BAD_REQUEST"


def test_head_is_get_without_the_body() -> None:
    got, headed = call(APP, "GET", "/a"), call(APP, "HEAD", "/a")
    assert headed.body == b""
    assert headed.headers == got.headers | {"content-length": str(len("HEAD {}"))}


def test_head_of_a_stream_claims_no_length() -> None:
    answer = call(APP, "HEAD", "/stream")
    assert (answer.status, answer.body) == (200, b"")
    assert "content-length" not in answer.headers


def test_a_route_cannot_be_declared_twice() -> None:
    with pytest.raises(ValueError, match="GET /a"):
        Router([*ROUTES, Route("GET", "/a", show, PUBLIC)])


def test_an_error_is_answered_with_its_code_and_status() -> None:
    answer = call(APP, "POST", "/refuse")
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {
        "error_code": "RESOURCE_DOES_NOT_EXIST",
        "message": "Run 'x' is not found.",
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unforeseen_error_is_logged_and_its_inside_not_told(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = call(APP, method, "/fail")
    assert (answer.status, answer.json["error_code"]) == (500, "INTERNAL_ERROR")
    assert b"secret" not in answer.body
    assert b"RuntimeError" not in answer.body
    assert "password=secret" in caplog.text


def test_an_error_after_the_answer_began_leaves_it_incomplete() -> None:
    answers = []

    async def keep(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        async def watch(message) -> None:  # type: ignore[no-untyped-def]
            answers.append(message)
            await send(message)

        await APP(scope, receive, watch)

    with pytest.raises(errors.Unavailable):
        call(keep, "GET", "/stream", query="fail=1")
    assert answers[0]["type"] == "http.response.start"
    assert answers[-1].get("more_body")


def test_a_json_body_is_read_whole() -> None:
    answer = call(APP, "POST", "/a", headers=JSON, body=[b'{"a"', b": ", b"1}"])
    assert answer.json == {"a": 1}


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_the_content_type_may_have_parameters_and_any_case(content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert call(APP, "POST", "/a", headers=headers, body=[b"{}"]).status == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/jsonx"}],
)
def test_a_body_of_another_content_type_is_refused(headers: dict[str, str]) -> None:
    answer = call(APP, "POST", "/a", headers=headers, body=[b"{}"])
    assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "application/json" in answer.json["message"]


def test_a_compressed_body_is_refused_by_the_name_of_its_encoding() -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    answer = call(APP, "POST", "/a", headers=headers, body=[b"{}"])
    assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "'gzip'" in answer.json["message"]
    plain = call(APP, "POST", "/a", headers={**JSON, "Content-Encoding": "identity"}, body=[b"{}"])
    assert plain.status == 200


def test_no_body_needs_no_content_type() -> None:
    assert call(APP, "POST", "/a").status == 200


@pytest.mark.parametrize("headers", [JSON, {**JSON, "Content-Length": "11"}])
def test_a_body_over_the_limit_is_refused_declared_or_not(headers: dict[str, str]) -> None:
    assert call(APP, "POST", "/a", headers=JSON, body=[b"1234567890"]).status == 200
    answer = call(APP, "POST", "/a", headers=headers, body=[b"123456", b"78901"])
    assert (answer.status, answer.json["error_code"]) == (413, "BAD_REQUEST")
    assert "10 bytes" in answer.json["message"]


def test_a_content_length_that_is_no_number_is_no_failure_of_the_server() -> None:
    answer = call(APP, "POST", "/a", headers={**JSON, "Content-Length": "²"}, body=[b"{}"])
    assert answer.status == 200


def test_a_refused_request_s_body_arrives_before_its_answer_ends() -> None:
    body = [b"x" * 100] * 50
    answer = call(APP, "POST", "/refuse", headers=JSON, body=body)
    assert answer.complete
    assert answer.messages[-2]["more_body"]
    assert answer.json["message"] == "Run 'x' is not found."


def test_a_client_that_leaves_while_sending_gets_no_answer() -> None:
    answer = call(APP, "POST", "/a", headers=JSON, body=[b"{"], leaves=True)
    assert answer.messages == []


def test_a_websocket_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        sent = call(_as_websocket, "GET", "/a").messages
    assert sent == [{"type": "websocket.close"}]  # or servers answer 500
    assert caplog.text == ""


async def _as_websocket(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    await APP({**scope, "type": "websocket"}, receive, send)


@pytest.mark.parametrize("error", errors.ApiError.__subclasses__())
def test_every_error_has_a_status_of_its_code(error: type[errors.ApiError]) -> None:
    assert error("x").status == errors.HTTP_STATUS[error.code]
    assert error("x", status=416).status == 416


def test_start_and_shutdown_are_told_before_they_count_as_complete() -> None:
    order: list[str] = []

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        order.append("begun")
        yield
        order.append("closed")

    async def lifespan() -> None:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> dict[str, str]:
            return next(messages)

        async def send(message: dict[str, str]) -> None:
            order.append(message["type"])

        await Router([], lifespan=opened)({"type": "lifespan"}, receive, send)

    anyio.run(lifespan)
    assert order == [
        "begun",
        "lifespan.startup.complete",
        "closed",
        "lifespan.shutdown.complete",
    ]


@pytest.mark.parametrize("path", ["/unwell", "/only"])
def test_an_answer_of_an_error_waits_for_the_body_too(path: str) -> None:
    answer = call(APP, "POST", path, body=[b"x" * 100] * 50)
    assert answer.status in (405, 503)
    assert answer.complete
    assert answer.messages[-2]["more_body"]


def test_a_json_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem_shared.http.router.IDLE_SECONDS", 0.01)
    begun = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> Message:
        if begun:
            return begun.pop()
        return await asyncio.Event().wait()

    async def read() -> None:
        scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}
        await asyncio.wait_for(read_json_body(Request(scope, receive), 10), 30)

    with pytest.raises(errors.BadRequest) as refused:
        asyncio.run(read())
    assert refused.value.status == 408


class Note(Struct):
    """A message that tells which thread decodes it."""

    text: str
    thread: str = ""

    def __post_init__(self) -> None:
        self.thread = threading.current_thread().name


def _long_request(*pieces: bytes) -> Request:
    left = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]

    async def receive() -> Message:
        return left.pop(0) if left else {"type": "http.request", "body": b'"}'}

    return Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, receive)


@pytest.mark.parametrize(
    ("length", "thread"),
    [(router.DECODED_AT_ONCE // 2, "MainThread"), (router.DECODED_AT_ONCE, "json")],
)
def test_a_long_body_is_decoded_outside_the_event_loop(length: int, thread: str) -> None:
    request = _long_request(b'{"text": "', b"a" * length)
    note = asyncio.run(read_message(request, Note, 2 * length + 100))
    assert len(note.text) == length
    assert note.thread.startswith(thread)


def test_long_bodies_that_come_at_once_have_a_limit_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    length = 2 * router.DECODED_AT_ONCE
    monkeypatch.setattr(router, "BODIES_BYTES", length + 100)

    async def read_both() -> None:
        stalled = asyncio.Event()

        async def stall() -> Message:
            if stalled.is_set():
                return await asyncio.Event().wait()
            stalled.set()
            return {"type": "http.request", "body": b"{" * length, "more_body": True}

        slow = _long_request()
        slow._receive = stall
        first = asyncio.create_task(read_json_body(slow, 2 * length))
        await stalled.wait()
        with pytest.raises(errors.Unavailable):
            await read_json_body(_long_request(b'"', b"a" * length), 2 * length)
        assert len(await read_json_body(_long_request(b'"', b"a" * 100), 2 * length)) == 103
        first.cancel()
        await asyncio.wait([first])
        await read_json_body(_long_request(b'"', b"a" * length), 2 * length)

    asyncio.run(read_both())


def test_a_body_that_is_no_json_is_refused_at_its_first_bytes() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"x", "more_body": True}

    scope = {"type": "http", "headers": [(b"content-type", b"text/plain")]}
    with pytest.raises(errors.InvalidParameter, match="application/json"):
        asyncio.run(read_json_body(Request(scope, receive), 10))

import json
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from tandem_shared import errors
from tandem_shared.auth.rules import PUBLIC
from tandem_shared.http.router import Route, Router, json_response, read_json_body
from tandem_shared.observability.instrumentation import Instrumentation
from tandem_shared.observability.logs import REQUEST_ID, JsonLines
from tandem_shared.security import hosts_and_origins
from tandem_shared.settings import CommonSettings
from tests.shared.asgi import call


async def answer_id(_: Request) -> Response:
    logging.getLogger("inside").info("handling")
    return PlainTextResponse(REQUEST_ID.get(), headers={"X-Request-Id": "the handler's"})


async def echo(request: Request) -> Response:
    return json_response(await read_json_body(request, 10))


async def fail_half_way(_: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise errors.Unavailable("gone")

    return StreamingResponse(chunks())


class Observed:
    """An observed application of a service of its own name, so that its counts start at 0."""

    def __init__(self) -> None:
        self.service = f"test-{uuid4().hex}"
        routes = [
            Route("GET", "/id", answer_id, PUBLIC),
            Route("GET", "/runs/{run}", answer_id, PUBLIC),
            Route("POST", "/echo", echo, PUBLIC),
            Route("GET", "/half", fail_half_way, PUBLIC),
        ]
        self.app = Instrumentation(
            hosts_and_origins.secure(Router(routes), CommonSettings()), self.service
        )

    def count(self, route: str, method: str, status: int) -> float:
        labels = {"service": self.service, "route": route, "method": method, "status": str(status)}
        return REGISTRY.get_sample_value("tandem_http_requests_total", labels) or 0.0

    def timed(self, route: str, method: str) -> float | None:
        labels = {"service": self.service, "route": route, "method": method}
        return REGISTRY.get_sample_value("tandem_http_request_duration_seconds_count", labels)

    def in_flight(self) -> float | None:
        return REGISTRY.get_sample_value(
            "tandem_http_requests_in_flight", {"service": self.service}
        )

    def labels(self) -> set[str]:
        return {
            value
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.labels.get("service") == self.service
            for value in sample.labels.values()
        }


@pytest.fixture
def observed() -> Observed:
    return Observed()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines that the root logger writes, formatted when they are."""
    written: list[str] = []
    formatter = JsonLines("tiny")

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(formatter.format(record))

    root, handler = logging.getLogger(), Keep()
    before = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("é\n\u2028", "é\n\u2028"),
        ("not Unicode: \udc80", "not Unicode: \udc80"),
        (Path("a"), "a"),
        ({"b": [1, None]}, {"b": [1, None]}),
    ],
)
def test_a_line_is_one_object_whatever_it_tells(
    lines: list[str], value: object, shown: object
) -> None:
    logging.getLogger("inside").warning("said %s", "so", extra={"value": value})
    (line,) = lines
    assert "\n" not in line
    told = json.loads(line)
    when = told.pop("time")
    assert abs(datetime.fromisoformat(when).timestamp() - time.time()) < 60
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", when)
    assert told == {
        "level": "WARNING",
        "service": "tiny",
        "logger": "inside",
        "message": "said so",
        "value": shown,
    }


@pytest.mark.parametrize("given", ["abc-123", "a.b:c/d+e=f@g_", "x" * 128])
def test_a_sane_request_id_is_taken_over(observed: Observed, lines: list[str], given: str) -> None:
    answer = call(observed.app, "GET", "/id", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given
    assert answer.body.decode() == given
    assert [json.loads(line)["request_id"] for line in lines] == [given, given]


@pytest.mark.parametrize("given", ["", "a b", 'a"b', "a\tb", "é", "x" * 129, "a\\nb", "{}"])
def test_another_request_id_is_replaced(observed: Observed, given: str) -> None:
    answer = call(observed.app, "GET", "/id", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == answer.body.decode()
    assert len(answer.body) == 32


def test_every_request_has_its_own_id_even_a_refused_one(observed: Observed) -> None:
    ids = {call(observed.app, "GET", "/id").headers["x-request-id"] for _ in range(3)}
    ids.add(call(observed.app, "GET", "/id", headers={"Host": "evil.com"}).headers["x-request-id"])
    assert len(ids) == 4
    assert REQUEST_ID.get() == ""


def test_one_line_of_json_tells_of_a_request(observed: Observed, lines: list[str]) -> None:
    call(observed.app, "GET", "/runs/r\n1")
    inside, access = (json.loads(line) for line in lines)
    assert inside["message"] == "handling"
    assert inside["request_id"] == access["request_id"]
    assert "\n" not in lines[1]
    assert access.pop("time").endswith("Z")
    assert access.pop("duration_ms") > 0
    assert access.pop("request_id")
    assert access == {
        "level": "INFO",
        "service": "tiny",
        "logger": "tandem.access",
        "message": "request",
        "method": "GET",
        "path": "/runs/r\n1",
        "route": "/runs/{run}",
        "status": 200,
        "client": "127.0.0.1",
    }


def test_an_exception_is_part_of_its_line(lines: list[str]) -> None:
    try:
        raise RuntimeError("why")
    except RuntimeError:
        logging.getLogger("inside").exception("failed: %s", "x")
    (line,) = map(json.loads, lines)
    assert line["message"] == "failed: x"
    assert "RuntimeError: why" in line["exception"]


def test_requests_are_counted_by_template_never_by_path(observed: Observed) -> None:
    for path in ("/runs/r1", "/runs/r2", "/nowhere/1", "/nowhere/2"):
        call(observed.app, "GET", path)
    call(observed.app, "BREW", "/runs/r3")
    call(observed.app, "GET", "/runs/r4", headers={"Host": "evil.com"})
    assert observed.count("/runs/{run}", "GET", 200) == 2
    assert observed.count("unmatched", "GET", 404) == 2
    assert observed.count("/runs/{run}", "OTHER", 405) == 1
    assert observed.count("unmatched", "GET", 403) == 1
    assert observed.timed("/runs/{run}", "GET") == 2
    assert observed.labels() >= {"/runs/{run}", "unmatched", "GET", "OTHER"}
    raw = {"/runs/r1", "/runs/r4", "/nowhere/1", "BREW", "evil.com"}
    assert not observed.labels() & raw
    assert observed.in_flight() == 0


def test_a_client_that_leaves_counts_as_499(observed: Observed) -> None:
    headers = {"Content-Type": "application/json"}
    call(observed.app, "POST", "/echo", headers=headers, body=[b"{"], leaves=True)
    assert observed.count("/echo", "POST", 499) == 1
    assert observed.in_flight() == 0


def test_an_answer_broken_off_counts_as_a_failure(observed: Observed) -> None:
    with pytest.raises(errors.Unavailable):
        call(observed.app, "GET", "/half")
    assert observed.count("/half", "GET", 500) == 1
    assert observed.count("/half", "GET", 200) == 0
    assert observed.in_flight() == 0
    assert REQUEST_ID.get() == ""


def test_a_middleware_that_fails_is_counted_and_left_to_the_server(observed: Observed) -> None:
    async def broken(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        raise RuntimeError("the guard itself")

    with pytest.raises(RuntimeError, match="the guard itself"):
        call(Instrumentation(broken, observed.service), "GET", "/id")
    assert observed.count("unmatched", "GET", 500) == 1
    assert observed.in_flight() == 0
    assert REQUEST_ID.get() == ""

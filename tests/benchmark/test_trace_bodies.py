"""What is sent of a trace, by Python and by load.lua."""

import json
import re
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.benchmark import trace_bodies, wrk

ID = bytes.fromhex("0102030405060708090a0b0c0d0e0f10")
BEGIN = 1_700_000_000_000_000_000


@pytest.mark.parametrize(("each", "requests"), [(10, 1), (5, 2), (1, 10)])
def test_a_trace_has_ten_spans_however_it_is_sent(each: int, requests: int) -> None:
    bodies = trace_bodies.exported(each)
    assert len(bodies) == requests
    spans = [span for body in bodies for span in _spans(trace_bodies.filled(body, ID, BEGIN))]
    assert len({span.span_id for span in spans}) == trace_bodies.SPANS
    assert {span.trace_id for span in spans} == {ID}
    assert {span.start_time_unix_nano for span in spans} == {BEGIN}
    assert all(span.end_time_unix_nano > BEGIN for span in spans)
    parents = {span.parent_span_id for span in spans}
    assert parents - {span.span_id for span in spans} == {b""}
    assert not spans[-1].parent_span_id
    texts = {each.key: each.value.string_value for each in spans[-1].attributes}
    assert json.loads(texts["mlflow.traceRequestId"]) == f"tr-{ID.hex()}"


def test_what_a_client_says_names_the_trace() -> None:
    body = json.loads(trace_bodies.filled(trace_bodies.started("7"), ID, BEGIN))
    info = body["trace"]["trace_info"]
    assert info["trace_id"] == f"tr-{ID.hex()}"
    assert info["request_time"] == "2023-11-14T22:13:20.000Z"
    assert info["trace_location"]["mlflow_experiment"]["experiment_id"] == "7"


def test_bodies_of_several_traces_are_one_body() -> None:
    (body,) = trace_bodies.exported()
    ids = [ID, ID[::-1]]
    joined = b"".join(trace_bodies.filled(body, each, BEGIN) for each in ids)
    assert [span.trace_id for span in _spans(joined)] == [ID] * 10 + [ID[::-1]] * 10


def test_a_large_request_is_one_trace() -> None:
    spans = _spans(trace_bodies.large(ID))
    assert len({span.span_id for span in spans}) == trace_bodies.LARGE
    assert sum(not span.parent_span_id for span in spans) == 1


class _Recorder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received: ClassVar[list[tuple[int, str, str, bytes]]] = []
    """The client's port, the path, the content type and the body of each request."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = (self.client_address[1], self.path, self.headers["Content-Type"], body)
        self.received.append(told)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        time.sleep(0.02)  # few requests suffice

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.skipif(shutil.which("wrk") is None, reason="no wrk")
def test_wrk_sends_the_same_each_client_its_own_traces() -> None:
    data = trace_bodies.sequence("7", 5, start=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Recorder) as server:
        threading.Thread(target=server.serve_forever).start()
        clients = wrk.Clients(2, apart=True)
        load = wrk.once(f"http://127.0.0.1:{server.server_port}", "traces", 1, data, 1, clients)
        server.shutdown()
    assert load.fault is None
    by_port: dict[int, list[tuple[str, str, bytes]]] = {}
    for port, *rest in _Recorder.received:
        by_port.setdefault(port, []).append(tuple(rest))  # type: ignore[arg-type]
    # wrk connects once more, to see whether anybody is there.
    sent = [requests for requests in by_port.values() if len(requests) > 3]
    assert len(sent) == 2
    seen: list[str] = []
    for requests in sent:
        first = [path for path, _, _ in requests].index(trace_bodies.START) + 1
        for at in range(first, len(requests) - 2, 3):
            seen.append(_one_trace(requests[at : at + 3], data))
    assert len({*seen}) == len(seen) > 2


def _one_trace(requests: list[tuple[str, str, bytes]], data: dict[str, Any]) -> str:
    """The id of the trace that three requests make together."""
    paths, types, bodies = zip(*requests, strict=True)
    assert paths == (trace_bodies.EXPORT, trace_bodies.EXPORT, trace_bodies.START)
    assert types == (trace_bodies.PROTOBUF, trace_bodies.PROTOBUF, "application/json")
    info = json.loads(bodies[2])["trace"]["trace_info"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", info["request_time"])
    trace_id = bytes.fromhex(info["trace_id"].removeprefix("tr-"))
    spans = [*_spans(bodies[0]), *_spans(bodies[1])]
    assert {span.trace_id for span in spans} == {trace_id}
    begin = spans[0].start_time_unix_nano
    filled = trace_bodies.filled(data["sequence"][0]["pieces"], trace_id, begin)
    assert _without_end(bodies[0]) == _without_end(filled)
    return trace_id.hex()


def _without_end(body: bytes) -> list[trace_pb2.Span]:
    """Its spans; load.lua has time in milliseconds, kept as a double."""
    spans = _spans(body)
    for span in spans:
        span.end_time_unix_nano //= 1_000_000
    return spans


def _spans(body: bytes) -> list[trace_pb2.Span]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]

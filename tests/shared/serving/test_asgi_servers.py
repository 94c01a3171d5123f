"""What comes over the wire, under each ASGI server and by Uvicorn's own command line."""

import contextlib
import re

import httpx
import pytest

from tests.harness.processes import Process, eventually
from tests.shared.serving.conftest import Starter
from tests.shared.serving.test_serve import metrics

UVICORN = ("-m", "uvicorn", "--factory", "tests.shared.serving.tiny_app:create_app", "--port=0")
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
IN_FLIGHT = "tandem_http_requests_in_flight{service=tiny}"
ENVIRON = {"MLFLOW_STATIC_PREFIX": "/mlflow", "TINY_BODY_LIMIT": "100000"}


@pytest.fixture(params=["hypercorn", "uvicorn", "alone"])
def server(request: pytest.FixtureRequest, starter: Starter) -> Process:
    """The application under our servers and, unchanged, by Uvicorn's command line."""
    if request.param == "alone":
        return starter(environ=ENVIRON, command=UVICORN)
    starter.asgi_server = request.param
    return starter("--port=0", environ=ENVIRON)


@pytest.fixture
def served(start: Starter) -> Process:
    """The application under our servers."""
    return start("--port=0", environ=ENVIRON)


def talk(process: Process, *pieces: bytes) -> bytes:
    """What comes back until the server closes; each piece but the first follows an answer.

    A server that closes before it has read all resets the connection, maybe while we still send.
    """
    received = b""
    with process.connect() as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                received += connection.recv(65536)
        with contextlib.suppress(ConnectionError):
            while came := connection.recv(65536):
                received += came
    return received


def statuses(received: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1.1 (\d+)", received)]


def test_the_application_is_the_same_under_each_server(server: Process) -> None:
    prefix = "/mlflow"
    greeted = server.get(f"{prefix}/greet/x", headers={"X-Request-Id": "one"})
    assert (greeted.status_code, greeted.headers["x-request-id"]) == (200, "one")
    assert greeted.headers["x-frame-options"] == "SAMEORIGIN"
    assert server.get("/greet").status_code == 404
    assert server.get(f"{prefix}/greet", headers={"Host": "evil.com"}).status_code == 403
    failed = server.get(f"{prefix}/fail")
    assert (failed.status_code, failed.json()["error_code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in failed.text
    headed = httpx.head(f"{server.url}{prefix}/greet")
    assert (headed.status_code, headed.content) == (200, b"")
    assert int(headed.headers["content-length"]) > 0
    posted = httpx.post(f"{server.url}{prefix}/echo", json={"a": "ü"})
    assert posted.json() == {"a": "ü"}


@pytest.mark.parametrize("length", ["", "?length=1000"])
def test_an_answer_that_fails_half_way_does_not_look_complete(server: Process, length: str) -> None:
    with httpx.stream("GET", f"{server.url}/mlflow/fail-half-way{length}") as answer:
        assert answer.status_code == 200
        chunks = answer.iter_raw()
        assert next(chunks) == b"the first half"
        with pytest.raises(httpx.RemoteProtocolError):
            next(chunks)


@pytest.mark.parametrize("declared", [True, False])
def test_a_client_that_sends_too_much_sees_the_refusal(server: Process, declared: bool) -> None:
    body = b" " * 8_000_000
    content = body if declared else (body[at : at + 65536] for at in range(0, len(body), 65536))
    answer = httpx.post(
        f"{server.url}/mlflow/echo", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert "100000 bytes" in answer.json()["message"]


def test_a_client_that_leaves_is_logged_as_499(server: Process) -> None:
    with server.connect() as client:
        client.sendall(
            b"POST /mlflow/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
    counted = "tandem_http_requests_total{method=POST,route=/echo,service=tiny,status=499}"

    eventually(lambda: metrics(server, "/mlflow/metrics").get(counted) == 1, "499 is counted")


def test_it_does_not_say_what_it_is(served: Process) -> None:
    answer = served.get("/mlflow/greet")
    assert "server" not in answer.headers
    assert "date" in answer.headers


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"GET /mlflow/greet HTTP/1.1\r\n\r\n",
        b"GET /mlflow/greet HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n\r\n",
        "GET /mlflow/é HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_closed(served: Process, head: bytes) -> None:
    assert statuses(talk(served, head)) == [400]
    assert not re.search('"(ERROR|WARNING)"', served.output())


def test_a_head_without_end_is_refused(served: Process) -> None:
    head = b"GET /mlflow/greet HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 200_000
    assert statuses(talk(served, head)) == [431]


def test_a_status_line_has_its_reason_phrase(served: Process) -> None:
    """Clients show it to people: "400 Client Error: Bad Request for url"."""
    for request_line, field, expected in (
        (b"GET /mlflow/greet HTTP/1.1", b"", b"200 OK"),
        (b"GET /mlflow/x HTTP/1.1", b"", b"404 Not Found"),
        (b"POST /mlflow/greet HTTP/1.1", b"", b"405 Method Not Allowed"),
        (b"GET /mlflow/fail HTTP/1.1", b"", b"500 Internal Server Error"),
        (b"nonsense", b"", b"400 Bad Request"),
        (b"GET / HTTP/1.1", b"X: " + b"x" * 200_000, b"431 Request Header Fields Too Large"),
    ):
        head = request_line + b"\r\nConnection: close\r\n" + HOST + field + b"\r\n\r\n"
        received = talk(served, head if field else head.removesuffix(b"\r\n"))
        assert received.partition(b"\r\n")[0] == b"HTTP/1.1 " + expected
    expecting = b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 7\r\n\r\n"
    head = b"POST /mlflow/echo HTTP/1.1\r\n" + HOST + JSON + expecting
    received = talk(served, head, b'{"a":1}')
    assert statuses(received) == [100, 200]
    assert b"HTTP/1.1 200 OK\r\n" in received


def test_a_body_whose_end_two_could_see_differently_is_refused(served: Process) -> None:
    """What follows it would be one thing to a proxy before us, and to us another."""
    head = b"POST /mlflow/echo HTTP/1.1\r\n" + HOST + JSON
    body = b'\r\n7\r\n{"a":1}\r\n0\r\n\r\n'
    smuggled = b"GET /mlflow/greet HTTP/1.1\r\n" + HOST + b"\r\n"
    for fields, expected in (
        (b"Content-Length: 17\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 17\r\n", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
        (b"Transfer-Encoding: chunked, chunked\r\n", 501),
    ):
        refused = statuses(talk(served, head + fields + body + smuggled))
        assert refused in ([expected], [400]), fields  # one server's parser sees some by itself
    assert served.get("/mlflow/greet").status_code == 200


@pytest.mark.parametrize("endless", [b"0\r\nX: ", b"2;x="])
def test_trailers_and_extensions_without_end_are_cut(served: Process, endless: bytes) -> None:
    head = b"POST /mlflow/echo HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    assert 200 not in statuses(talk(served, head + endless + b"x" * 200_000))


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 7\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n7\r\n"]
)
@pytest.mark.parametrize("apart", [False, True])
def test_a_request_that_offers_an_upgrade_keeps_its_body(
    served: Process, framing: bytes, apart: bool
) -> None:
    """As the HTTP clients of Java and curl do, to speak HTTP/2."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n"
    head = b"POST /mlflow/echo HTTP/1.1\r\n" + HOST + JSON + offer + framing
    body = b'{"a":1}' + (b"\r\n0\r\n\r\n" if b"chunked" in framing else b"")
    last = b"GET /mlflow/greet HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    with served.connect() as connection:
        connection.sendall(head if apart else head + body)
        if apart:
            eventually(lambda: metrics(served, "/mlflow/metrics")[IN_FLIGHT] == 2, "it is read")
            connection.sendall(body)
        received = connection.recv(65536)
        while b'{"a":1}' not in received:
            received += connection.recv(65536)
        connection.sendall(last)
        while came := connection.recv(65536):
            received += came
    assert statuses(received) == [200, 200]


@pytest.mark.parametrize(("method", "path"), [("GET", b"greet"), ("GET", b"x"), ("POST", b"greet")])
def test_a_body_that_no_route_reads_does_not_cost_the_connection(
    served: Process, method: str, path: bytes
) -> None:
    """Many clients send a body after its head, in a second piece."""
    head = method.encode() + b" /mlflow/" + path + b" HTTP/1.1\r\n" + HOST
    last = b"GET /mlflow/greet HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    with served.connect() as connection:
        connection.sendall(head + b"Content-Length: 7\r\n\r\n")
        eventually(lambda: metrics(served, "/mlflow/metrics")[IN_FLIGHT] == 2, "it is read")
        connection.sendall(b'{"a":1}')
        received = b""
        while b"}" not in received:
            received += connection.recv(65536)
        connection.sendall(last)
        while came := connection.recv(65536):
            received += came
    assert len(statuses(received)) == 2


def test_requests_in_one_piece_are_answered_in_turn(served: Process) -> None:
    one = b"GET /mlflow/greet/%d HTTP/1.1\r\n" + HOST
    last = one % 3 + b"Connection: close\r\n\r\n"
    received = talk(served, one % 1 + b"\r\n" + one % 2 + b"\r\n" + last)
    assert statuses(received) == [200, 200, 200]


def test_a_missing_server_is_named_with_its_extra(starter: Starter) -> None:
    hide = "from importlib import util; util.find_spec = lambda name: None; "
    process = starter(
        "--port=0",
        command=(
            "-c",
            hide + "from tests.shared.serving import tiny; raise SystemExit(tiny.main())",
        ),
        environ={"TANDEM_ASGI_SERVER": "uvicorn"},
        ready=False,
    )
    assert process.wait() == 2
    assert "tiny[uvicorn]" in process.output()
    assert "Traceback" not in process.output()

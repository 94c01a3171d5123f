"""Offers to speak something else than HTTP/1: only HTTP/2 is, where it was asked for."""

import h2.connection
import h2.events

from tests.harness.processes import Process
from tests.shared.serving.conftest import Starter
from tests.shared.serving.test_asgi_servers import HOST, UVICORN, statuses, talk

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n"
WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def ask(process: Process, fields: bytes) -> bytes:
    """What a server says until it closes, which a second request on the connection asks for."""
    line = b"GET /greet HTTP/1.1\r\n" + HOST
    return talk(process, line + fields + b"\r\n", line + b"Connection: close\r\n\r\n")


def test_http_2_is_not_spoken_unless_it_was_asked_for(start: Starter) -> None:
    process = start("--port=0")
    received = talk(process, PREFACE + SETTINGS)
    assert statuses(received) in ([505], [400])
    assert b"HTTP/2" not in received
    assert statuses(talk(process, b"GET /greet HTTP/2.0\r\n" + HOST + b"\r\n")) == [505]
    assert statuses(ask(process, OFFER)) == [200, 200]
    assert '"ERROR"' not in process.output()


def test_http_2_is_spoken_where_it_was_asked_for(starter: Starter) -> None:
    process = starter("--port=0", environ={"TANDEM_H2C": "true"})
    client = h2.connection.H2Connection()
    client.initiate_connection()
    fields = {":method": "GET", ":scheme": "http", ":authority": "localhost", ":path": "/greet"}
    client.send_headers(1, list(fields.items()), end_stream=True)
    seen: list[h2.events.Event] = []
    with process.connect() as connection:
        connection.sendall(client.data_to_send())
        while not any(isinstance(event, h2.events.StreamEnded) for event in seen):
            seen += client.receive_data(connection.recv(65536))
    answered = next(event for event in seen if isinstance(event, h2.events.ResponseReceived))
    assert (b":status", b"200") in answered.headers
    with process.connect() as connection:
        connection.sendall(b"GET /greet HTTP/1.1\r\n" + HOST + OFFER + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
    assert statuses(ask(process, WEBSOCKET)) == [200, 200]


def test_a_websocket_is_answered_as_the_request_that_it_begins_with(start: Starter) -> None:
    process = start("--port=0")
    assert statuses(ask(process, WEBSOCKET)) == [200, 200]
    assert statuses(ask(process, WEBSOCKET.replace(b"Version: 13", b"Version: x"))) == [200, 200]
    assert '"ERROR"' not in process.output()


def test_a_websocket_is_refused_under_servers_that_would_speak_it(starter: Starter) -> None:
    process = starter(command=UVICORN)
    received = talk(process, b"GET /greet HTTP/1.1\r\n" + HOST + WEBSOCKET + b"\r\n")
    assert 500 not in statuses(received)

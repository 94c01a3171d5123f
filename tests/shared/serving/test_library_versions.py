"""Libraries whose undocumented parts the ASGI servers use, and the versions that have them."""

import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import h11
import httptools
import hypercorn.protocol
import pytest
import uvicorn
from hypercorn.asyncio import run as hypercorn_run
from hypercorn.asyncio import tcp_server
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.protocol import h2 as http2
from hypercorn.protocol import h11 as http11
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tandem_shared.serving import hypercorn_server, uvicorn_server
from tandem_shared.serving.options import require_version
from tandem_shared.settings import SettingsError
from tests.shared.serving.conftest import ROOT, Starter

SUPPORTED = [*hypercorn_server.SUPPORTED, *uvicorn_server.SUPPORTED]


def parameters(of: Any) -> list[str]:
    return list(inspect.signature(of).parameters)


def assigned(of: type, *methods: str) -> set[str]:
    """The attributes that methods of a class give to `self`."""
    text = "".join(inspect.getsource(getattr(of, name)) for name in methods)
    return set(re.findall(r"self\.(\w+)(?:: [^=\n]+)? = ", text))


@pytest.mark.parametrize(("distribution", "series"), SUPPORTED)
def test_require_version_takes_the_series_of_pyproject(distribution: str, series: str) -> None:
    project = tomllib.loads((ROOT / "shared/pyproject.toml").read_text())["project"]
    required = project["dependencies"] + project["optional-dependencies"]["uvicorn"]
    major, minor = series.split(".")[:2]
    bounds = f"{distribution}>={major}.{minor},<{major}.{int(minor) + 1}"
    assert bounds in required
    pinned = re.findall(rf"(?im)^{distribution}==(\S+)", (ROOT / "constraints.txt").read_text())
    assert [pin.startswith(series) for pin in pinned] == [True]
    require_version(distribution, series)


def test_require_version_names_what_is_installed_and_what_is_supported() -> None:
    with pytest.raises(SettingsError, match=r"h11 0\.\d+\.\d+ is installed.*'h11==0\.99\.\*'"):
        require_version("h11", "0.99.")


@pytest.mark.parametrize("optimized", [(), ("-O",)])
def test_require_version_stops_a_start_with_another_version(
    start: Starter, tmp_path: Path, optimized: tuple[str, ...]
) -> None:
    name = start.asgi_server
    metadata = tmp_path / f"{name}-9.9.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9.0\n")
    process = start(
        "--port=0",
        command=(*optimized, "-m", "tests.shared.serving.tiny"),
        environ={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        ready=False,
    )
    assert process.wait() == 2
    assert f"error: {name} 9.9.0 is installed" in process.output()
    assert "Traceback" not in process.output()


def test_hypercorn_takes_what_is_put_in_place_of_its_own() -> None:
    assert "TCPServer(app, loop, config, context" in inspect.getsource(hypercorn_run.worker_serve)
    assert hypercorn_run.TCPServer is hypercorn_server._TCPServer
    assert "self.reader.read(MAX_RECV)" in inspect.getsource(tcp_server.TCPServer._read_data)
    assert tcp_server.MAX_RECV == 256 * 1024
    assert "H11Protocol(" in inspect.getsource(hypercorn.protocol.ProtocolWrapper.__init__)
    assert hypercorn.protocol.H11Protocol is hypercorn_server._H11Protocol


def test_hypercorn_has_the_methods_that_are_overridden_and_what_they_use() -> None:
    server = tcp_server.TCPServer
    assert parameters(server.protocol_send) == ["self", "event"]
    for method in (
        server._close,
        server._read_data,
        server._idle_timeout,
        server._initiate_server_close,
    ):
        assert parameters(method) == ["self"]
        assert inspect.iscoroutinefunction(method)
    used = {"config", "context", "idle_task", "loop", "state", "writer"}
    assert used <= assigned(server, "__init__")
    for method, parameter in (
        (H11Protocol._check_protocol, "event"),
        (H11Protocol._create_stream, "request"),
        (H11Protocol._send_h11_event, "event"),
        (H11Protocol._send_error_response, "status_code"),
    ):
        assert parameters(method) == ["self", parameter]
        assert inspect.iscoroutinefunction(method)
    assert {"config", "connection", "send"} <= assigned(H11Protocol, "__init__")


def test_hypercorn_hands_the_body_to_its_application_by_a_queue() -> None:
    for protocol in (http11, http2):
        assert protocol.HTTPStream is hypercorn_server._HTTPStream
        assert "HTTPStream(" in inspect.getsource(protocol)
    assert parameters(HTTPStream.app_send) == ["self", "message"]
    assert parameters(HTTPStream.handle) == ["self", "event"]
    assert "state" in assigned(HTTPStream, "__init__")
    assert "self.app_put = await self.task_group.spawn_app(" in inspect.getsource(HTTPStream.handle)
    assert "return app_queue.put" in inspect.getsource(TaskGroup.spawn_app)


def test_both_servers_give_the_state_of_a_connection_to_its_requests() -> None:
    """By it requests learn of TLS: `tls.scope`."""
    assert "ConnectionState(self.state)" in inspect.getsource(tcp_server.TCPServer.run)
    assert '"state": event.state.copy()' in inspect.getsource(HTTPStream.handle)
    assert '"state": self.app_state.copy()' in inspect.getsource(HttpToolsProtocol.on_message_begin)


def test_h11_lets_a_response_have_its_reason_afterwards() -> None:
    response = h11.Response(status_code=200, headers=[("content-length", "0")])
    object.__setattr__(response, "reason", b"OK")
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    connection.next_event()
    assert (connection.send(response) or b"").startswith(b"HTTP/1.1 200 OK\r\n")


def test_uvicorn_has_the_methods_that_are_overridden_and_what_they_use() -> None:
    assert parameters(uvicorn.Server.shutdown) == ["self", "sockets"]
    assert "self.capture_signals()" in inspect.getsource(uvicorn.Server.serve)
    assert {"config", "server_state"} <= assigned(uvicorn.Server, "__init__")
    protocol = HttpToolsProtocol
    for name, expected in {
        "connection_made": ["self", "transport"],
        "connection_lost": ["self", "exc"],
        "data_received": ["self", "data"],
        "on_headers_complete": ["self"],
        "on_body": ["self", "body"],
        "on_message_complete": ["self"],
        "on_response_complete": ["self"],
        "timeout_keep_alive_handler": ["self"],
        "_unset_keepalive_if_required": ["self"],
    }.items():
        assert parameters(getattr(protocol, name)) == expected
    made = assigned(protocol, "__init__", "connection_made", "on_message_begin")
    used = {"config", "cycle", "headers", "loop", "parser", "pipeline", "transport", "url"}
    assert {*used, "app_state", "timeout_keep_alive_task"} <= made
    cycle = assigned(RequestResponseCycle, "__init__")
    assert {"more_body", "response_complete", "response_started"} <= cycle


def test_uvicorn_writes_a_head_in_one_piece_and_interim_answers_apart() -> None:
    sent = inspect.getsource(RequestResponseCycle.send)
    assert 'self.transport.write(b"".join(content))' in sent
    received = inspect.getsource(RequestResponseCycle.receive)
    assert 'self.transport.write(b"HTTP/1.1 100 Continue\\r\\n\\r\\n")' in received


def test_httptools_keeps_the_error_of_a_callback() -> None:
    class Callbacks:
        def on_headers_complete(self) -> None:
            raise LookupError

    parser = httptools.HttpRequestParser(Callbacks())
    with pytest.raises(httptools.HttpParserError) as raised:
        parser.feed_data(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert isinstance(raised.value.__context__, LookupError)

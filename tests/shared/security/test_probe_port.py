"""The port for probes answers probes and scrapes, and nothing else."""

from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tandem_shared.security import probe_port
from tandem_shared.settings import CommonSettings
from tests.shared.asgi import call


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("answered")(scope, receive, send)


def status(path: str, port: int, **settings: Any) -> int:
    limited = probe_port.limited(_app, CommonSettings(**settings))

    async def at_port(scope: Scope, receive: Receive, send: Send) -> None:
        await limited({**scope, "server": ("127.0.0.1", port)}, receive, send)

    return call(at_port, "GET", path).status


@pytest.mark.parametrize("path", ["/health", "/ready", "/version", "/metrics"])
def test_probes_and_scrapes_are_answered_at_both_ports(path: str) -> None:
    for port in (5000, 5001):
        assert status(path, port, probe_port=5001) == 200
        assert status(f"/mlflow{path}", port, probe_port=5001, static_prefix="/mlflow") == 200


@pytest.mark.parametrize("path", ["/", "/api/2.0/mlflow/experiments/get", "/health/x", "/Health"])
def test_everything_else_is_answered_at_the_service_s_port_alone(path: str) -> None:
    assert status(path, 5000, probe_port=5001) == 200
    assert status(path, 5001, probe_port=5001) == 403
    assert status(path, 5001, probe_port=5001, disable_security_middleware=True) == 403


def test_without_the_setting_nothing_is_wrapped() -> None:
    assert probe_port.limited(_app, CommonSettings()) is _app

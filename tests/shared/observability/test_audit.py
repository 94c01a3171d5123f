"""The audit log, line by line."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, field
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from tandem_shared.auth.rules import PRINCIPAL, PUBLIC, SIGNED_IN, Principal, Rule
from tandem_shared.errors import PermissionDenied
from tandem_shared.http.router import MESSAGE, Route, Router
from tandem_shared.observability.audit import AuditLog
from tandem_shared.observability.instrumentation import Instrumentation
from tandem_shared.security import hosts_and_origins
from tandem_shared.settings import CommonSettings, SettingsError
from tests.shared.asgi import call

FAILED = "tandem_audit_failures_total"


class _Message(Struct):
    run_id: str = "a" * 32
    value: str = "the secret value"
    experiment_ids: list[str] = field(default_factory=lambda: [str(each) for each in range(50)])


async def fine(request: Request) -> Response:
    request.scope[MESSAGE] = _Message()
    return PlainTextResponse("fine")


async def bare(_: Request) -> Response:
    return PlainTextResponse("bare")


async def guard(scope: Scope, _: Rule, changes: bool) -> None:
    scope[PRINCIPAL] = Principal("ann", read_only=True)
    if changes and scope["path"] == "/forbidden":
        raise PermissionDenied("no")


class Audited:
    def __init__(self, path: Path) -> None:
        self.path = path
        routes = [
            Route("POST", "/log", fine, SIGNED_IN),
            Route("POST", "/search", fine, SIGNED_IN, reads=True),
            Route("GET", "/read", fine, PUBLIC),
            Route("POST", "/forbidden", fine, SIGNED_IN),
            Route("GET", "/artifacts/{path:path}", bare, SIGNED_IN),
            Route("DELETE", "/webhooks/{webhook_id}", bare, SIGNED_IN),
        ]
        router = Router(routes, guard=guard)
        secured = hosts_and_origins.secure(router, CommonSettings())
        self.app = Instrumentation(secured, "tested", AuditLog(str(path), "tested"))

    def lines(self, method: str, path: str, **more: Any) -> list[dict[str, Any]]:
        before = self.path.read_text() if self.path.exists() else ""
        call(self.app, method, path, **more)
        written = self.path.read_text() if self.path.exists() else ""
        return [json.loads(line) for line in written.removeprefix(before).splitlines()]


@pytest.fixture
def audited(tmp_path: Path) -> Audited:
    return Audited(tmp_path / "audit.log")


def test_a_change_is_a_line_that_names_user_object_and_result(audited: Audited) -> None:
    (line,) = audited.lines("POST", "/log")
    assert line.pop("time").endswith("Z")
    assert len(line.pop("request_id")) == 32
    assert line.pop("client")
    assert line == {
        "service": "tested",
        "user": "ann",
        "method": "POST",
        "route": "/log",
        "object": {
            "run_id": "a" * 32,
            "experiment_ids": [str(number) for number in range(20)],
        },
        "status": 200,
    }


def test_values_are_never_written(audited: Audited) -> None:
    audited.lines("POST", "/log")
    assert "secret" not in audited.path.read_text()


@pytest.mark.parametrize(("method", "path"), [("GET", "/read"), ("POST", "/search")])
def test_reading_is_no_line(audited: Audited, method: str, path: str) -> None:
    assert audited.lines(method, path) == []


def test_reading_an_artifact_is_a_line(audited: Audited) -> None:
    (line,) = audited.lines("GET", "/artifacts/1/model/MLmodel")
    assert line["object"] == {"path": "1/model/MLmodel"}
    assert (line["route"], line["status"]) == ("/artifacts/{path:path}", 200)


def test_the_object_of_a_request_without_a_message_is_in_its_path(audited: Audited) -> None:
    (line,) = audited.lines("DELETE", "/webhooks/w1")
    assert line["object"] == {"webhook_id": "w1"}


def test_a_refused_request_is_a_line(audited: Audited) -> None:
    (line,) = audited.lines("POST", "/forbidden")
    assert (line["user"], line["status"], line["object"]) == ("ann", 403, {})


def test_a_request_of_a_foreign_host_is_a_line(audited: Audited) -> None:
    (line,) = audited.lines("GET", "/read", headers={"host": "evil.example.com"})
    assert (line["user"], line["route"], line["status"]) == (None, None, 403)


def test_a_file_that_was_moved_away_is_made_anew(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_shared.observability.audit._LOOK_SECONDS", 0)
    audited.lines("POST", "/log")
    audited.path.rename(audited.path.with_suffix(".1"))
    audited.lines("POST", "/log")
    assert len(audited.path.read_text().splitlines()) == 1
    assert audited.path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_cannot_be_written_is_counted_and_the_request_is_answered(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    before = _failures()
    monkeypatch.setattr("tandem_shared.observability.audit.os.write", full)
    answer = call(audited.app, "POST", "/log")
    assert answer.status == 200
    assert _failures() == before + 1


def _failures() -> float:
    return REGISTRY.get_sample_value(FAILED) or 0


def test_a_file_that_cannot_be_written_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--audit-log: cannot write to .*/none/audit\.log"):
        AuditLog(str(tmp_path / "none" / "audit.log"), "tested")


def test_a_dash_is_standard_output() -> None:
    assert AuditLog("-", "tested")._open() == sys.stdout.fileno()

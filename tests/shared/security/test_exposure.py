"""Where a service that authenticates nobody may be reached."""

import dataclasses
import logging
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from tandem_shared.security import exposure
from tandem_shared.settings import CommonSettings, SettingsError, load


@dataclass(frozen=True, kw_only=True)
class Authenticating(CommonSettings):
    @property
    def authenticates(self) -> bool:
        return True


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_needs_no_authentication(host: str) -> None:
    exposure.check(CommonSettings(), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "::ffff:10.0.0.1"])
def test_other_addresses_need_a_choice(host: str) -> None:
    with pytest.raises(SettingsError) as refused:
        exposure.check(CommonSettings(), host)
    for part in (f"address {host} can", "--auth", "--insecure-no-auth", "TANDEM_INSECURE_NO_AUTH"):
        assert part in str(refused.value)
    exposure.check(load(CommonSettings, {"TANDEM_INSECURE_NO_AUTH": "1"}), host)
    exposure.check(Authenticating(), host)
    certified = CommonSettings(tls_cert="c", tls_key="k", tls_client_ca="a")
    exposure.check(certified, host)
    with pytest.raises(SettingsError):
        exposure.check(dataclasses.replace(certified, tls_client_auth="optional"), host)


def test_the_start_warns_of_an_open_address_only(caplog: pytest.LogCaptureFixture) -> None:
    exposure.warn(CommonSettings(), "127.0.0.1")
    exposure.warn(CommonSettings(insecure_no_auth=True), "127.0.0.1")
    exposure.warn(Authenticating(), "192.0.2.7")
    assert caplog.text == ""
    exposure.warn(CommonSettings(insecure_no_auth=True), "192.0.2.7")
    assert "nobody is authenticated on 192.0.2.7" in caplog.text


def _came_to(app: ASGIApp, server: tuple[str, int | None] | None) -> ASGIApp:
    """The application, whose server says that requests came to this address."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["server"] = server
        await app(scope, receive, send)

    return served


def _ask(settings: CommonSettings, server: tuple[str, int | None] | None) -> Any:
    app = exposure.guard(PlainTextResponse("done"), settings)
    return TestClient(_came_to(app, server)).post("/x", content=b"a body")


@pytest.mark.parametrize(
    "server", [("127.0.0.1", 5000), ("::1", 5000), ("/run/tandem.sock", None), None]
)
def test_requests_on_loopback_and_sockets_pass(server: tuple[str, int | None] | None) -> None:
    assert _ask(CommonSettings(), server).text == "done"


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_requests_to_other_addresses_are_refused_unless_told(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = _ask(CommonSettings(), (address, 5000))
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "PERMISSION_DENIED"
    assert "--insecure-no-auth" in answer.json()["message"]
    assert f"requests to {address} are refused" in caplog.text
    for settings in (CommonSettings(insecure_no_auth=True), Authenticating()):
        assert _ask(settings, (address, 5000)).text == "done"


def test_the_log_repeats_each_hour_that_nobody_is_authenticated(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr(exposure.time, "monotonic", lambda: now)
    app = exposure.guard(PlainTextResponse("done"), CommonSettings(insecure_no_auth=True))
    client = TestClient(_came_to(app, ("192.0.2.7", 5000)))

    def warnings() -> int:
        client.get("/")
        found = [each for each in caplog.records if each.name == "tandem.auth"]
        caplog.clear()
        return len(found)

    with caplog.at_level(logging.WARNING):
        assert warnings() == 0
        now += exposure.REPEATED_SECONDS
        assert (warnings(), warnings()) == (1, 0)
        now += exposure.REPEATED_SECONDS + 1
        assert warnings() == 1

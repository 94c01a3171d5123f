from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tandem_shared.auth.rules import PUBLIC
from tandem_shared.http.router import Route, Router
from tandem_shared.security import hosts_and_origins
from tandem_shared.settings import CommonSettings
from tests.shared.asgi import Answer, call


async def fine(_: Request) -> Response:
    return PlainTextResponse("fine", headers={"X-Content-Type-Options": "nosniff"})


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
PATHS = ["/api/x", *hosts_and_origins.ALWAYS_ANSWERED]


def ask(
    method: str = "GET",
    path: str = "/api/x",
    *,
    headers: dict[str, str] | None = None,
    **given: Any,
) -> Answer:
    settings = CommonSettings(**given)
    routes = [Route(m, p, fine, PUBLIC) for m in METHODS for p in PATHS]
    routes.append(Route("POST", "/api/search", fine, PUBLIC, reads=True))
    router = Router(routes, prefix=settings.static_prefix)
    app = hosts_and_origins.secure(router, settings, reads=router.reads)
    return call(app, method, path, headers=headers)


def host_passes(host: str, **given: Any) -> bool:
    answer = ask(headers={"Host": host}, **given)
    if answer.status == 403:
        assert answer.json["error_code"] == "PERMISSION_DENIED"
        assert "--allowed-hosts" in answer.json["message"]
        assert (
            f"Invalid Host header: this server does not accept '{host}'" in answer.json["message"]
        )
    return answer.status == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:5000",
        "127.0.0.1",
        "127.0.0.1:80",
        "0.0.0.0:5000",
        "[::1]",
        "[::1]:5000",
        "10.1.2.3",
        "10.1.2.3:5000",
        "172.16.0.1",
        "172.31.255.255:1",
        "192.168.1.1:5000",
        "[fd00::1]:5000",
        "[fc00::1]",
    ],
)
def test_localhost_and_private_addresses_are_hosts_by_default(host: str) -> None:
    assert host_passes(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "10.evil.com",
        "192.168.evil.com:5000",
        "172.16.0.1.evil.com",
        "localhost.evil.com",
        "evil.com:localhost",
        "evil.com@localhost",
        "localhost@evil.com",
        "localhost/evil.com",
        "localhost:80:80",
        "localhost:",
        "localhost evil.com",
        "[::1",
        "[::1]evil.com",
        "[::1].evil.com",
        "8.8.8.8",
        "172.32.0.1",
        "[2606:4700::1111]",
        "[fd00::evil]",
        "2130706433",
        "0x7f.1",
    ],
)
def test_other_hosts_are_refused_by_default(host: str) -> None:
    assert not host_passes(host)


@pytest.mark.parametrize(
    ("allowed", "host", "passes"),
    [
        (("example.com",), "example.com", True),
        (("example.com",), "EXAMPLE.com:8080", True),
        (("Example.COM",), "example.com", True),
        (("example.com",), "example.com.evil.com", False),
        (("example.com",), "a.example.com", False),
        (("example.com",), "localhost", False),
        (("example.com:443",), "example.com:443", True),
        (("example.com:443",), "example.com:444", False),
        (("example.com:443",), "example.com", False),
        (("example.com:*",), "example.com:444", True),
        (("*.example.com",), "a.b.example.com:1", True),
        (("*.example.com",), "example.com", False),
        (("*.example.com",), "evil.com/.example.com", False),
        (("*.example.com",), "evil.com#.example.com", False),
        (("example.com",), "exampleXcom", False),
        (("a?c.com",), "abc.com", False),
        (("[::1]",), "[::1]:5000", True),
        (("[::1]",), ":", False),
        (("[fd00::*]:5000",), "[fd00::7]:5000", True),
        (("a.com", "b.com"), "b.com", True),
        (("a.com", "*"), "anything", True),
        ((), "localhost", False),
    ],
)
def test_an_allow_list_takes_wildcards_and_ports(
    allowed: tuple[str, ...], host: str, passes: bool
) -> None:
    assert host_passes(host, allowed_hosts=allowed) is passes


@pytest.mark.parametrize("path", hosts_and_origins.ALWAYS_ANSWERED)
def test_probes_name_any_host(path: str) -> None:
    evil = {"Host": "evil.com"}
    assert ask("GET", path, headers=evil).status == 200
    assert ask("GET", "/mlflow" + path, headers=evil, static_prefix="/mlflow").status == 200
    assert ask("GET", path, headers=evil, static_prefix="/mlflow").status == 403
    assert ask("GET", path + "/", headers=evil).status == 403
    assert ask("GET", "/api/x", headers=evil).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/api/x", "/health"])
def test_a_page_of_another_origin_changes_nothing(method: str, path: str) -> None:
    for origin in ("https://evil.com", "null", "http://localhost.evil.com", "http://10.0.0.1"):
        answer = ask(method, path, headers={"Origin": origin})
        assert (answer.status, answer.json["error_code"]) == (403, "PERMISSION_DENIED")
        assert "--cors-allowed-origins" in answer.json["message"]
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["http://localhost", "https://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:80"],
)
def test_a_page_of_localhost_may_change_things(origin: str) -> None:
    answer = ask("POST", headers={"Origin": origin})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize("prefix", ["", "/mlflow"])
def test_what_only_reads_is_refused_to_no_origin(prefix: str) -> None:
    """A proxy that passes the browser's Host not on makes the server's own pages foreign."""
    headers = {"Origin": "http://mlflow.example.com", "Host": "127.0.0.1:5000"}

    def status(method: str, path: str, **other: str) -> int:
        answer = ask(method, prefix + path, headers=headers | other, static_prefix=prefix)
        assert "access-control-allow-origin" not in answer.headers
        return answer.status

    assert status("POST", "/api/search") == 200
    assert status("POST", "/api/search", Host="evil.com") == 403
    assert status("PUT", "/api/search") == 403
    assert status("POST", "/api/search/") == 403
    assert status("POST", "/api/x") == 403
    assert status("GET", "/api/x") == 200


def test_a_refused_page_is_told_origin_and_host() -> None:
    headers = {"Origin": "http://mlflow.example.com", "Host": "127.0.0.1:5000"}
    message = ask("POST", headers=headers).json["message"]
    assert "Origin is 'http://mlflow.example.com', Host is '127.0.0.1:5000'" in message
    assert "does the proxy pass the browser's Host on?" in message
    headers["Origin"] = f"http://{'a' * 5000}.example.com"
    assert len(ask("POST", headers=headers).json["message"]) < 600


def test_a_client_without_an_origin_may_change_things() -> None:
    assert ask("POST").status == 200


def test_a_page_of_another_origin_may_ask_but_its_script_sees_nothing() -> None:
    answer = ask("GET", headers={"Origin": "https://evil.com"})
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("allowed", "origin", "passes"),
    [
        ("https://ui.example.com", "https://ui.example.com", True),
        ("https://ui.example.com", "http://ui.example.com", False),
        ("https://ui.example.com", "https://ui.example.com:444", False),
        ("https://*.example.com", "https://a.example.com", True),
        ("https://*.example.com", "https://evil.com/.example.com", False),
        ("https://*.example.com", "https://a.example.com.evil.com", False),
        ("https://a.b", "https://aXb", False),
        ("https://a.b", "http://localhost:1", True),
    ],
)
def test_an_allowed_origin_may_change_things(allowed: str, origin: str, passes: bool) -> None:
    answer = ask("POST", headers={"Origin": origin}, cors_allowed_origins=("https://x.y", allowed))
    assert (answer.status == 200) is passes
    assert (answer.headers.get("access-control-allow-origin") == origin) is passes


@pytest.mark.parametrize(
    ("allowed", "host", "origin", "passes"),
    [
        (None, "10.1.2.3:5000", "http://10.1.2.3:5000", True),
        (None, "10.1.2.3", "http://10.1.2.3", True),
        (None, "[fd00::1]:5000", "http://[fd00::1]:5000", True),
        (None, "10.1.2.3:5000", "http://10.1.2.3:5001", False),
        (None, "10.1.2.3:5000", "http://10.1.2.4:5000", False),
        (None, "10.1.2.3:5000", "http://10.1.2.3", False),
        (("ui.example.com",), "ui.example.com", "http://ui.example.com", True),
        # A proxy ended TLS; some name the default port, some do not.
        (("ui.example.com",), "ui.example.com", "https://ui.example.com", True),
        (("ui.example.com",), "ui.example.com:443", "https://ui.example.com", True),
        (("ui.example.com",), "ui.example.com", "https://ui.example.com:443", True),
        (("ui.example.com",), "ui.example.com:80", "https://ui.example.com", False),
        (("ui.example.com",), "UI.example.com:8443", "https://ui.EXAMPLE.com:8443", True),
        (("*.example.com",), "ui.example.com", "https://ui.example.com", True),
        (("*.example.com",), "a.example.com", "https://b.example.com", False),
        (("ui.example.com",), "ui.example.com", "https://ui.example.com.evil.com", False),
        (("ui.example.com",), "ui.example.com", "https://evil.com/ui.example.com", False),
        (("ui.example.com",), "ui.example.com", "https://evil@ui.example.com", False),
        (("ui.example.com",), "ui.example.com", "https://ui.example.com/", False),
        (("ui.example.com",), "ui.example.com", "ftp://ui.example.com", False),
        (("ui.example.com",), "ui.example.com", "ui.example.com", False),
        (("ui.example.com",), "ui.example.com", "null", False),
        (("null",), "null", "null", False),
        # A page that moved its own name to this server's address.
        (None, "evil.com", "http://evil.com", False),
        (("ui.example.com",), "evil.com", "http://evil.com", False),
        (("*",), "evil.com", "http://evil.com", False),
        (("*:5000",), "evil.com:5000", "http://evil.com:5000", False),
        (("*.*",), "evil.com", "http://evil.com", False),
        (("*", "ui.example.com"), "evil.com", "http://evil.com", False),
        (("*", "ui.example.com"), "ui.example.com", "https://ui.example.com", True),
        # An address is nobody's name.
        (("*",), "10.1.2.3:5000", "http://10.1.2.3:5000", True),
        (("*",), "[2606:4700::1111]", "https://[2606:4700::1111]", True),
        (("*",), "10.1.2.3", "http://10.1.2.4", False),
        (("ui.example.com",), "10.1.2.3", "http://10.1.2.3", False),
    ],
)
def test_a_page_of_this_server_under_a_name_of_the_list_may_change_things(
    allowed: tuple[str, ...] | None, host: str, origin: str, passes: bool
) -> None:
    headers = {"Host": host, "Origin": origin}
    for method in ("POST", "DELETE"):
        answer = ask(method, headers=headers, allowed_hosts=allowed)
        assert answer.status == (200 if passes else 403)
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("site", "passes"),
    [("same-origin", True), ("same-site", False), ("cross-site", False), ("", False)],
)
def test_a_browser_that_knows_better_is_believed(site: str, passes: bool) -> None:
    """As with a page that plain HTTP brought, under the name of a server that speaks TLS."""
    headers = {"Host": "ui.example.com", "Origin": "http://ui.example.com", "Sec-Fetch-Site": site}
    answer = ask("POST", headers=headers, allowed_hosts=("ui.example.com",))
    assert (answer.status == 200) is passes


def test_every_origin_means_no_credentials() -> None:
    answer = ask("POST", headers={"Origin": "https://any.com"}, cors_allowed_origins=("*",))
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("method", METHODS)
def test_a_preflight_is_answered_before_the_routes(method: str) -> None:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "x-a"}
    answer = ask("OPTIONS", headers={"Origin": "http://localhost:3000", **asked})
    assert answer.status == 200
    assert method in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "x-a"
    refused = ask("OPTIONS", headers={"Origin": "https://evil.com", **asked})
    assert refused.status == 400
    assert "access-control-allow-origin" not in refused.headers
    elsewhere = {"Origin": "http://localhost:3000", "Host": "evil.com", **asked}
    assert ask("OPTIONS", headers=elsewhere).status == 403


@pytest.mark.parametrize(
    ("option", "header"),
    [("SAMEORIGIN", "SAMEORIGIN"), ("deny", "DENY"), ("NONE", None), ("none", None)],
)
def test_framing_is_as_the_setting_says(option: str, header: str | None) -> None:
    for headers in ({}, {"Host": "evil.com"}):
        answer = ask(headers=headers, x_frame_options=option)
        assert answer.headers.get("x-frame-options") == header
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_checks_can_be_switched_off() -> None:
    headers = {"Host": "evil.com", "Origin": "https://evil.com"}
    answer = ask("POST", headers=headers, disable_security_middleware=True)
    assert answer.status == 200
    assert "x-frame-options" not in answer.headers

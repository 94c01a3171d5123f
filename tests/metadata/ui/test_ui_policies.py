"""What pages of the web UI, and artifacts that they show, may load, and who may frame them."""

import pytest
from starlette.testclient import TestClient

from tests.metadata.ui.conftest import DEFAULTS, FRAME_URL, MAIN_URL, Start


def directives_of(policy: str) -> dict[str, str]:
    return dict(part.partition(" ")[::2] for part in policy.split("; "))


def test_ui_policy_allows_this_service_only(ui: TestClient) -> None:
    for path in ("/", MAIN_URL, f"/{DEFAULTS}"):
        policy = ui.get(path).headers["content-security-policy"]
        directives = directives_of(policy)
        assert directives["default-src"] == "'self'"
        assert directives["script-src"] == "'self' 'unsafe-eval'"
        assert directives["connect-src"] == "'self' blob:"
        assert directives["object-src"] == "'none'"
        assert directives["frame-ancestors"] == "'self'"
        sources = {source for value in directives.values() for source in value.split()}
        assert sources <= {
            "'self'", "'none'", "'unsafe-eval'", "'unsafe-inline'", "data:", "blob:",
        }  # fmt: skip
        assert "'unsafe-inline'" not in directives["script-src"]


@pytest.mark.parametrize(
    ("option", "ancestors"),
    [("SAMEORIGIN", "frame-ancestors 'self'"), ("deny", "frame-ancestors 'none'"), ("NONE", None)],
)
def test_ui_frame_ancestors_follow_x_frame_options(
    start: Start, option: str, ancestors: str | None
) -> None:
    policy = start(x_frame_options=option).get("/").headers["content-security-policy"]
    assert [part for part in policy.split("; ") if part.startswith("frame-ancestors")] == (
        [ancestors] if ancestors else []
    )


def test_html_artifact_policy_has_an_opaque_origin_and_no_host(ui: TestClient) -> None:
    headers = ui.get(FRAME_URL).headers
    directives = directives_of(headers["content-security-policy"])
    assert directives["sandbox"] == "allow-scripts"
    assert directives["default-src"] == "'none'"
    sources = {each for value in directives.values() for each in value.split()}
    assert sources == {
        "allow-scripts", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:", "'self'",
    }  # fmt: skip
    assert [name for name, value in directives.items() if "'self'" in value] == ["frame-ancestors"]
    assert headers["connection-allowlist"] == "()"
    assert "connection-allowlist" not in ui.get("/").headers


def test_html_artifact_policy_allows_the_hosts_of_the_setting(start: Start) -> None:
    ui = start(html_artifact_hosts=("cdn.plot.ly", "https://*.example.com:8443"))
    headers = ui.get(FRAME_URL).headers
    directives = directives_of(headers["content-security-policy"])
    led_there = {name for name, value in directives.items() if "cdn.plot.ly" in value}
    kinds = ("script", "style", "img", "font", "media", "connect")
    assert led_there == {f"{kind}-src" for kind in kinds}
    assert directives["connect-src"] == "data: blob: cdn.plot.ly https://*.example.com:8443"
    assert headers["connection-allowlist"] == (
        '("*://cdn.plot.ly" "https://*.example.com:8443"); redirects=allow'
    )
    assert "plot.ly" not in ui.get("/").headers["content-security-policy"]
    headers = start(html_artifact_hosts=("*",)).get(FRAME_URL).headers
    assert directives_of(headers["content-security-policy"])["connect-src"] == "data: blob: *"
    assert "connection-allowlist" not in headers


@pytest.mark.parametrize(
    ("option", "ancestors"), [("SAMEORIGIN", "'self'"), ("DENY", "'self'"), ("NONE", None)]
)
def test_html_artifact_policy_lets_the_ui_frame_them_always(
    start: Start, option: str, ancestors: str | None
) -> None:
    policy = start(x_frame_options=option).get(FRAME_URL).headers["content-security-policy"]
    assert directives_of(policy).get("frame-ancestors") == ancestors


@pytest.mark.parametrize("prefix", ["", "/mlflow"])
def test_ui_trace_renderer_alone_may_be_framed_by_notebooks(start: Start, prefix: str) -> None:
    ui = start(static_prefix=prefix)
    renderer = ui.get(f"{prefix}/static-files/lib/notebook-trace-renderer/index.html")
    assert renderer.status_code == 200
    assert "x-frame-options" not in renderer.headers
    assert renderer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors" not in renderer.headers["content-security-policy"]
    for path in ("/", MAIN_URL, "/static-files/lib/notebook-trace-renderer"):
        answer = ui.get(f"{prefix}{path}")
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"

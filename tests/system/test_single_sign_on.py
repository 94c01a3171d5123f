"""Single sign-on by a certified provider: sessions of browsers, tokens of programs, roles."""

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from tests import identity_provider
from tests.harness.processes import Process, eventually, free_port
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, log_in
from tests.postgresql import PostgreSQL
from tests.system.services import metadata_service

REFRESH_SECONDS = 1
_CREATE = "/api/2.0/mlflow/experiments/create"


class Deployment:
    """The service and its provider."""

    def __init__(self, service: Process, url: str, provider: IdentityProvider) -> None:
        self.service = service
        self.url = url
        self.provider = provider

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        with httpx.Client(trust_env=False, timeout=30, verify=False) as client:
            yield client

    @contextmanager
    def logged_in(self, name: str, *groups: str) -> Iterator[httpx.Client]:
        self.provider.set_user(name, groups)
        with self.browser() as browser:
            answer = log_in(browser, f"{self.url}/", name)
            assert answer.status_code == 200, answer.text
            yield browser

    def create(self, browser: httpx.Client, name: str, **headers: str) -> httpx.Response:
        return browser.post(self.url + _CREATE, json={"name": name}, headers=headers)

    def who(self, browser: httpx.Client) -> httpx.Response:
        return browser.get(f"{self.url}/api/2.0/mlflow/experiments/get?experiment_id=0")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def deployed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    directory: Path = tmp_path_factory.mktemp("single-sign-on")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    database = f"sqlite:///{directory}/tandem.db"
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        database = server.uri(server.create())
    with identity_provider.serve(f"{url}/oidc/callback", f"{url}/") as provider:
        variables = {
            "TANDEM_AUTH": "oidc",
            "TANDEM_PUBLIC_URL": url,
            "TANDEM_OIDC_ISSUER": provider.issuer,
            "TANDEM_OIDC_CLIENT_ID": CLIENT_ID,
            "TANDEM_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "TANDEM_OIDC_SCOPES": "openid profile offline_access",
            "TANDEM_OIDC_GROUPS_CLAIM": "groups",
            "TANDEM_OIDC_GROUP_ROLES": "research=researchers,ops=operators",
            "TANDEM_OIDC_ADMIN_GROUPS": "admins",
            "TANDEM_OIDC_REFRESH_SECONDS": str(REFRESH_SECONDS),
            "MLFLOW_AUTH_ADMIN_PASSWORD": "correct horse battery",
        }
        root = "mlflow-artifacts://localhost/"
        with metadata_service(directory, database, root, variables=variables, port=port) as service:
            yield Deployment(service, url, provider)


def _session(browser: httpx.Client) -> str:
    (value,) = [each.value for each in browser.cookies.jar if each.name == "tandem-session"]
    assert value
    return value


def test_a_browser_is_led_to_the_provider_and_back(deployed: Deployment) -> None:
    with deployed.browser() as browser:
        first = browser.get(f"{deployed.url}/")
        assert (first.status_code, first.headers["location"]) == (303, "/login?next=%2F")
        second = browser.get(deployed.url + first.headers["location"])
        query = parse_qs(urlsplit(second.headers["location"]).query)
        assert query["code_challenge_method"] == ["S256"]
        assert len(query["state"][0]) > 40
        assert len(query["nonce"][0]) > 40
    with deployed.logged_in("ann") as browser:
        assert deployed.who(browser).status_code == 200


def test_the_session_s_cookie_is_kept_from_scripts_and_other_sites(deployed: Deployment) -> None:
    deployed.provider.set_user("ann")
    seen = []
    with deployed.browser() as browser:
        browser.event_hooks["response"] = [lambda r: seen.extend(r.headers.get_list("set-cookie"))]
        log_in(browser, f"{deployed.url}/", "ann")
    (cookie,) = [each for each in seen if each.startswith("tandem-session=") and "=;" not in each]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {each.strip() for each in cookie.split(";")}
    value = cookie.split("=", 1)[1].split(";")[0]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", value)  # 256 bits, and nothing of the user


def test_a_user_is_created_in_the_roles_of_his_groups(deployed: Deployment) -> None:
    admin = httpx.BasicAuth("admin", "correct horse battery")
    with deployed.logged_in("rita", "research", "others") as browser:
        assert deployed.create(browser, "rita's", Origin=deployed.url).status_code == 200
    assert httpx.get(f"{deployed.url}/api/2.0/mlflow/webhooks", auth=admin).status_code == 200
    with deployed.logged_in("rita") as browser:
        assert browser.get(f"{deployed.url}/api/2.0/mlflow/webhooks").status_code == 403


def test_a_group_makes_administrators_and_its_loss_unmakes_them(deployed: Deployment) -> None:
    with deployed.logged_in("root", "admins") as browser:
        assert browser.get(f"{deployed.url}/api/2.0/mlflow/webhooks").status_code == 200
    with deployed.logged_in("root") as browser:
        assert browser.get(f"{deployed.url}/api/2.0/mlflow/webhooks").status_code == 403


def test_the_name_of_a_local_user_is_refused(deployed: Deployment) -> None:
    deployed.provider.set_user("admin")
    with deployed.browser() as browser:
        answer = log_in(browser, f"{deployed.url}/", "admin")
    assert answer.status_code == 401
    assert "with a password here already" in answer.text


@pytest.mark.parametrize("name", ["ann\u200b", "__user_1__", "\u202eann"])
def test_a_name_that_looks_like_another_one_is_refused(deployed: Deployment, name: str) -> None:
    assert _by_token(deployed, _id_token(deployed, name)) == 401
    admin = httpx.BasicAuth("admin", "correct horse battery")
    users = httpx.get(f"{deployed.url}/api/2.0/mlflow/users/list", auth=admin).json()["users"]
    assert name not in [each["username"] for each in users]


def test_a_colon_is_fine_where_no_password_is(deployed: Deployment) -> None:
    assert _by_token(deployed, _id_token(deployed, "ci:main")) == 200


def test_a_session_changes_nothing_for_another_page(deployed: Deployment) -> None:
    with deployed.logged_in("ann") as browser:
        assert deployed.create(browser, "without an origin").status_code == 403
        foreign = deployed.create(browser, "of a foreign page", Origin="https://evil.example.com")
        assert foreign.status_code == 403
        for headers in (
            {"Origin": "http://127.0.0.1:1"},  # of this machine, whose cookies know no port
            {"Origin": deployed.url, "Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            assert deployed.create(browser, "of a neighbour", **headers).status_code == 403
        assert deployed.create(browser, "of our own page", Origin=deployed.url).status_code == 200


def test_a_logout_ends_the_session_here_and_leads_to_the_provider(deployed: Deployment) -> None:
    with deployed.logged_in("ann") as browser:
        assert "<form method=post" in browser.get(f"{deployed.url}/logout").text
        assert deployed.who(browser).status_code == 200  # a link alone logs nobody out
        stolen = {"tandem-session": _session(browser)}
        answer = browser.post(f"{deployed.url}/logout", headers={"Origin": deployed.url})
        assert answer.headers["location"].startswith(f"{deployed.provider.issuer}/session/end")
        assert deployed.who(browser).status_code == 401
        again = httpx.get(
            f"{deployed.url}/api/2.0/mlflow/experiments/get?experiment_id=0", cookies=stolen
        )
        assert again.status_code == 401


def test_the_provider_is_asked_again_about_a_session_s_user(deployed: Deployment) -> None:
    with deployed.logged_in("riser") as browser:
        webhooks = f"{deployed.url}/api/2.0/mlflow/webhooks"
        assert browser.get(webhooks).status_code == 403
        deployed.provider.set_user("riser", ["admins"])
        eventually(lambda: browser.get(webhooks).status_code == 200, "he is promoted", 40)
        deployed.provider.remove_user("riser")
        eventually(lambda: deployed.who(browser).status_code == 401, "he is out", 40)


@pytest.mark.parametrize(
    "next",
    ["//evil.example.com", "https://evil.example.com/", "/\\evil.example.com", "evil", "/a\nb"],
)
def test_a_login_leads_to_no_other_host(deployed: Deployment, next: str) -> None:
    deployed.provider.set_user("ann")
    with deployed.browser() as browser:
        answer = log_in(browser, f"{deployed.url}/login?next={quote(next, safe='')}", "ann")
        assert str(answer.url) == f"{deployed.url}/"


def test_a_login_begun_by_another_browser_is_refused(deployed: Deployment) -> None:
    """Session fixation: an attacker's code must not log his victim in as him."""
    deployed.provider.set_user("mallory")
    caught = []

    def stop(request: httpx.Request) -> None:
        if request.url.path == "/oidc/callback":
            caught.append(str(request.url))
            raise InterruptedError

    with deployed.browser() as attacker:
        attacker.event_hooks["request"] = [stop]
        with pytest.raises(InterruptedError):
            log_in(attacker, f"{deployed.url}/", "mallory")
    with deployed.browser() as victim:
        answer = victim.get(caught[0])
        assert answer.status_code == 401
        assert "begun elsewhere" in answer.text
        assert not dict(victim.cookies)


def test_a_login_counts_once(deployed: Deployment) -> None:
    deployed.provider.set_user("ann")
    urls = []
    with deployed.browser() as browser:
        browser.event_hooks["request"] = [lambda request: urls.append(str(request.url))]
        log_in(browser, f"{deployed.url}/", "ann")
        (back,) = [each for each in urls if "/oidc/callback" in each]
        assert browser.get(back).status_code == 401


def _id_token(deployed: Deployment, name: str) -> str:
    """As a program gets one that logs in by itself."""
    deployed.provider.set_user(name)
    redirect = f"{deployed.url}/oidc/callback"
    secret = "v" * 43
    hashed = base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).decode().rstrip("=")
    start = (
        f"{deployed.provider.issuer}/auth?client_id={CLIENT_ID}&response_type=code"
        f"&scope=openid%20profile&state=s&redirect_uri={quote(redirect, safe='')}"
        f"&code_challenge={hashed}&code_challenge_method=S256"
    )
    caught = []

    def stop(request: httpx.Request) -> None:
        if request.url.path == "/oidc/callback":
            caught.append(request.url.params["code"])
            raise InterruptedError

    with deployed.browser() as browser:
        browser.event_hooks["request"] = [stop]
        with pytest.raises(InterruptedError):
            log_in(browser, start, name)
    form = {
        "grant_type": "authorization_code",
        "code": caught[0],
        "redirect_uri": redirect,
        "code_verifier": secret,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    answer = httpx.post(f"{deployed.provider.issuer}/token", data=form, verify=False)
    token: str = answer.json()["id_token"]
    return token


def _by_token(deployed: Deployment, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{deployed.url}/api/2.0/mlflow/experiments/get?experiment_id=0"
    return httpx.get(url, headers=headers, verify=False).status_code


def test_a_token_of_the_provider_is_taken_and_a_forged_one_is_not(deployed: Deployment) -> None:
    token = _id_token(deployed, "pipeline")
    assert _by_token(deployed, token) == 200
    head, body, signature = token.split(".")
    none = "eyJhbGciOiJub25lIn0"
    for forged in (
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{head}.{body}",
        "a.b.c",
    ):
        assert _by_token(deployed, forged) == 401


def test_keys_that_the_provider_rotates_are_read_again(deployed: Deployment) -> None:
    old = _id_token(deployed, "pipeline")
    assert _by_token(deployed, old) == 200
    deployed.provider.rotate_keys()
    newer = _id_token(deployed, "pipeline")
    eventually(lambda: _by_token(deployed, newer) == 200, "the new key is known", 30)


def test_the_log_holds_no_token_and_no_session(deployed: Deployment) -> None:
    with deployed.logged_in("ann") as browser:
        session = _session(browser)
    log = deployed.service.output()
    assert session not in log
    assert CLIENT_SECRET not in log
    assert "eyJ" not in log

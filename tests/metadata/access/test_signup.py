"""The page `/signup`: who gets it, what it creates, and from where its form is taken."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

import httpx
import pytest

from tandem_metadata.settings import Settings
from tests.metadata import guarded
from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import ADMIN, PASSWORD, Guarded, basic

pytestmark = only_sqlite

CREATE = "/api/2.0/mlflow/users/create-ui"
FORM = "application/x-www-form-urlencoded"
OWN = {"Origin": "http://localhost", "Content-Type": FORM}


def send(
    service: Guarded,
    by: str,
    path: str = CREATE,
    *,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] = OWN,
    content: bytes | None = None,
) -> httpx.Response:
    """The answer to the form, whose fields some replace, or a whole body."""
    if content is None:
        filled = {"username": "ann", "password": PASSWORD, **(fields or {})}
        content = urlencode(filled).encode()
    return service.http.post(path, content=content, headers={**service.headers(by), **headers})


def names(service: Guarded) -> list[str]:
    listed = service.call(ADMIN, "GET", "/api/2.0/mlflow/users/list")["users"]
    return sorted(each["username"] for each in listed)


def test_administrator_creates_a_user_who_can_sign_in(service: Guarded) -> None:
    page = service.http.get("/signup", headers=service.headers(ADMIN))
    assert page.status_code == 200
    assert f"action='{CREATE}'" in page.text
    answer = send(service, ADMIN)
    assert (answer.status_code, "'ann' has been created" in answer.text) == (200, True)
    assert names(service) == [ADMIN, "ann"]
    assert service.send(basic("ann"), "GET", "/api/2.0/mlflow/users/current")[0] == 200


def test_page_runs_no_script_loads_nothing_and_is_in_no_frame(service: Guarded) -> None:
    for page in (
        service.http.get("/signup", headers=service.headers(ADMIN)),
        send(service, ADMIN),
        send(service, ADMIN),
    ):
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-frame-options"] == "SAMEORIGIN"


def test_others_neither_see_nor_send_the_form(service: Guarded) -> None:
    service.user("bob")
    assert service.refusal("bob", "GET", "/signup")
    assert send(service, "bob").status_code == 403
    assert service.http.get("/signup").status_code == 401
    read_only = guarded.bearer(service.token(ADMIN, read_only=True))
    assert send(service, ADMIN, headers={**OWN, **read_only}).status_code == 403
    assert names(service) == [ADMIN, "bob"]


def test_administrator_of_the_workspace_may_create_users(service: Guarded) -> None:
    api = "/api/3.0/mlflow/roles"
    service.user("wendy")
    made = service.call(ADMIN, "POST", f"{api}/create", name="w", workspace="default")
    role = made["role"]["id"]
    granted = {"resource_type": "workspace", "resource_pattern": "*", "permission": "MANAGE"}
    service.call(ADMIN, "POST", f"{api}/permissions/add", role_id=role, **granted)
    service.call(ADMIN, "POST", f"{api}/assign", role_id=role, username="wendy")
    assert send(service, "wendy").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8080"},  # which may call the API, as in MLflow
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_form_is_taken_from_its_own_page_alone(service: Guarded, headers: dict[str, str]) -> None:
    answer = send(service, ADMIN, headers={"Content-Type": FORM, **headers})
    assert answer.status_code == 403
    assert names(service) == [ADMIN]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": "short"}, "at least 12 characters"),
        ({"password": ""}, "parameter &#x27;password&#x27;"),
        ({"username": ""}, "parameter &#x27;username&#x27;"),
        ({"username": "a:b"}, "colon"),
        ({"username": ADMIN}, "already exists"),
    ],
)
def test_what_cannot_be_created_is_said_in_the_page(
    service: Guarded, fields: dict[str, str], said: str
) -> None:
    answer = send(service, ADMIN, fields=fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert "<form" in answer.text
    assert PASSWORD not in answer.text
    assert names(service) == [ADMIN]


def test_names_are_text_in_the_page(service: Guarded) -> None:
    name = "'><script>alert(1)</script>"
    made, again = (send(service, ADMIN, fields={"username": name}) for _ in range(2))
    assert (made.status_code, again.status_code) == (200, 400)
    for each in (made, again):
        assert "<script" not in each.text
        assert "'>&lt;" not in each.text
        assert "&#x27;&gt;&lt;script&gt;" in each.text


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", b'{"username": "ann", "password": "correct horse battery"}'),
        ("multipart/form-data", b"username=ann&password=correct+horse+battery"),
        (FORM, b"username=%FF&password=correct+horse+battery"),
        (FORM, b"username=\xff&password=correct+horse+battery"),
        (FORM, b"username=a%00b&password=correct+horse+battery"),
        (FORM, b""),
    ],
)
def test_what_is_no_form_is_refused(service: Guarded, kind: str, content: bytes) -> None:
    answer = send(service, ADMIN, content=content, headers={**OWN, "Content-Type": kind})
    assert answer.status_code == 400
    assert names(service) == [ADMIN]


def test_page_is_below_the_prefix(guarded_settings: Settings) -> None:
    with guarded.running(replace(guarded_settings, static_prefix="/mlflow")) as service:
        page = service.http.get("/mlflow/signup", headers=service.headers(ADMIN))
        assert f"action='/mlflow{CREATE}'" in page.text
        assert send(service, ADMIN, f"/mlflow{CREATE}").status_code == 200

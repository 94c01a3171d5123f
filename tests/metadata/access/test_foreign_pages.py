"""What a page of another origin can do with credentials that a browser sends by itself.

Browsers keep a password that was typed into their dialogue, and send it with every request to the
host, whichever page causes it.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from tandem_metadata.settings import Settings
from tests import app_routes
from tests.metadata import guarded
from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import ADMIN, Guarded, basic

pytestmark = only_sqlite

FOREIGN = "https://evil.example.com"
SIMPLE = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "")
"""Content types that a page may send without asking first."""

_VALUES = {
    "{model_id}": "m-1",
    "{tag_key:path}": "k",
    "{artifact_path:path}": "f",
    "{webhook_id}": "w",
    "{name:path}": "x",
}


def _path(template: str) -> str:
    for name, value in _VALUES.items():
        template = template.replace(name, value)
    return template


@pytest.mark.parametrize("origin", [FOREIGN, "null", "http://localhost.evil.example.com"])
def test_foreign_page_can_send_no_request_that_changes_anything(
    service: Guarded, guarded_settings: Settings, origin: str
) -> None:
    asked = 0
    for route in app_routes.of_metadata(guarded_settings):
        if not route.changes:
            continue
        for kind in SIMPLE if origin == FOREIGN else SIMPLE[:1]:
            headers = {**basic(ADMIN), "Origin": origin, "Content-Type": kind}
            answer = service.http.request(
                route.method, _path(route.path), content=b"{}", headers=headers
            )
            assert (route.path, answer.status_code) == (route.path, 403)
            assert "Cross-origin request blocked" in answer.json()["message"]
            asked += 1
    assert asked > 100


def test_foreign_page_can_ask_no_question_by_a_form(
    service: Guarded, guarded_settings: Settings
) -> None:
    """A search by POST is open to every origin, but takes JSON, for which a page must ask first."""
    asked = 0
    for route in app_routes.of_metadata(guarded_settings):
        if route.method != "POST" or route.changes:
            continue
        for kind in SIMPLE:
            headers = {**basic(ADMIN), "Origin": FOREIGN, "Content-Type": kind}
            answer = service.http.post(_path(route.path), content=b"{}", headers=headers)
            assert (route.path, kind, answer.status_code) == (route.path, kind, 400)
        asked += 1
    assert asked > 10


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_foreign_page_is_not_allowed_when_it_asks_first(service: Guarded, method: str) -> None:
    answer = service.http.options(
        "/api/2.0/mlflow/runs/search",
        headers={
            "Origin": FOREIGN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, content-type",
        },
    )
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


def test_foreign_page_can_read_no_answer(service: Guarded) -> None:
    for headers in ({}, basic(ADMIN)):
        answer = service.http.get(
            "/api/2.0/mlflow/experiments/search?max_results=1",
            headers={**headers, "Origin": FOREIGN},
        )
        assert answer.status_code == (200 if headers else 401)
        assert "access-control-allow-origin" not in answer.headers


def test_own_page_can_change_things(service: Guarded) -> None:
    headers = {**basic(ADMIN), "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    status, _ = service.send(headers, "POST", "experiments/create", name="by the page")
    assert status == 200


def test_get_changes_nothing(service: Guarded, guarded_settings: Settings) -> None:
    """A link or an image of a foreign page sends one, with the browser's credentials."""
    before = _rows(service)
    for route in app_routes.of_metadata(guarded_settings):
        if route.method == "GET":
            service.http.get(_path(route.path), headers=basic(ADMIN))
    assert _rows(service) == before


def _rows(service: Guarded) -> dict[str, list[tuple[object, ...]]]:
    """All that the database holds, but the keys that a process makes for itself."""
    with service.database.read() as conn:
        names = conn.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).scalars()
        return {
            name: [tuple(row) for row in conn.exec_driver_sql(f'SELECT * FROM "{name}"')]
            for name in names.all()
            if name != "tandem_signing_keys"
        }


def test_pages_are_not_shown_in_frames_of_others(
    guarded_settings: Settings, tmp_path: Path
) -> None:
    build = tmp_path / "build"
    build.mkdir()
    (build / "index.html").write_text('<script src="static-files/main.js"></script>')
    with guarded.running(replace(guarded_settings, ui_dir=str(build))) as service:
        for path, headers in (("/", {}), ("/", basic(ADMIN)), ("/nosuch", basic(ADMIN))):
            answer = service.http.get(path, headers=headers)
            assert answer.headers["x-frame-options"] == "SAMEORIGIN"
            assert answer.headers["x-content-type-options"] == "nosniff"

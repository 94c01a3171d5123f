"""Every route of the metadata service, asked by everybody: the statuses are those of the matrix."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tandem_metadata.settings import Settings
from tandem_shared.http.router import Route
from tests import app_routes
from tests.metadata import guarded
from tests.metadata.access import matrix
from tests.metadata.access.conftest import only_sqlite
from tests.metadata.access.matrix import (
    NOT_KEPT,
    OK,
    REFUSED,
    ROWS,
    SENDERS,
    Row,
)
from tests.metadata.access.matrix_world import World
from tests.placeholders import filled

pytestmark = only_sqlite

_PATHS = {
    "{tag_key:path}": "k",
    "{webhook_id}": "w",
    "{key}": "k",
    "{table}": "runs",
    "{name:path}": "favicon.ico",
}

_USERS = ("reader", "editor", "manager", "other-team", "admin")
_OF_TWINS = ("nobody", "other-team", "admin")
"""Who asks below `/ajax-api`, where all but a few routes are those below `/api` again."""


@pytest.fixture
def ui_settings(guarded_settings: Settings, tmp_path: Path) -> Settings:
    """With all routes; neither the artifacts service nor the identity provider ever answers."""
    build = tmp_path / "build"
    build.mkdir()
    (build / "index.html").write_text('<script src="static-files/main.js"></script>')
    (build / "favicon.ico").write_bytes(b"icon")
    return replace(
        guarded_settings,
        ui_dir=str(build),
        default_artifact_root="mlflow-artifacts://127.0.0.1:1/",
        auth="oidc",
        oidc_issuer="https://127.0.0.1:1",
        oidc_client_id="tandem",
    )


@pytest.fixture
def world(ui_settings: Settings) -> Iterator[World]:
    with guarded.running(ui_settings) as service:
        yield World(service)


def _row(route: Route) -> Row | None:
    path = app_routes.bare(route.path)
    row = ROWS.get((route.method, path))
    return REFUSED if row is None and path in NOT_KEPT else row


def test_matrix_has_a_row_for_every_route_and_no_other(ui_settings: Settings) -> None:
    routes = app_routes.of_metadata(ui_settings)
    missing = [f"{each.method} {each.path}" for each in routes if _row(each) is None]
    assert not missing, f"write their rows in {matrix.__name__}"
    there = {(route.method, app_routes.bare(route.path)) for route in routes}
    assert not ROWS.keys() - there


def test_matrix_holds_for_every_route_and_everybody(ui_settings: Settings, world: World) -> None:
    wrong = []
    for route in app_routes.of_metadata(ui_settings):
        row = _row(route)
        assert row is not None
        expected = tuple(row.ok if status == OK else status for status in row.who)
        found = tuple(
            _status(world, route, row, sender)
            if sender in _OF_TWINS or not route.path.startswith("/ajax-api/")
            else status
            for sender, status in zip(SENDERS, expected, strict=True)
        )
        if found != expected:
            wrong.append((route.method, route.path, found, expected))
    assert wrong == [], "\n".join(map(str, wrong))


def _status(world: World, route: Route, row: Row, sender: str) -> int:
    row.before(world)
    world.renew()
    path = route.path
    for name, value in _PATHS.items():
        path = path.replace(name, value)
    path = path.replace("{model_id}", world.values["model"])
    path = path.replace("{experiment_id}", world.values["experiment"])
    path = path.replace("{dataset_id}", world.values.get("dataset", ""))
    path = path.replace("{assessment_id}", world.values.get("assessment", ""))
    for name in ("{trace_id}", "{request_id}"):
        path = path.replace(name, world.values["trace"])
    path = path.replace("{artifact_path:path}", f"{world.values['folder']}/f")
    given = filled(row.given, world.values)
    signed_in = world.headers[sender]
    if row.by_password and sender in _USERS:
        signed_in = guarded.basic(sender)
    headers: dict[str, str] = signed_in | filled(row.headers, world.values)
    query = given if route.method in ("GET", "HEAD") or row.body is not None else None
    body = row.body
    if query is None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(given).encode()
    answer = world.service.http.request(
        route.method, path, params=query, content=body, headers=headers
    )
    if answer.status_code == 403 and route.method != "HEAD":
        assert answer.json()["message"].startswith("Permission denied"), answer.text
    return answer.status_code

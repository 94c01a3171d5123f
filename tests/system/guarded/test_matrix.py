"""Every route of the artifacts service, asked by everybody: the statuses are those of the matrix.

All by requests to both services as processes; tests/metadata/access/test_matrix.py has the routes
of the metadata service.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tandem_artifacts.settings import Settings
from tandem_shared.auth.rules import Rule
from tandem_shared.http.router import API_PREFIXES, Route
from tests import app_routes
from tests.placeholders import filled
from tests.system.guarded import matrix
from tests.system.guarded.matrix import ABOVE, OK, ROWS, SENDERS, Row
from tests.system.guarded.matrix_world import World
from tests.system.services import Stack
from tests.system.teams import ARTIFACTS

_REFUSED = (401, 403)


@pytest.fixture(scope="module")
def world(stack: Stack) -> Iterator[World]:
    with (
        httpx.Client(base_url=stack.metadata.url, trust_env=False, timeout=20) as metadata,
        httpx.Client(base_url=stack.artifacts.url, trust_env=False, timeout=20) as artifacts,
    ):
        yield World(stack, metadata, artifacts)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    destination: Path = tmp_path_factory.mktemp("artifacts")
    return app_routes.of_artifacts(Settings(artifacts_destination=str(destination)))


def _row(route: Route) -> Row | None:
    return ROWS.get((route.method, app_routes.bare(route.path)))


def test_matrix_has_a_row_for_every_route_and_no_other(routes: list[Route]) -> None:
    missing = [f"{each.method} {each.path}" for each in routes if _row(each) is None]
    assert not missing, f"write their rows in {matrix.__name__}"
    there = {(route.method, app_routes.bare(route.path)) for route in routes}
    assert not ROWS.keys() - there


def test_matrix_has_somebody_who_may_and_somebody_who_may_not_for_every_rule(
    routes: list[Route],
) -> None:
    by_rule: dict[Rule, set[int]] = defaultdict(set)
    for route in routes:
        row = _row(route)
        assert row is not None
        by_rule[route.permission].update(row.who)
        assert route.permission.public == (set(row.who) == {OK}), route
    for rule, statuses in by_rule.items():
        assert OK in statuses, rule
        assert rule.public or statuses & {*_REFUSED}, rule


def test_matrix_holds_for_every_route_and_everybody(routes: list[Route], world: World) -> None:
    wrong = []
    for route in routes:
        row = _row(route)
        assert row is not None
        expected = _expected(row, world)
        found = tuple(_status(world, route.method, route.path, row, each) for each in SENDERS)
        if found != expected:
            wrong.append((route.method, route.path, found, expected))
    assert wrong == [], "\n".join(map(str, wrong))


@pytest.mark.parametrize("method", ABOVE)
@pytest.mark.parametrize("prefix", API_PREFIXES)
def test_matrix_leaves_what_belongs_to_no_experiment_to_administrators(
    world: World, method: str, prefix: str
) -> None:
    row = ABOVE[method]
    path = f"{prefix}/{ARTIFACTS}" + ("" if method == "GET" else "/no-experiments")
    found = tuple(_status(world, method, path, row, sender) for sender in SENDERS)
    assert found == _expected(row, world)


def _expected(row: Row, world: World) -> tuple[int, ...]:
    ok = row.on_disk if row.on_disk and world.on_disk else row.ok
    return tuple(ok if status == OK else status for status in row.who)


def _status(world: World, method: str, template: str, row: Row, sender: str) -> int:
    row.before(world)
    place = world.values["folder" if "/mpu/" in template else "file"]
    answer = world.artifacts.request(
        method,
        template.replace("{path:path}", place),
        params=filled(row.query, world.values),
        json=filled(row.json, world.values),
        content=row.body,
        headers=world.headers[sender],
    )
    if answer.status_code in _REFUSED and method != "HEAD":
        code = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}[answer.status_code]
        assert answer.json()["error_code"] == code, answer.text
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"]
    return answer.status_code

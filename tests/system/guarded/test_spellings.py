"""No spelling of a path leads to what its sender may not read, write or delete."""

import itertools
import json

import pytest

from tests.system.guarded.attempts import attempts, secret, spellings
from tests.system.services import Stack
from tests.system.teams import ADMIN, ARTIFACTS, Team, ask

_PREFIXES = ("/api", "/ajax-api", "//api")


def test_no_spelling_leads_to_files_of_another_team(stack: Stack, red: Team, blue: Team) -> None:
    prefixes = itertools.cycle(_PREFIXES)
    for own, other in ((red, blue), (blue, red)):
        for spelling in spellings(own, other):
            for method, target, body in attempts(spelling):
                headers = {"Content_Type": "application/json"} if method == "POST" else {}
                path = f"{next(prefixes)}/{target}"
                answer = ask(stack.artifacts, method, path, own.user.bearer, body, **headers)
                shown = (method, path, answer.status, answer.body[:300])
                assert answer.status in (400, 403, 404, 405), shown
                assert other.user.name.encode() not in answer.body, shown
    for team in (red, blue):
        assert secret(stack, team) == team.user.name.encode()


@pytest.mark.parametrize("prefix", _PREFIXES)
def test_every_route_is_guarded_below_each_prefix(
    stack: Stack, red: Team, blue: Team, prefix: str
) -> None:
    for method, target, body in attempts(f"{blue.root}/secret.txt"):
        headers = {"Content_Type": "application/json"} if method == "POST" else {}
        answer = ask(
            stack.artifacts, method, f"{prefix}/{target}", red.user.bearer, body, **headers
        )
        assert answer.status == 403, (method, target)


def test_listings_take_the_path_that_is_guarded(stack: Stack, red: Team, blue: Team) -> None:
    for query in (
        f"path={red.root}&path={blue.root}",
        f"path={blue.root}&path={red.root}",
        f"path={blue.root}&p%61th={red.root}",
        f"p%61th={blue.root}",
        f"path=%25{ord(blue.root[0]):x}{blue.root[1:]}",
    ):
        answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}?{query}", red.user.bearer)
        if query.startswith(f"path={red.root}"):  # the first counts
            assert answer.status == 200
        else:
            assert answer.status == 403, query


def test_folders_above_experiments_are_listed_and_deleted_by_administrators_alone(
    stack: Stack, red: Team
) -> None:
    for query in ("", "?path=", "?path=%2e", "?path=/"):
        answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}{query}", red.user.bearer)
        assert answer.status in (400, 403)
    answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}", ADMIN.basic)
    assert red.experiment in {each["path"] for each in json.loads(answer.body)["files"]}


def test_strangers_are_told_to_sign_in(stack: Stack, red: Team) -> None:
    for method, target, body in attempts(f"{red.root}/secret.txt"):
        for authorization in (
            "",
            "Basic !",
            "Negotiate abc",
            "Bearer nothing",
            f"{red.user.basic[:-4]}AAAA",
            "Basic YWRtaW46YWRtaW4=",
        ):
            answer = ask(stack.artifacts, method, f"/api/{target}", authorization, body)
            assert answer.status == 401, (method, target, authorization)
            assert answer.headers["WWW-Authenticate"]
            if method != "HEAD":
                assert json.loads(answer.body)["error_code"] == "UNAUTHENTICATED"
    for path in ("/nothing", f"/api/{ARTIFACTS}/", "/api/2.0/mlflow/runs/get"):
        assert ask(stack.artifacts, "GET", path).status == 401
    for path in ("/health", "/ready", "/version", "/metrics"):
        assert ask(stack.artifacts, "GET", path).status == 200


def test_what_may_not_be_read_looks_like_what_does_not_exist(
    stack: Stack, red: Team, blue: Team
) -> None:
    told = set()
    for path in (
        f"{blue.root}/secret.txt",
        f"{blue.root}/nothing",
        f"{blue.experiment}/{'0' * 32}/artifacts/x",
        "4711/x",
        "nothing",
    ):
        answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}/{path}", red.user.bearer)
        assert answer.status == 403
        told.add(json.loads(answer.body)["message"].replace(f"'{path}'", "…"))
    assert len(told) == 1
    answer = ask(stack.artifacts, "GET", f"/api/{ARTIFACTS}/{red.root}/nothing", red.user.bearer)
    assert answer.status == 404

"""Tokens: who has which, what they permit, and when they end."""

import re
from typing import Any

import pytest
from sqlalchemy import func, select, update
from starlette.testclient import TestClient

from tandem_metadata import app
from tandem_metadata.access import authentication
from tandem_metadata.database.tables.accounts import tokens as table
from tandem_metadata.database.tables.accounts import users as users_table
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import tokens, users
from tandem_shared.clock import now_ms
from tandem_shared.http.router import Route, Router
from tests.harness.processes import eventually
from tests.metadata import in_process
from tests.metadata.access.bearers import DENIED, TOKENS, UNKNOWN, Bearers, by_password
from tests.metadata.api import INVALID, MISSING

_SECONDS = 3600
_NEWER = "/api/3.0/mlflow"
_GRANT = {
    "username": "ann",
    "resource_type": "registered_model",
    "resource_id": "registered",
    "permission": "MANAGE",
}


@pytest.fixture
def bearers(settings: Settings) -> Bearers:
    return Bearers(settings)


def test_token_signs_its_user_in_and_no_other_text_does(bearers: Bearers) -> None:
    ann = bearers.user("ann")
    assert bearers.is_known(ann)
    assert re.fullmatch(r"tandem_[A-Za-z0-9_-]{43}", ann)
    for other in (ann[:-1], f"{ann}x", ann.upper(), "tandem_", "x"):
        answer = bearers.response("experiments/get", other, experiment_id="0")
        assert answer.status_code == 401, other
        assert answer.json()["error_code"] == "UNAUTHENTICATED"
        assert 'Bearer realm="mlflow", error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_the_database_holds_no_token(bearers: Bearers) -> None:
    ann = bearers.user("ann")
    with bearers.database() as database, database.read() as conn:
        (row,) = conn.execute(select(table)).all()
    assert ann not in repr(row)
    assert ann.removeprefix("tandem_") not in repr(row)


def test_own_tokens_are_created_listed_and_revoked(bearers: Bearers) -> None:
    ann = bearers.user("ann")
    experiment = bearers.experiment("e", ann)
    began = now_ms()
    made = bearers.call(
        f"{TOKENS}/create",
        by_password("ann"),
        name="nightly",
        expires_in=_SECONDS,
        read_only=True,
        experiments=[experiment, f"0{experiment}"],
    )
    shown = made["token"]
    assert abs(shown["expires_at"] - began - _SECONDS * 1000) < 60_000
    assert {name: shown[name] for name in ("username", "name", "read_only", "experiments")} == {
        "username": "ann",
        "name": "nightly",
        "read_only": True,
        "experiments": [experiment],
    }
    assert "used_at" not in shown
    assert bearers.call("runs/search", made["text"], experiment_ids=[experiment]) == {}
    listed = bearers.call(f"{TOKENS}/list", ann)["tokens"]
    assert [each["name"] for each in listed] == ["nightly", "for a test"]
    assert listed[0] == {**shown, "used_at": listed[0]["used_at"]}
    assert listed[0]["used_at"] >= began
    assert set(listed[1]) == {"token_id", "username", "name", "created_at", "used_at"}
    assert bearers.call(f"{TOKENS}/revoke", ann, token_id=shown["token_id"]) == {}
    assert bearers.refused("runs/search", made["text"], experiment_ids=[experiment]) == UNKNOWN
    assert len(bearers.call(f"{TOKENS}/list", ann)["tokens"]) == 1
    assert bearers.refused(f"{TOKENS}/revoke", ann, token_id=shown["token_id"]) == MISSING
    web = TOKENS.replace("/api/", "/ajax-api/")
    assert len(bearers.call(f"{web}/list", ann)["tokens"]) == 1


def test_revocation_by_another_worker_counts_within_seconds(
    bearers: Bearers, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert authentication.REMEMBERED_SECONDS <= 10
    monkeypatch.setattr(authentication, "REMEMBERED_SECONDS", 0.5)
    ann = bearers.user("ann")
    other = Bearers(settings)
    assert other.is_known(ann)
    (listed,) = bearers.call(f"{TOKENS}/list", ann)["tokens"]
    bearers.call(f"{TOKENS}/revoke", ann, token_id=listed["token_id"])
    assert not bearers.is_known(ann)
    eventually(lambda: not other.is_known(ann), seconds=10)


def test_token_ends_when_it_expires_though_it_is_remembered(bearers: Bearers) -> None:
    bearers.user("ann")
    token = bearers.token("ann", expires_at=now_ms() + 700)
    assert bearers.is_known(token)
    eventually(lambda: not bearers.is_known(token), seconds=5)
    assert not bearers.is_known(bearers.token("ann", expires_at=now_ms()))


def test_last_use_is_noted_once_a_minute(bearers: Bearers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "REMEMBERED_SECONDS", 0.0)
    ann = bearers.user("ann")

    def used() -> int | None:
        with bearers.database() as database, database.read() as conn:
            at: int | None = conn.execute(select(table.c.used_at)).scalar_one()
            return at

    assert used() is None
    assert bearers.is_known(ann)
    first = used()
    assert first is not None
    assert bearers.is_known(ann)
    assert used() == first
    with bearers.database() as database, database.write() as conn:
        conn.execute(update(table).values(used_at=first - 61_000))
    assert bearers.is_known(ann)
    assert (used() or 0) >= first


def test_token_is_good_though_its_use_cannot_be_noted(
    bearers: Bearers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = bearers.user("ann")

    def fail(*_: object) -> None:
        raise tokens.not_found("x")

    monkeypatch.setattr(tokens, "note_use", fail)
    assert bearers.is_known(ann)


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> list[Route]:
    """Those of services that are made from now on."""
    seen: list[Route] = []

    class Spy(Router):
        def __init__(self, given: Any, **options: Any) -> None:
            seen.extend(given)
            super().__init__(seen, **options)

    monkeypatch.setattr(app, "Router", Spy)
    return seen


def test_token_for_reading_changes_nothing_on_any_route(
    routes: list[Route], settings: Settings
) -> None:
    bearers = Bearers(settings)
    admin = bearers.user("ann", admin=True)
    token = bearers.token("ann", read_only=True)
    changing = [each for each in routes if each.changes and not each.permission.public]
    assert len(changing) > 100
    for route in changing:
        path = re.sub(r"\{\w+(:path)?\}", "1", route.path)
        status, body = bearers.ask(path, token, method=route.method)
        assert (status, body["error_code"]) == DENIED, (route.method, path)
        assert "reading only" in body["message"]
    assert bearers.refused(f"{TOKENS}/create", token, name="more") == DENIED
    assert bearers.call("experiments/search", token, max_results=5)["experiments"]
    assert bearers.call(f"{TOKENS}/list", token)["tokens"]
    assert bearers.call("experiments/search", admin, max_results=5)


def _of_one_experiment(bearers: Bearers, user: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """A token for one experiment; ids of what lies in it and in another one."""
    held = []
    for name in ("inside", "outside"):
        experiment = bearers.experiment(name, user)
        run = bearers.run(experiment, user)
        model = bearers.call("logged-models", user, experiment_id=experiment, name="m")
        held.append(
            {
                "experiment": experiment,
                "name": name,
                "run": run,
                "model": model["model"]["info"]["model_id"],
            }
        )
    bearers.call("registered-models/create", user, name="registered")
    name = bearers.call(f"{TOKENS}/list", user)["tokens"][0]["username"]
    return bearers.token(name, experiments=[held[0]["experiment"]]), *held


def _requests(at: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    of_run, of_experiment = {"run_id": at["run"]}, {"experiment_id": at["experiment"]}
    tag = {"key": "k", "value": "v"}
    return [
        ("experiments/get", of_experiment),
        ("experiments/get-by-name", {"experiment_name": at["name"]}),
        ("experiments/set-experiment-tag", {**of_experiment, **tag}),
        ("experiments/update", {**of_experiment, "new_name": at["name"]}),
        ("runs/get", of_run),
        ("runs/create", of_experiment),
        ("runs/search", {"experiment_ids": [at["experiment"]]}),
        ("runs/set-tag", {**of_run, **tag}),
        ("runs/log-parameter", {**of_run, **tag}),
        ("runs/log-metric", {**of_run, "key": "m", "value": 1, "timestamp": 1}),
        ("runs/log-batch", {**of_run, "tags": [tag]}),
        ("runs/update", {**of_run, "status": "FINISHED"}),
        ("logged-models", {**of_experiment, "name": "n"}),
        (f"logged-models/{at['model']}", {"method": "GET"}),
        ("logged-models/search", {"experiment_ids": [at["experiment"]]}),
        ("runs/delete", of_run),
        ("runs/restore", of_run),
    ]


@pytest.mark.parametrize("admin", [False, True], ids=["user", "administrator"])
def test_token_for_an_experiment_does_there_what_its_user_may_and_nothing_elsewhere(
    bearers: Bearers, admin: bool
) -> None:
    user = bearers.user("ann", admin=admin)
    token, inside, outside = _of_one_experiment(bearers, user)
    for path, fields in _requests(inside):
        assert bearers.ask(path, token, **fields)[0] == 200, path
    for path, fields in _requests(outside):
        status, body = bearers.ask(path, token, **fields)
        if status != 200:
            assert (status, body["error_code"]) == DENIED, path
        else:  # a search in several experiments finds those that are readable
            assert path.endswith("search")
            assert body == {}
    for path, fields in [
        ("experiments/create", {"name": "new"}),
        ("registered-models/get", {"name": "registered"}),
        ("registered-models/create", {"name": "new"}),
        ("registered-models/delete", {"name": "registered", "method": "DELETE"}),
        ("model-versions/create", {"name": "registered", "source": f"runs:/{inside['run']}/m"}),
        ("webhooks", {"method": "GET"}),
        ("users/list", {}),
        ("users/get", {"username": "ann"}),
        ("users/create", {"username": "new", "password": "correct horse battery"}),
        ("users/update-password", {"username": "ann", "password": "p" * 12, "method": "PATCH"}),
        ("users/update-admin", {"username": "ann", "is_admin": True, "method": "PATCH"}),
        ("users/delete", {"username": "ann", "method": "DELETE"}),
        (f"{_NEWER}/roles/list", {"workspace": ["default"]}),
        (f"{_NEWER}/roles/create", {"name": "r", "workspace": "default"}),
        (f"{_NEWER}/users/current/permissions", {"method": "GET"}),
        (f"{_NEWER}/users/permissions/grant", _GRANT),
    ]:
        assert bearers.refused(path, token, **fields) == DENIED, path
    shown = bearers.call("experiments/search", token, max_results=50)["experiments"]
    assert [each["name"] for each in shown] == ["inside"]
    for path in ("registered-models/search", "model-versions/search"):
        assert bearers.call(path, token, method="GET") == {}


def test_refusal_of_a_restricted_token_tells_that_it_is_the_token(bearers: Bearers) -> None:
    token, inside, outside = _of_one_experiment(bearers, bearers.user("ann"))
    _, body = bearers.ask("runs/get", token, run_id=outside["run"])
    assert "which this token of user 'ann' does not permit" in body["message"]
    assert f"in experiments {inside['experiment']}." in body["message"]
    _, body = bearers.ask("experiments/create", token, name="new")
    assert "this token is restricted to experiments" in body["message"]


def test_token_for_an_experiment_permits_no_more_than_its_user_may(bearers: Bearers) -> None:
    ann = bearers.user("ann")
    experiment = bearers.experiment("e", ann)
    bearers.user("bob")
    token = bearers.token("bob", experiments=[experiment])
    assert bearers.call("experiments/get", token, experiment_id=experiment)  # by default READ
    assert bearers.refused("runs/create", token, experiment_id=experiment) == DENIED


def test_token_for_an_experiment_sees_only_tokens_like_itself(bearers: Bearers) -> None:
    ann = bearers.user("ann")
    one, other = bearers.experiment("e", ann), bearers.experiment("f", ann)
    token = bearers.token("ann", experiments=[one])
    bearers.token("ann", experiments=[one, other])
    (listed,) = bearers.call(f"{TOKENS}/list", token)["tokens"]
    assert listed["experiments"] == [one]
    for each in bearers.call(f"{TOKENS}/list", ann)["tokens"]:
        if each["token_id"] != listed["token_id"]:
            refused = bearers.refused(f"{TOKENS}/revoke", token, token_id=each["token_id"])
            assert refused == MISSING
    assert bearers.is_known(ann)
    assert bearers.call(f"{TOKENS}/revoke", token, token_id=listed["token_id"]) == {}


@pytest.mark.parametrize("admin", [False, True], ids=["user", "administrator"])
def test_token_makes_no_other_token(bearers: Bearers, admin: bool) -> None:
    """Else who has stolen one would keep what he made with it when it is revoked."""
    ann = bearers.user("ann", admin=admin)
    one = bearers.experiment("e", ann)
    for token in (
        ann,
        bearers.token("ann", experiments=[one]),
        bearers.token("ann", expires_at=now_ms() + 3_600_000),
    ):
        for fields in ({}, {"experiments": [one], "read_only": True, "expires_in": 60}):
            status, body = bearers.ask(f"{TOKENS}/create", token, name="more", **fields)
            assert (status, body["error_code"]) == DENIED
            assert "sign in with a password" in body["message"]
    assert len(bearers.call(f"{TOKENS}/list", ann)["tokens"]) == 3
    assert bearers.call(f"{TOKENS}/create", by_password("ann"), name="more")


def test_tokens_of_others_are_for_administrators(bearers: Bearers) -> None:
    ann, bob = bearers.user("ann"), bearers.user("bob")
    admin = bearers.user("root", admin=True)
    for path, fields in [
        ("create", {"name": "n", "username": "bob"}),
        ("list", {"username": "bob"}),
    ]:
        refused = bearers.refused(f"{TOKENS}/{path}", by_password("ann"), **fields)
        assert refused == DENIED
    (of_bob,) = bearers.call(f"{TOKENS}/list", admin, username="bob")["tokens"]
    assert bearers.refused(f"{TOKENS}/revoke", ann, token_id=of_bob["token_id"]) == MISSING
    assert bearers.is_known(bob)
    made = bearers.call(f"{TOKENS}/create", by_password("root"), name="n", username="bob")
    assert made["token"]["username"] == "bob"
    assert bearers.refused("webhooks", made["text"], method="GET") == DENIED  # bob, not root
    assert bearers.call(f"{TOKENS}/revoke", admin, token_id=of_bob["token_id"]) == {}
    assert not bearers.is_known(bob)
    assert bearers.refused(f"{TOKENS}/list", admin, username="nobody") == MISSING


def test_deleted_user_loses_his_tokens(bearers: Bearers) -> None:
    ann = bearers.user("ann")
    bearers.user("root", admin=True)
    with bearers.database() as database, database.write() as conn:
        users.remove(conn, "ann")
        assert conn.execute(select(func.count()).select_from(table)).scalar_one() == 1
    assert not bearers.is_known(ann)


def test_token_of_a_user_whom_mlflow_deleted_is_not_the_next_users(bearers: Bearers) -> None:
    ann = bearers.user("ann")
    with bearers.database() as database, database.write() as conn:
        conn.execute(
            update(users_table).where(users_table.c.username == "ann").values(username="bob")
        )
    assert not bearers.is_known(ann)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "n" * 256}, "255"),
        ({"name": "n", "expires_in": 0}, "expires_in"),
        ({"name": "n", "expires_in": -1}, "expires_in"),
        ({"name": "n", "expires_in": 2**62}, "expires_in"),
        ({"name": "n", "expires_in": "soon"}, "expires_in"),
        ({"name": "n", "experiments": []}, "experiments"),
        ({"name": "n", "experiments": ["e"]}, "experiments"),
        ({"name": "n", "experiments": ["1"] * 101}, "experiments"),
        ({"name": "n", "read_only": "perhaps"}, "read_only"),
        ({"name": "n", "read_only": "false"}, "read_only"),
        ({"name": "n", "read_only": "true"}, "read_only"),
        ({"name": "n", "read_only": 1}, "read_only"),
        ({"name": "n", "experiment": ["0"]}, "'experiment'"),
        ({"name": "n", "readonly": True}, "'readonly'"),
        ({"name": "n", "readonly": None}, "'readonly'"),
        ({"name": "n", "expires": 60}, "'expires'"),
        ({"name": "n", "experiments": [0]}, "experiments"),
        ({"name": "n", "experiments": "0"}, "experiments"),
    ],
)
def test_token_with_bad_fields_is_refused(
    bearers: Bearers, fields: dict[str, Any], told: str
) -> None:
    ann = bearers.user("ann")
    status, body = bearers.ask(f"{TOKENS}/create", by_password("ann"), **fields)
    assert (status, body["error_code"]) == INVALID
    assert told in body["message"]
    assert len(bearers.call(f"{TOKENS}/list", ann)["tokens"]) == 1


@pytest.mark.parametrize("query", ["read_only=true", "expires_in=60", "anything=1"])
def test_restrictions_in_the_query_are_refused(bearers: Bearers, query: str) -> None:
    ann = bearers.user("ann")
    path = f"{TOKENS}/create?{query}"
    status, body = bearers.ask(path, by_password("ann"), name="n")
    assert (status, body["error_code"]) == INVALID
    assert "query" in body["message"]
    assert len(bearers.call(f"{TOKENS}/list", ann)["tokens"]) == 1


def test_second_names_of_restrictions_restrict(bearers: Bearers) -> None:
    """Protobuf's JSON mapping has two names for a field."""
    bearers.user("ann")
    given = {"name": "n", "readOnly": True, "expiresIn": 60, "experiments": None}
    made = bearers.call(f"{TOKENS}/create", by_password("ann"), **given)["token"]
    assert made["read_only"]
    assert "expires_at" in made
    assert "experiments" not in made


def test_user_has_so_many_tokens_and_those_long_expired_do_not_count(
    bearers: Bearers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOST", 3)
    ann = bearers.user("ann")
    bearers.token("ann", expires_at=now_ms() - 31 * 24 * 3600 * 1000)
    for _ in range(2):
        bearers.call(f"{TOKENS}/create", by_password("ann"), name="n")
    status, body = bearers.ask(f"{TOKENS}/create", by_password("ann"), name="n")
    assert (status, body["error_code"]) == INVALID
    assert "revoke" in body["message"]
    assert len(bearers.call(f"{TOKENS}/list", ann)["tokens"]) == 3


def test_tokens_are_no_paths_where_nobody_is_authenticated(settings: Settings) -> None:
    http = in_process.enter(TestClient(app.create_app(settings), base_url="http://localhost"))
    assert http.get(f"{TOKENS}/list").status_code == 404

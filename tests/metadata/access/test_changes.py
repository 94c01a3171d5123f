"""Changes of accounts count at once in all workers of a service; given up names grant nothing.

Two applications in one process share what workers share, which are forks of one process.
"""

import os
from collections.abc import Iterator

import pytest

from tandem_metadata.access import changes
from tandem_metadata.access.changes import Changes, mark_in, place_of
from tandem_metadata.rules.permissions import SCORER
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import grants
from tests.metadata import guarded
from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import ADMIN, DENIED, Guarded

Workers = tuple[Guarded, Guarded]


@pytest.fixture
def workers(guarded_settings: Settings) -> Iterator[Workers]:
    """Two workers of one service."""
    with (
        guarded.running(guarded_settings) as first,
        guarded.running(guarded_settings) as second,
    ):
        yield first, second


def test_fork_tells_the_process_that_it_was_forked_from() -> None:
    changed = Changes()
    ann, bob = place_of("ann"), place_of("bob")
    before, marks = changed.now(), (changed.mark(ann), changed.mark(bob))
    assert (mark_in(before, ann), mark_in(before, bob)) == marks
    pid = os.fork()
    if pid == 0:
        changed.note("ann")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert changed.mark(ann) != marks[0]
    assert changed.mark(bob) == marks[1]
    changed.note()
    assert changed.mark(bob) != marks[1]
    assert mark_in(changed.now(), bob) == changed.mark(bob)


def _share(workers: Workers, family: str) -> tuple[str, str]:
    """A model or prompt of Bob's that Ann reads by both workers; returns its name, and Ann's."""
    first, second = workers
    first.user("bob")
    ann = first.user("ann", (family, "shared", "READ"))
    headers = first.headers(ann)
    first.registered("shared", of="bob", prompt=family == "prompt")
    for each in (first, second):
        assert each.send(headers, "GET", "registered-models/get", name="shared")[0] == 200
        assert _found(each, headers) == ["shared"]
    return "shared", ann


def _found(worker: Guarded, headers: dict[str, str]) -> list[str]:
    """The models and prompts that a user finds."""
    found = []
    for value in ("true", "false"):
        operator = "=" if value == "true" else "!="
        condition = f"tag.`mlflow.prompt.is_prompt` {operator} 'true'"
        _, body = worker.send(headers, "GET", "registered-models/search", filter=condition)
        found += [each["name"] for each in body.get("registered_models", [])]
    return found


@pytest.mark.parametrize("family", ["registered_model", "prompt"])
def test_new_model_of_a_deleted_one_s_name_is_not_read_by_the_old_one_s_readers(
    workers: Workers, family: str
) -> None:
    name, ann = _share(workers, family)
    first, second = workers
    first.call("bob", "DELETE", "registered-models/delete", name=name)
    first.registered(name, of="bob", prompt=family == "prompt")
    for each in (first, second):
        status, body = each.send(first.headers(ann), "GET", "registered-models/get", name=name)
        assert (status, body["error_code"]) == DENIED
        assert _found(each, first.headers(ann)) == []


def test_new_model_of_a_renamed_one_s_name_is_not_read_by_the_old_one_s_readers(
    workers: Workers,
) -> None:
    name, ann = _share(workers, "registered_model")
    first, second = workers
    first.call("bob", "POST", "registered-models/rename", name=name, new_name="moved")
    first.registered(name, of="bob")
    for each in (first, second):
        status, body = each.send(first.headers(ann), "GET", "registered-models/get", name=name)
        assert (status, body["error_code"]) == DENIED
        assert _found(each, first.headers(ann)) == ["moved"]


@only_sqlite
def test_another_service_s_readers_are_refused_by_the_next_check(
    guarded_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service elsewhere hears of nothing: there the time for which checks count is the bound."""
    with guarded.running(guarded_settings) as here:
        monkeypatch.setattr(changes, "SHARED", Changes())
        with guarded.running(guarded_settings) as elsewhere:
            name, ann = _share((here, elsewhere), "registered_model")
            here.call("bob", "DELETE", "registered-models/delete", name=name)
            here.registered(name, of="bob")
            assert here.refusal(ann, "GET", "registered-models/get", name=name)
            elsewhere.sign_in_anew(ann)  # which nobody remembers
            assert elsewhere.refusal(ann, "GET", "registered-models/get", name=name)


@pytest.mark.parametrize("change", ["password", "deleted", "token"])
def test_user_who_is_out_is_refused_by_all_workers_at_once(workers: Workers, change: str) -> None:
    first, second = workers
    ann = first.user("ann")
    headers = guarded.basic(ann) if change == "password" else first.headers(ann)
    for each in workers:
        assert each.send(headers, "GET", "/api/2.0/mlflow/users/current")[0] == 200
    if change == "password":
        given = {"username": ann, "password": "another long password"}
        first.call(ADMIN, "PATCH", "users/update-password", **given)
    elif change == "deleted":
        first.call(ADMIN, "DELETE", "users/delete", username=ann)
    else:
        (token,) = first.call(ADMIN, "GET", "/api/3.0/tandem/tokens/list", username=ann)["tokens"]
        path = "/api/3.0/tandem/tokens/revoke"
        first.call(ADMIN, "POST", path, token_id=token["token_id"])
    for each in (second, first):
        assert each.send(headers, "GET", "/api/2.0/mlflow/users/current")[0] == 401


@only_sqlite
def test_new_experiment_of_a_removed_one_s_number_is_nobody_else_s(service: Guarded) -> None:
    """SQLite gives the number of the last row again, once `mlflow gc` has removed that."""
    for each in ("bob", "ann", "eve"):
        service.user(each)
    removed = service.experiment("removed", of="bob")
    api = "/api/3.0/mlflow"
    granted = {"resource_type": "experiment", "permission": "READ"}
    given = {"username": "ann", "resource_id": removed, **granted}
    service.call("bob", "POST", f"{api}/users/permissions/grant", **given)
    made = service.call(ADMIN, "POST", f"{api}/roles/create", name="r", workspace="default")
    role = made["role"]["id"]
    given = {"role_id": role, "resource_pattern": removed, **granted}
    service.call(ADMIN, "POST", f"{api}/roles/permissions/add", **given)
    service.call(ADMIN, "POST", f"{api}/roles/assign", role_id=role, username="eve")
    for each in ("ann", "eve"):
        service.call(each, "GET", "experiments/get", experiment_id=removed)
    with service.database.write() as conn:
        conn.exec_driver_sql("DELETE FROM experiments WHERE experiment_id = ?", (int(removed),))
    assert service.experiment("new", of="bob") == removed
    for each in ("ann", "eve"):
        assert service.refusal(each, "GET", "experiments/get", experiment_id=removed)
    service.call("bob", "GET", "experiments/get", experiment_id=removed)


@only_sqlite
def test_new_experiment_of_a_removed_one_s_number_has_none_of_its_grants_on_scorers(
    service: Guarded,
) -> None:
    for each in ("bob", "ann"):
        service.user(each)
    removed = service.experiment("removed", of="bob")
    others = f"1{removed}/s"
    service.grant("ann", *((SCORER, each, "MANAGE") for each in (f"{removed}/s", others)))
    with service.database.write() as conn:
        conn.exec_driver_sql("DELETE FROM experiments WHERE experiment_id = ?", (int(removed),))
    assert service.experiment("new", of="bob") == removed
    with service.database.read() as conn:
        left = grants.find(conn, (SCORER,), f"{removed}/s"), grants.find(conn, (SCORER,), others)
    assert [len(each) for each in left] == [0, 1]

"""What single users are granted, over HTTP: by the present endpoints and by those of MLflow 2."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.metadata.accounts_api import Accounts
from tests.metadata.api import EXISTS, INVALID, MISSING
from tests.metadata.guarded import ADMIN, DENIED

Grant = dict[str, str]


def _on(name: str, kind: str, id: str, level: str = "") -> Grant:
    asked = {"username": name, "resource_type": kind, "resource_id": id}
    return {**asked, "permission": level} if level else asked


def _level(accounts: Accounts, name: str, kind: str, id: str) -> str:
    found = accounts.call("users/permissions/get", **_on(name, kind, id))
    assert found["allowed"] is (found["permission"] in ("USE", "EDIT", "MANAGE"))
    return str(found["permission"])


def test_grant_is_given_once_and_taken_away(accounts: Accounts) -> None:
    accounts.user("ann")
    experiment = accounts.experiment("e")
    assert _level(accounts, "ann", "experiment", experiment) == "READ"
    asked = _on("ann", "experiment", experiment, "EDIT")
    assert accounts.call("users/permissions/grant", **asked) == {}
    assert _level(accounts, "ann", "experiment", experiment) == "EDIT"
    assert accounts.refused("users/permissions/grant", **asked) == EXISTS
    asked.pop("permission")
    assert accounts.call("users/permissions/revoke", **asked) == {}
    assert accounts.refused("users/permissions/revoke", **asked) == MISSING
    assert _level(accounts, "ann", "experiment", experiment) == "READ"


def test_grant_given_twice_at_once_is_made_once(accounts: Accounts) -> None:
    accounts.user("ann")
    asked = _on("ann", "experiment", "1", "EDIT")
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(accounts.ask, "users/permissions/grant", **asked) for _ in range(4)]
        statuses = sorted(each.result()[0] for each in sent)
    assert statuses == [200, 400, 400, 400]
    assert len(accounts.call("users/roles/list", username="ann")["roles"]) == 1


def test_grant_to_nobody_is_refused(accounts: Accounts) -> None:
    asked = _on("nobody", "experiment", "1", "EDIT")
    assert accounts.refused("users/permissions/grant", **asked) == MISSING
    asked.pop("permission")
    assert accounts.refused("users/permissions/revoke", **asked) == MISSING
    assert accounts.refused("users/permissions/get", **asked) == MISSING
    assert accounts.call("roles/list") == {"roles": []}


@pytest.mark.parametrize(
    ("kind", "id", "level"),
    [
        ("workspace", "*", "USE"),
        ("thing", "1", "READ"),
        ("run", "abc", "READ"),
        ("experiment", "1", "NO_PERMISSIONS"),
        ("experiment", "1", "OWN"),
        ("experiment", "", "READ"),
    ],
)
def test_grant_that_cannot_be_is_refused(
    accounts: Accounts, kind: str, id: str, level: str
) -> None:
    accounts.user("ann")
    for by in (ADMIN, "ann"):
        asked = accounts.refused("users/permissions/grant", by, **_on("ann", kind, id, level))
        assert asked == INVALID or (by == "ann" and asked == DENIED)
    assert accounts.call("users/roles/list", username="ann") == {"roles": []}


def test_whoever_manages_a_resource_grants_others_a_part(accounts: Accounts) -> None:
    for name in ("ann", "bob"):
        accounts.user(name)
    experiment = accounts.experiment("anns", "ann")
    other = accounts.experiment("other")
    accounts.call("users/permissions/grant", "ann", **_on("bob", "experiment", experiment, "EDIT"))
    assert _level(accounts, "bob", "experiment", experiment) == "EDIT"
    onward = _on("bob", "experiment", experiment, "MANAGE")
    assert accounts.refused("users/permissions/grant", "bob", **onward) == DENIED
    accounts.call("users/permissions/revoke", "ann", **_on("bob", "experiment", experiment))
    for kind, on in (("experiment", other), ("experiment", "*"), ("run", "*")):
        asked = _on("bob", kind, on, "READ")
        assert accounts.refused("users/permissions/grant", "ann", **asked) == DENIED
        asked.pop("permission")
        assert accounts.refused("users/permissions/revoke", "ann", **asked) == DENIED


def test_grants_on_all_of_a_type_are_for_administrators_also_of_the_workspace(
    accounts: Accounts,
) -> None:
    for name in ("ann", "bob"):
        accounts.user(name)
    accounts.role("team", ("workspace", "*", "MANAGE"), to="ann")
    accounts.call("users/permissions/grant", "ann", **_on("bob", "run", "*", "EDIT"))
    assert _level(accounts, "bob", "run", "*") == "EDIT"


def test_manager_of_a_prompt_grants_it_as_one_of_a_model_does(accounts: Accounts) -> None:
    for name in ("ann", "bob"):
        accounts.user(name)
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    accounts.call("registered-models/create", "ann", name="p", tags=tags)
    accounts.call("registered-models/create", "ann", name="m")
    for kind, name in (("prompt", "p"), ("registered_model", "m")):
        accounts.call("users/permissions/grant", "ann", **_on("bob", kind, name, "EDIT"))
        assert _level(accounts, "bob", kind, name) == "EDIT"
        assert _level(accounts, "bob", kind, "another") == "READ"


def test_grant_on_an_experiment_counts_however_its_number_is_written(accounts: Accounts) -> None:
    accounts.user("ann")
    experiment = accounts.experiment("e")
    accounts.grant("ann", "experiment", f"00{experiment}", "EDIT")
    assert _level(accounts, "ann", "experiment", experiment) == "EDIT"
    asked = {"experiment_id": experiment, "key": "k", "value": "v"}
    assert accounts.call("experiments/set-experiment-tag", "ann", **asked) == {}
    accounts.call("users/permissions/revoke", **_on("ann", "experiment", experiment))
    assert accounts.refused("experiments/set-experiment-tag", "ann", **asked) == DENIED


def test_level_is_that_of_all_grants_together(accounts: Accounts) -> None:
    accounts.user("ann")
    accounts.role("readers", ("experiment", "*", "USE"), to="ann")
    assert _level(accounts, "ann", "experiment", "1") == "USE"
    accounts.grant("ann", "experiment", "1", "MANAGE")
    assert _level(accounts, "ann", "experiment", "1") == "MANAGE"
    accounts.role("not", ("experiment", "1", "DENY"), to="ann")
    assert _level(accounts, "ann", "experiment", "1") == "DENY"
    assert _level(accounts, "ann", "experiment", "2") == "USE"
    accounts.role("team", ("workspace", "*", "MANAGE"), to="ann")
    assert _level(accounts, "ann", "experiment", "1") == "MANAGE"


def test_level_of_a_user_is_told_to_himself_and_to_administrators(accounts: Accounts) -> None:
    for name in ("ann", "bob"):
        accounts.user(name)
    path, asked = "users/permissions/get", _on("ann", "experiment", "1")
    assert accounts.ask(path, "ann", **asked)[0] == 200
    assert accounts.refused(path, "bob", **asked) == DENIED
    for by in (ADMIN, "ann", "bob"):
        assert accounts.refused(path, by, **_on("ann", "workspace", "*")) == INVALID
    accounts.role("team", ("workspace", "*", "MANAGE"), to="bob")
    assert accounts.ask(path, "bob", **asked)[0] == 200
    assert accounts.refused(path, "bob", **_on("nobody", "experiment", "1")) == DENIED


def test_old_clients_grant_experiments(accounts: Accounts) -> None:
    user = accounts.user("ann")
    experiment = accounts.experiment("e")
    path, one = "experiments/permissions", {"experiment_id": experiment, "username": "ann"}
    assert accounts.refused(f"{path}/get", **one) == MISSING
    assert accounts.refused(f"{path}/update", **one, permission="READ") == MISSING
    assert accounts.refused(f"{path}/delete", **one) == MISSING
    made = accounts.call(f"{path}/create", **one, permission="EDIT")["experiment_permission"]
    assert made == {"experiment_id": experiment, "user_id": user, "permission": "EDIT"}
    assert accounts.refused(f"{path}/create", **one, permission="READ") == EXISTS
    assert accounts.call(f"{path}/get", **one) == {"experiment_permission": made}
    assert accounts.call("users/get", username="ann")["user"]["experiment_permissions"] == [made]
    assert _level(accounts, "ann", "experiment", experiment) == "EDIT"
    accounts.call(f"{path}/update", **one, permission="NO_PERMISSIONS")
    found = accounts.call(f"{path}/get", **one)["experiment_permission"]
    assert found["permission"] == "NO_PERMISSIONS"
    assert (
        accounts.refused("experiments/get", "ann", method="GET", experiment_id=experiment) == DENIED
    )
    assert accounts.call(f"{path}/delete", **one) == {}
    assert accounts.refused(f"{path}/create", **one, permission="OWN") == INVALID
    assert accounts.refused(f"{path}/create", "ann", **one, permission="READ") == DENIED


@pytest.mark.parametrize("kind", ["registered_model", "prompt"])
def test_old_clients_grant_registered_models_and_prompts(accounts: Accounts, kind: str) -> None:
    user = accounts.user("ann")
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}] if kind == "prompt" else []
    accounts.call("registered-models/create", name="m", tags=tags)
    path, one = "registered-models/permissions", {"name": "m", "username": "ann"}
    made = accounts.call(f"{path}/create", **one, permission="MANAGE")
    wanted = {"name": "m", "user_id": user, "permission": "MANAGE"}
    assert made == {"registered_model_permission": wanted}
    assert accounts.call(f"{path}/get", "ann", **one) == made
    assert _level(accounts, "ann", kind, "m") == "MANAGE"
    listed = accounts.call("users/get", username="ann")["user"]["registered_model_permissions"]
    assert listed == [wanted]
    accounts.call(f"{path}/update", "ann", **one, permission="READ")
    assert accounts.refused(f"{path}/delete", "ann", **one) == DENIED
    accounts.call(f"{path}/delete", **one)
    assert _level(accounts, "ann", kind, "m") == "READ"

"""Roles over HTTP: what they grant, and who has them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.metadata.accounts_api import Accounts
from tests.metadata.api import EXISTS, INVALID, MISSING
from tests.metadata.guarded import ADMIN, DENIED

READS = ("experiment", "*", "READ")


def test_role_is_created_read_changed_and_deleted(accounts: Accounts) -> None:
    made = accounts.call("roles/create", name="r", workspace="default", description="d")["role"]
    wanted = {"name": "r", "workspace": "default", "description": "d", "permissions": []}
    assert {name: made[name] for name in wanted} == wanted
    assert accounts.call("roles/get", role_id=made["id"]) == {"role": made}
    assert accounts.call("roles/get", role_id=str(made["id"])) == {"role": made}
    changed = accounts.call("roles/update", role_id=made["id"], name="s")["role"]
    assert changed == {**made, "name": "s"}
    emptied = accounts.call("roles/update", role_id=made["id"], description="")["role"]
    assert emptied == {**changed, "description": ""}
    assert accounts.call("roles/list") == {"roles": [emptied]}
    assert accounts.call("roles/delete", role_id=made["id"]) == {}
    assert accounts.refused("roles/get", role_id=made["id"]) == MISSING
    assert accounts.call("roles/list") == {"roles": []}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"workspace": "default"}, "name"),
        ({"name": "r"}, "workspace"),
        ({"name": "  ", "workspace": "default"}, "Role name cannot be empty"),
        ({"name": "r", "workspace": " "}, "Workspace cannot be empty"),
        ({"name": "r", "workspace": "team-a"}, "no workspaces"),
        ({"name": "__user_7__", "workspace": "default"}, "reserved '__user_' prefix"),
        ({"name": "r" * 256, "workspace": "default"}, "255"),
        ({"name": "r", "workspace": "default", "description": "d" * 1025}, "1024"),
        ({"name": 1, "workspace": "default"}, "name"),
    ],
)
def test_role_with_bad_fields_is_refused(
    accounts: Accounts, fields: dict[str, object], told: str
) -> None:
    assert accounts.refused("roles/create", **fields) == INVALID
    assert told in accounts.message("roles/create", **fields)


def test_role_of_a_name_that_is_taken_is_refused(accounts: Accounts) -> None:
    accounts.role("r")
    other = accounts.role("s")
    assert accounts.refused("roles/create", name="r", workspace="default") == EXISTS
    assert accounts.refused("roles/update", role_id=other, name="r") == EXISTS
    assert accounts.call("roles/update", role_id=other, name="s")["role"]["name"] == "s"
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(accounts.ask, "roles/create", name="t", workspace="default")
            for _ in range(4)
        ]
        statuses = sorted(each.result()[0] for each in asked)
    assert statuses == [200, 400, 400, 400]


def test_role_changed_to_nothing_is_refused(accounts: Accounts) -> None:
    made = accounts.role("r")
    assert accounts.refused("roles/update", role_id=made) == INVALID
    assert accounts.refused("roles/update", role_id=made, name=" ") == INVALID
    assert accounts.refused("roles/update", role_id=made, name="__user_1__") == INVALID


@pytest.mark.parametrize("id", [0, -1, 77, 2**31, 2**63 - 1])
def test_unknown_ids_are_not_found(accounts: Accounts, id: int) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("roles/get", {}),
        ("roles/update", {"name": "x"}),
        ("roles/delete", {}),
        ("roles/permissions/list", {}),
        ("roles/users/list", {}),
        ("roles/permissions/add", _fields(*READS)),
        ("roles/assign", {"username": ADMIN}),
        ("roles/unassign", {"username": ADMIN}),
    ]
    for path, fields in asked:
        assert accounts.refused(path, role_id=id, **fields) == MISSING, path
    assert accounts.refused("roles/permissions/remove", role_permission_id=id) == MISSING
    update = {"role_permission_id": id, "permission": "READ"}
    assert accounts.refused("roles/permissions/update", **update) == MISSING


@pytest.mark.parametrize("id", ["x", "1.5", 2**64, None])
def test_ids_that_are_no_numbers_are_refused(accounts: Accounts, id: object) -> None:
    assert accounts.refused("roles/delete", role_id=id) == INVALID
    assert accounts.refused("roles/get", role_id=id or "") == INVALID


def test_grants_of_a_role_are_added_listed_changed_and_removed(accounts: Accounts) -> None:
    role = accounts.role("r")
    made = accounts.call("roles/permissions/add", role_id=role, **_fields(*READS))
    granted = made["role_permission"]
    assert granted == {"id": granted["id"], "role_id": role, **_fields(*READS)}
    path = "roles/permissions/add"
    assert accounts.refused(path, role_id=role, **_fields("experiment", "*", "EDIT")) == EXISTS
    accounts.call(path, role_id=role, **_fields("experiment", "7", "DENY"))
    listed = accounts.call("roles/permissions/list", role_id=role)["role_permissions"]
    assert [each["permission"] for each in listed] == ["READ", "DENY"]
    assert accounts.call("roles/get", role_id=role)["role"]["permissions"] == listed
    change = {"role_permission_id": granted["id"], "permission": "MANAGE"}
    changed = accounts.call("roles/permissions/update", **change)["role_permission"]
    assert changed == {**granted, "permission": "MANAGE"}
    assert accounts.call("roles/permissions/remove", role_permission_id=granted["id"]) == {}
    gone = {"role_permission_id": granted["id"]}
    assert accounts.refused("roles/permissions/remove", **gone) == MISSING
    assert len(accounts.call("roles/permissions/list", role_id=role)["role_permissions"]) == 1


@pytest.mark.parametrize(
    "grant",
    [
        ("experiment", "*", "WRITE"),
        ("experiment", "*", "read"),
        ("experiment", "*", "NO_PERMISSIONS"),
        ("experiments", "*", "READ"),
        ("workspace", "*", "READ"),
        ("workspace", "*", "DENY"),
        ("workspace", "default", "USE"),
        ("run", "abc", "READ"),
        ("prompt_version", "p", "READ"),
        ("experiment", "", "READ"),
        ("experiment", "1" * 256, "READ"),
    ],
)
def test_grant_that_cannot_be_is_refused(accounts: Accounts, grant: tuple[str, str, str]) -> None:
    role = accounts.role("r")
    assert accounts.refused("roles/permissions/add", role_id=role, **_fields(*grant)) == INVALID


def test_grant_is_changed_to_what_its_type_takes(accounts: Accounts) -> None:
    role = accounts.role("r", ("workspace", "*", "USE"))
    (granted,) = accounts.call("roles/permissions/list", role_id=role)["role_permissions"]
    change = {"role_permission_id": granted["id"]}
    assert accounts.refused("roles/permissions/update", **change, permission="READ") == INVALID
    accounts.call("roles/permissions/update", **change, permission="MANAGE")


def test_role_takes_effect_with_its_next_request(accounts: Accounts) -> None:
    accounts.user("ann")
    experiment = accounts.experiment("e")
    change = {"experiment_id": experiment, "key": "k", "value": "v"}
    assert accounts.refused("experiments/set-experiment-tag", "ann", **change) == DENIED
    role = accounts.role("writers", ("experiment", experiment, "EDIT"), to="ann")
    assert accounts.call("experiments/set-experiment-tag", "ann", **change) == {}
    (granted,) = accounts.call("roles/permissions/list", role_id=role)["role_permissions"]
    level = {"role_permission_id": granted["id"], "permission": "READ"}
    accounts.call("roles/permissions/update", **level)
    assert accounts.refused("experiments/set-experiment-tag", "ann", **change) == DENIED
    accounts.call("roles/permissions/update", **{**level, "permission": "EDIT"})
    assert accounts.call("experiments/set-experiment-tag", "ann", **change) == {}
    accounts.call("roles/unassign", username="ann", role_id=role)
    assert accounts.refused("experiments/set-experiment-tag", "ann", **change) == DENIED
    accounts.call("roles/assign", username="ann", role_id=role)
    assert accounts.call("experiments/set-experiment-tag", "ann", **change) == {}
    accounts.call("roles/delete", role_id=role)
    assert accounts.refused("experiments/set-experiment-tag", "ann", **change) == DENIED


def test_role_is_assigned_once_and_unassigned(accounts: Accounts) -> None:
    user = accounts.user("ann")
    role = accounts.role("r")
    made = accounts.call("roles/assign", username="ann", role_id=role)["assignment"]
    assert made == {"id": made["id"], "user_id": user, "role_id": role}
    assert accounts.refused("roles/assign", username="ann", role_id=role) == EXISTS
    assert accounts.call("roles/users/list", role_id=role) == {"assignments": [made]}
    (held,) = accounts.call("users/roles/list", username="ann")["roles"]
    assert held["name"] == "r"
    assert accounts.call("roles/unassign", username="ann", role_id=role) == {}
    assert accounts.refused("roles/unassign", username="ann", role_id=role) == MISSING
    assert accounts.refused("roles/unassign", username="nobody", role_id=role) == MISSING
    assert accounts.refused("roles/assign", username="nobody", role_id=role) == MISSING
    assert accounts.call("users/roles/list", username="ann") == {"roles": []}


def test_role_of_a_single_user_stays_his(accounts: Accounts) -> None:
    for name in ("ann", "bob"):
        accounts.user(name)
    accounts.experiment("e", "ann")
    (own,) = accounts.call("users/roles/list", username="ann")["roles"]
    assert own["name"].startswith("__user_")
    assert accounts.refused("roles/assign", username="bob", role_id=own["id"]) == INVALID
    assert accounts.refused("roles/update", role_id=own["id"], name="x") == INVALID


def test_role_of_a_single_user_is_shown_to_him_and_those_who_administer(
    accounts: Accounts,
) -> None:
    for name in ("ann", "bob", "eve"):
        accounts.user(name)
    accounts.experiment("of ann", "ann")
    accounts.experiment("of bob", "bob")
    team = accounts.role("team", READS, to="bob")
    boss = accounts.role("boss", ("workspace", "*", "MANAGE"), to="eve")
    (of_ann,) = accounts.call("users/roles/list", username="ann")["roles"]
    of_bob = accounts.call("users/roles/list", "bob", username="bob")["roles"]
    (own,) = [each["id"] for each in of_bob if each["id"] != team]

    def listed(by: str) -> list[int]:
        found = accounts.call("roles/list", by, workspace=["default"])["roles"]
        return [each["id"] for each in found]

    assert listed("bob") == [own, team, boss]
    assert listed("eve") == listed(ADMIN) == [of_ann["id"], own, team, boss]
    for path in ("roles/get", "roles/permissions/list"):
        assert accounts.refused(path, "bob", role_id=of_ann["id"]) == DENIED
        for each in (own, team, boss):
            assert accounts.call(path, "bob", role_id=each)
        for by in ("eve", ADMIN, "ann"):
            assert accounts.call(path, by, role_id=of_ann["id"])


def test_roles_of_all_workspaces_are_for_administrators(accounts: Accounts) -> None:
    accounts.user("ann")
    accounts.role("team", READS, to="ann")
    status, body = accounts.ask("roles/list", "ann")
    assert (status, body["error_code"]) == DENIED
    assert "name one by parameter 'workspace'" in body["message"]


def test_roles_are_managed_by_administrators_also_of_the_workspace(accounts: Accounts) -> None:
    for name in ("ann", "bob"):
        accounts.user(name)
    role = accounts.role("readers", READS)
    (granted,) = accounts.call("roles/get", role_id=role)["role"]["permissions"]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("roles/create", {"name": "x", "workspace": "default"}),
        ("roles/update", {"role_id": role, "description": "d"}),
        ("roles/permissions/add", {"role_id": role, **_fields("run", "*", "READ")}),
        (
            "roles/permissions/update",
            {"role_permission_id": granted["id"], "permission": "USE"},
        ),
        ("roles/assign", {"role_id": role, "username": "bob"}),
        ("roles/users/list", {"role_id": role}),
        ("roles/unassign", {"role_id": role, "username": "bob"}),
        ("roles/permissions/remove", {"role_permission_id": granted["id"]}),
        ("roles/delete", {"role_id": role}),
    ]
    for path, fields in asked:
        assert accounts.refused(path, "ann", **fields) == DENIED, path
    assert accounts.refused("roles/delete", "ann", role_id=99) == DENIED
    assert accounts.refused("roles/permissions/remove", "ann", role_permission_id=99) == DENIED
    accounts.role("team", ("workspace", "*", "MANAGE"), to="ann")
    for path, fields in asked:
        accounts.call(path, "ann", **fields)


def test_roles_are_seen_by_users_who_have_any(accounts: Accounts) -> None:
    for name in ("ann", "bob"):
        accounts.user(name)
    role = accounts.role("readers", READS, to="ann")
    for path, fields in (
        ("roles/get", {"role_id": role}),
        ("roles/permissions/list", {"role_id": role}),
        ("roles/list", {"workspace": "default"}),
    ):
        assert accounts.ask(path, "ann", **fields)[0] == 200, path
        assert accounts.refused(path, "bob", **fields) == DENIED, path
    assert accounts.refused("roles/list", "ann") == DENIED
    assert accounts.refused("roles/list", "ann", workspace=["default", "x"]) == DENIED
    assert accounts.refused("roles/get", "ann", role_id=99) == DENIED
    assert accounts.call("roles/list", workspace="other") == {"roles": []}
    assert accounts.refused("roles/list", workspace="") == INVALID


def test_roles_of_a_user_are_seen_by_himself_and_by_administrators(accounts: Accounts) -> None:
    for name in ("ann", "bob", "cid"):
        accounts.user(name)
    accounts.role("readers", READS, to="ann")
    for path, field in (("users/roles/list", "roles"), ("users/permissions/list", "permissions")):
        for by in (ADMIN, "ann"):
            assert len(accounts.call(path, by, username="ann")[field]) == 1
        assert accounts.refused(path, "bob", username="ann") == DENIED
        assert accounts.refused(path, "bob", username="nobody") == DENIED
        assert accounts.refused(path, username="nobody") == MISSING
    accounts.role("team", ("workspace", "*", "MANAGE"), to="bob")
    for path in ("users/roles/list", "users/permissions/list"):
        assert accounts.ask(path, "bob", username="ann")[0] == 200
        assert accounts.refused(path, "bob", username="cid") == DENIED  # he is in no workspace


def test_what_a_user_is_granted_is_listed_with_its_roles(accounts: Accounts) -> None:
    user = accounts.user("ann")
    role = accounts.role("readers", READS, to="ann")
    accounts.grant("ann", "prompt", "p", "EDIT")
    own = next(
        each for each in accounts.call("users/roles/list", username="ann")["roles"]
        if each["id"] != role
    )  # fmt: skip
    wanted = {
        "is_admin": False,
        "permissions": [
            {"role_id": role, "role_name": "readers", "workspace": "default", **_fields(*READS)},
            {
                "role_id": own["id"],
                "role_name": f"__user_{user}__",
                "workspace": "default",
                **_fields("prompt", "p", "EDIT"),
            },
        ],
    }
    assert accounts.call("users/permissions/list", username="ann") == wanted
    assert accounts.call("users/current/permissions", "ann") == wanted
    assert accounts.call("users/current/permissions") == {"is_admin": True, "permissions": []}


def _fields(kind: str, pattern: str, level: str) -> dict[str, str]:
    return {"resource_type": kind, "resource_pattern": pattern, "permission": level}

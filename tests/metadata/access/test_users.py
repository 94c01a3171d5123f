"""Users over HTTP: creating, reading, changing and deleting them."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, event

from tandem_metadata.access import passwords
from tandem_metadata.database import Connection
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import grants, users
from tests.metadata.accounts_api import Accounts
from tests.metadata.api import EXISTS, INVALID, MISSING
from tests.metadata.guarded import ADMIN, DENIED, PASSWORD, hashed

OTHER = "another long password"
BAD_REQUEST = (400, "BAD_REQUEST")


def test_user_is_created_with_nothing_but_a_name(accounts: Accounts) -> None:
    made = accounts.call("users/create", username="ann", password=PASSWORD)["user"]
    assert made.pop("id") > 1
    assert made == {
        "username": "ann",
        "is_admin": False,
        "experiment_permissions": [],
        "registered_model_permissions": [],
    }
    assert accounts.call("users/current", "ann")["user"]["username"] == "ann"


def test_user_of_a_name_that_is_taken_is_refused(accounts: Accounts) -> None:
    accounts.user("ann")
    assert accounts.refused("users/create", username="ann", password=OTHER) == EXISTS
    assert accounts.ask("users/current", "ann")[0] == 200
    assert accounts.ask("users/current", "ann", giving=OTHER)[0] == 401


def test_user_created_twice_at_once_is_made_once(accounts: Accounts) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(accounts.ask, "users/create", username="ann", password=PASSWORD)
            for _ in range(4)
        ]
        found = sorted(
            (status, body.get("error_code")) for status, body in (f.result() for f in asked)
        )
    assert found == [(200, None), *[EXISTS] * 3]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "username"),
        ({"username": "ann"}, "password"),
        ({"username": "", "password": PASSWORD}, "username"),
        ({"username": "ann", "password": ""}, "password"),
        ({"username": "ann", "password": "elevenchars"}, "Password must be at least 12 characters"),
        ({"username": "ann", "password": "password1234"}, "everybody knows"),
        ({"username": "a:b", "password": PASSWORD}, "colon"),
        ({"username": "a" * 256, "password": PASSWORD}, "255"),
        ({"username": " ann", "password": PASSWORD}, "begins or ends with a blank"),
        ({"username": "ann\n", "password": PASSWORD}, "begins or ends with a blank"),
        ({"username": "   ", "password": PASSWORD}, "only blanks"),
        ({"username": "an\tn", "password": PASSWORD}, "control character"),
        ({"username": "an\u200bn", "password": PASSWORD}, "control character"),
        ({"username": "__user_1__", "password": PASSWORD}, "reserved '__user_' prefix"),
        ({"username": "ann", "password": " " * 12}, "only blanks"),
        ({"username": ["ann"], "password": PASSWORD}, "username"),
    ],
)
def test_user_with_bad_fields_is_refused(
    accounts: Accounts, fields: dict[str, object], told: str
) -> None:
    assert accounts.refused("users/create", **fields) == INVALID
    assert told in accounts.message("users/create", **fields)
    assert [each["username"] for each in accounts.call("users/list")["users"]] == [ADMIN]


@pytest.mark.parametrize("name", [" ann ", "an\tn", "__user_1__"])
def test_user_of_a_name_that_none_gets_any_more_stays(accounts: Accounts, name: str) -> None:
    database = Database(accounts.settings)
    with database.write() as conn:
        users.create(conn, name, hashed())
    database.close()
    assert accounts.call("users/current", name)["user"]["username"] == name
    changed = {"username": name, "password": OTHER, "current_password": PASSWORD}
    assert accounts.call("users/update-password", name, **changed) == {}
    assert accounts.call("users/delete", username=name) == {}


def test_user_is_read_by_himself_and_by_administrators(accounts: Accounts) -> None:
    made = accounts.user("ann")
    accounts.user("bob")
    wanted = {"id": made, "username": "ann", "is_admin": False}
    for by in (ADMIN, "ann"):
        found = accounts.call("users/get", by, username="ann")["user"]
        assert {name: found[name] for name in wanted} == wanted
    assert accounts.refused("users/get", "bob", username="ann") == DENIED
    assert accounts.refused("users/get", "bob", username="nobody") == DENIED
    assert accounts.refused("users/get", username="nobody") == MISSING


def test_current_user_is_who_sends_the_request(accounts: Accounts) -> None:
    made = accounts.user("ann")
    assert accounts.call("users/current", "ann") == {
        "user": {"id": made, "username": "ann", "is_admin": False},
        "is_basic_auth": True,
    }
    assert accounts.call("/ajax-api/2.0/mlflow/users/current")["user"]["is_admin"] is True
    answer = accounts.response("users/current", None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_users_are_listed_with_the_roles_that_their_reader_may_see(accounts: Accounts) -> None:
    for name in ("ann", "bob"):
        accounts.user(name)
    held = accounts.role("readers", ("experiment", "*", "READ"), to="ann")
    accounts.call("roles/assign", username="bob", role_id=held)

    def listed(by: str) -> dict[str, list[str]]:
        found = accounts.call("users/list", by)["users"]
        return {each["username"]: [role["name"] for role in each["roles"]] for each in found}

    assert listed(ADMIN) == {ADMIN: [], "ann": ["readers"], "bob": ["readers"]}
    assert listed("ann") == {ADMIN: [], "ann": ["readers"], "bob": []}
    accounts.role("team", ("workspace", "*", "MANAGE"), to="bob")
    assert listed("bob") == {ADMIN: [], "ann": ["readers"], "bob": ["readers", "team"]}
    (role,) = accounts.call("users/list", "ann")["users"][1]["roles"]
    (granted,) = role["permissions"]
    assert granted.pop("id")
    assert granted == {
        "role_id": held,
        "resource_type": "experiment",
        "resource_pattern": "*",
        "permission": "READ",
    }
    assert role["description"] is None


def test_listing_more_users_takes_no_more_statements(accounts: Accounts) -> None:
    accounts.role("readers", ("experiment", "*", "READ"), to=ADMIN)
    few = _statements(accounts)
    held = accounts.role("writers", ("experiment", "*", "EDIT"), ("run", "*", "EDIT"))
    for number in range(5):
        accounts.user(f"user-{number}")
        accounts.call("roles/assign", username=f"user-{number}", role_id=held)
    assert _statements(accounts) == few


def _statements(accounts: Accounts) -> int:
    accounts.call("users/current")
    count = 0

    def executed(conn: Connection, *_: object) -> None:
        nonlocal count
        count += 1

    event.listen(Engine, "before_cursor_execute", executed)
    try:
        accounts.call("users/list")
    finally:
        event.remove(Engine, "before_cursor_execute", executed)
    return count


def test_own_password_is_changed_by_telling_the_current_one(accounts: Accounts) -> None:
    accounts.user("ann")
    asked = {"username": "ann", "password": OTHER}
    path = "users/update-password"
    assert "Current password is required" in accounts.message(path, "ann", **asked)
    wrong = accounts.message(path, "ann", **asked, current_password="not the right one")
    assert wrong == "Current password does not match."
    same = accounts.message(
        path, "ann", username="ann", password=PASSWORD, current_password=PASSWORD
    )
    assert "must differ" in same
    short = accounts.message(
        path, "ann", username="ann", password="short", current_password=PASSWORD
    )
    assert "at least 12 characters" in short
    assert accounts.call(path, "ann", **asked, current_password=PASSWORD) == {}
    assert accounts.ask("users/current", "ann")[0] == 401
    assert accounts.ask("users/current", "ann", giving=OTHER)[0] == 200


def test_password_of_another_is_changed_by_administrators_alone(accounts: Accounts) -> None:
    for name in ("ann", "bob"):
        accounts.user(name)
    accounts.role("team", ("workspace", "*", "MANAGE"), to="bob")
    asked = {"username": "ann", "password": OTHER}
    assert accounts.refused("users/update-password", "bob", **asked) == DENIED
    accounts.call("users/update-password", **asked)
    assert accounts.ask("users/current", "ann")[0] == 401
    assert accounts.ask("users/current", "ann", giving=OTHER)[0] == 200
    assert accounts.refused("users/update-password", username="x", password=OTHER) == MISSING
    assert accounts.refused("users/update-password", username=ADMIN, password=OTHER) == INVALID


def test_administrators_are_made_and_unmade_at_once(accounts: Accounts) -> None:
    accounts.user("ann")
    assert accounts.refused("users/create", "ann", username="x", password=PASSWORD) == DENIED
    assert accounts.refused("users/update-admin", "ann", username="ann", is_admin=True) == DENIED
    accounts.call("users/update-admin", username="ann", is_admin=True)
    accounts.call("users/create", "ann", username="x", password=PASSWORD)
    accounts.call("users/update-admin", "ann", username="ann", is_admin=False)
    assert accounts.refused("users/create", "ann", username="y", password=PASSWORD) == DENIED
    assert accounts.refused("users/update-admin", username="nobody", is_admin=True) == MISSING
    assert accounts.refused("users/update-admin", username="ann", is_admin="perhaps") == INVALID
    assert accounts.refused("users/update-admin", username="ann") == INVALID


def test_the_last_administrator_stays_one(accounts: Accounts) -> None:
    assert accounts.refused("users/update-admin", username=ADMIN, is_admin=False) == BAD_REQUEST
    accounts.user("ann")
    accounts.call("users/update-admin", username="ann", is_admin=True)
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(accounts.ask, "users/update-admin", by, username=other, is_admin=False)
            for by, other in ((ADMIN, "ann"), ("ann", ADMIN))
        ]
        statuses = sorted(each.result()[0] for each in asked)
    assert statuses[0] == 200
    assert statuses[1] in (400, 403)  # 403: he is no administrator any more when he asks
    left = [accounts.ask("users/list", by) for by in (ADMIN, "ann")]
    admins = {each["username"] for _, body in left for each in body["users"] if each["is_admin"]}
    assert len(admins) == 1


def test_user_is_deleted_with_all_that_is_his(accounts: Accounts) -> None:
    accounts.user("ann")
    experiment = accounts.experiment("anns", "ann")
    accounts.role("readers", ("experiment", "*", "READ"), to="ann")
    assert accounts.refused("users/delete", "ann", username="ann") == DENIED
    assert accounts.call("users/delete", username="ann") == {}
    assert accounts.ask("users/current", "ann")[0] == 401
    assert accounts.refused("users/delete", username="ann") == MISSING
    assert [role["name"] for role in accounts.call("roles/list")["roles"]] == ["readers"]
    accounts.user("ann")  # the name is free, and brings nothing of the old one
    held = accounts.call(
        "users/permissions/get", "ann", username="ann", resource_type="experiment",
        resource_id=experiment,
    )  # fmt: skip
    assert held == {"allowed": False, "permission": "READ"}


def test_user_does_not_delete_himself(accounts: Accounts) -> None:
    accounts.user("ann")
    accounts.call("users/update-admin", username="ann", is_admin=True)
    assert accounts.refused("users/delete", "ann", username="ann") == BAD_REQUEST
    assert accounts.call("users/delete", "ann", username=ADMIN) == {}


def test_passwords_are_in_no_answer_and_in_no_log(
    accounts: Accounts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "s3cret-that-nobody-sees"
    short = secret[:11]
    asked = [
        ("users/create", {"username": "ann", "password": secret}),
        ("users/create", {"username": "ann", "password": secret}),
        ("users/create", {"username": "bob", "password": short}),
        ("users/create", {"username": "bob", "password": [secret]}),
        ("users/create", {"username": "bob", "password": {"x": secret}}),
        ("users/update-password", {"username": "nobody", "password": secret}),
        ("users/update-password", {"username": ADMIN, "password": secret, **_current([secret])}),
        ("users/update-password", {"username": ADMIN, "password": "x" * 12, **_current(secret)}),
    ]
    answers = [accounts.response(path, **fields).text for path, fields in asked]
    answers.append(accounts.response("users/list", "ann", giving=secret).text)
    answers.append(accounts.response("users/list", "bob", giving=secret).text)
    for text in (*answers, caplog.text):
        assert short not in text
    assert "scrypt" not in "".join(answers)


def _current(password: object) -> dict[str, object]:
    return {"current_password": password}


def test_administrator_of_the_workspace_creates_users(accounts: Accounts) -> None:
    for name in ("ann", "bob"):
        accounts.user(name)
    assert accounts.refused("users/create", "ann", username="x", password=PASSWORD) == DENIED
    accounts.role("team", ("workspace", "*", "MANAGE"), to="ann")
    accounts.call("users/create", "ann", username="x", password=PASSWORD)
    assert accounts.refused("users/delete", "ann", username="x") == DENIED
    assert accounts.refused("users/update-admin", "ann", username="ann", is_admin=True) == DENIED
    accounts.role("members", ("workspace", "*", "USE"), to="bob")
    assert accounts.refused("users/create", "bob", username="y", password=PASSWORD) == DENIED


def test_without_authentication_there_are_no_accounts(settings: Settings) -> None:
    service = Accounts(settings, auth="none")
    assert service.call("/ajax-api/2.0/mlflow/users/current", None) == {}
    assert service.ask("users/current", None)[0] == 404
    assert service.ask("users/create", None, username="ann", password=PASSWORD)[0] == 404
    assert service.ask("roles/list", None)[0] == 404


def test_the_password_that_everybody_knows_signs_no_administrator_in(
    accounts: Accounts, database: Database
) -> None:
    accounts.user("ann")
    hashed = passwords.hashed("password1234")
    with database.write() as conn:
        for name in (ADMIN, "ann"):
            users.set_password(conn, name, hashed)
    again = Accounts(accounts.settings, auth_admin_password="password1234")
    status, body = again.ask("users/current", giving="password1234")
    assert (status, "everybody knows" in body["message"]) == (401, True)
    assert again.ask("users/current", "ann", giving="password1234")[0] == 200


def test_start_replaces_the_password_that_everybody_knows(
    accounts: Accounts, database: Database
) -> None:
    with database.write() as conn:
        users.set_password(conn, ADMIN, passwords.hashed("password1234"))
    again = Accounts(accounts.settings, auth_admin_password=OTHER)
    assert again.ask("users/current", giving=OTHER)[0] == 200
    later = Accounts(accounts.settings, auth_admin_password=PASSWORD)
    assert later.ask("users/current", giving=PASSWORD)[0] == 401
    assert later.ask("users/current", giving=OTHER)[0] == 200


def test_user_whom_another_process_has_deleted_creates_nothing(
    accounts: Accounts, database: Database
) -> None:
    accounts.user("ann")
    assert accounts.ask("users/current", "ann")[0] == 200
    with database.write() as conn:
        users.remove(conn, "ann")
    assert accounts.ask("experiments/create", "ann", name="e")[0] == 401
    assert accounts.experiment("e")
    roles = accounts.call("roles/list")["roles"]
    assert [role["name"] for role in roles] == [grants.own_role(1)]


def test_next_user_of_an_id_is_not_taken_for_the_deleted_one(
    accounts: Accounts, database: Database
) -> None:
    accounts.user("ann")
    assert accounts.ask("users/current", "ann")[0] == 200
    with database.write() as conn:
        users.remove(conn, "ann")
        users.create(conn, "bob", passwords.hashed(PASSWORD), admin=True)
    accounts.role("readers", ("experiment", "*", "READ"))  # grants are read anew after this
    assert accounts.ask("users/current", "ann")[0] == 401

"""Accounts in a database of their own: any two kinds together, and what a crash between leaves."""

import contextvars
import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect
from starlette.testclient import TestClient

from tandem_metadata.access import account, opening, ownership
from tandem_metadata.access.account import Account
from tandem_metadata.access.changes import Changes
from tandem_metadata.app import create_app
from tandem_metadata.cli import db
from tandem_metadata.database import wait
from tandem_metadata.database.account_tables import REVISION
from tandem_metadata.database.database import Database
from tandem_metadata.rules.permissions import REGISTERED_MODEL, Level
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import grants, load, roles, users
from tandem_shared.errors import Unavailable
from tandem_shared.settings import SettingsError, replace
from tests.harness.processes import eventually
from tests.metadata import in_process
from tests.metadata.access.bearers import DENIED, Bearers
from tests.metadata.conftest import DATABASES, only_sqlite
from tests.postgresql import PostgreSQL

PASSWORD = "correct horse battery"
EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=0"


@pytest.fixture(params=DATABASES)
def accounts_uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'basic_auth.db'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    name = f"accounts_{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {name}")
    yield server.uri(name)
    server.drop(name)


@pytest.fixture
def apart(settings: Settings, accounts_uri: str) -> Settings:
    return replace(
        settings,
        auth="basic",
        auth_admin_password=PASSWORD,
        auth_database_uri=accounts_uri,
        auth_default_permission="NO_PERMISSIONS",
    )


@pytest.fixture
def bearers(apart: Settings) -> Bearers:
    return Bearers(apart)


def _holds(settings: Settings, table: str) -> list[str]:
    """Which of the two databases have a table."""
    tracking = Database(settings)
    accounts = opening.open_database(settings, tracking, 1)
    found = []
    for name, database in (("tracking", tracking), ("accounts", accounts)):
        with database.read() as conn:
            if inspect(conn).has_table(table):
                found.append(name)
        database.close()
    return found


def test_each_database_gets_its_own_tables(bearers: Bearers, apart: Settings) -> None:
    assert bearers.http.get("/ready").text == "OK"
    for table in ("users", "roles", "tandem_tokens", "alembic_version_auth"):
        assert _holds(apart, table) == ["accounts"]
    assert _holds(apart, "experiments") == ["tracking"]


def test_creators_manage_what_they_create_and_others_see_nothing_of_it(bearers: Bearers) -> None:
    ann, bob = bearers.user("ann"), bearers.user("bob")
    experiment = bearers.experiment("e", ann)
    run = bearers.run(experiment, ann)
    assert bearers.call("experiments/delete", ann, experiment_id=experiment) == {}
    assert bearers.call("experiments/restore", ann, experiment_id=experiment) == {}
    assert bearers.refused("runs/get", bob, run_id=run) == DENIED
    assert bearers.call("experiments/search", bob, max_results=5) == {}
    shown = bearers.call("experiments/search", ann, max_results=5)["experiments"]
    assert [each["name"] for each in shown] == ["e"]


def test_grants_follow_a_new_name_and_end_with_the_name(bearers: Bearers) -> None:
    ann, bob = bearers.user("ann"), bearers.user("bob")
    bearers.call("registered-models/create", ann, name="old")
    bearers.call("registered-models/rename", ann, name="old", new_name="new")
    assert bearers.call("registered-models/get", ann, name="new")
    bearers.call("registered-models/create", bob, name="old")
    assert bearers.refused("registered-models/get", ann, name="old") == DENIED
    bearers.call("registered-models/delete", ann, name="new", method="DELETE")
    bearers.call("registered-models/create", bob, name="new")
    assert bearers.refused("registered-models/get", ann, name="new") == DENIED


def test_grants_of_roles_follow_a_new_name_and_end_with_the_name(bearers: Bearers) -> None:
    ann, bob, eve = (bearers.user(each) for each in ("ann", "bob", "eve"))
    bearers.call("registered-models/create", ann, name="old")
    root = bearers.user("root", admin=True)
    api = "/api/3.0/mlflow/roles"
    role = bearers.call(f"{api}/create", root, name="r", workspace="default")["role"]["id"]
    granted = {"resource_type": "registered_model", "permission": "MANAGE"}
    bearers.call(f"{api}/permissions/add", root, role_id=role, resource_pattern="old", **granted)
    bearers.call(f"{api}/assign", root, role_id=role, username="eve")
    bearers.call("registered-models/rename", ann, name="old", new_name="new")
    assert bearers.call("registered-models/get", eve, name="new")
    bearers.call("registered-models/create", bob, name="old")
    assert bearers.refused("registered-models/get", eve, name="old") == DENIED
    bearers.call("registered-models/delete", ann, name="new", method="DELETE")
    bearers.call("registered-models/create", bob, name="new")
    assert bearers.refused("registered-models/get", eve, name="new") == DENIED
    assert bearers.call(f"{api}/get", root, role_id=role)["role"]["permissions"] == []


@only_sqlite
def test_new_experiment_of_a_removed_one_s_number_is_nobody_else_s(bearers: Bearers) -> None:
    ann, bob = bearers.user("ann"), bearers.user("bob")
    removed = bearers.experiment("removed", ann)
    assert bearers.call("experiments/get", ann, experiment_id=removed)
    tracking = Database(bearers.settings)
    with tracking.write() as conn:
        conn.exec_driver_sql("DELETE FROM experiments WHERE experiment_id = ?", (int(removed),))
    tracking.close()
    assert bearers.experiment("new", bob) == removed
    assert bearers.refused("experiments/get", ann, experiment_id=removed) == DENIED
    assert bearers.call("experiments/get", bob, experiment_id=removed)


def test_creation_stands_and_nobody_gets_access_when_the_grant_cannot_be_stored(
    bearers: Bearers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ann, root = bearers.user("ann"), bearers.user("root", admin=True)

    def fail(*_: object, **__: object) -> None:
        raise Unavailable("The database does not answer.", reason="it is away")

    with monkeypatch.context() as failing, caplog.at_level(logging.ERROR, "tandem.auth"):
        failing.setattr(grants, "grant", fail)
        experiment = bearers.experiment("e", ann)
    assert "not granted, so an administrator has to: MANAGE" in caplog.text
    assert f"'{experiment}' to 'ann'" in caplog.text
    assert "it is away" in caplog.text
    assert bearers.call("experiments/get", root, experiment_id=experiment)
    assert bearers.refused("experiments/get", ann, experiment_id=experiment) == DENIED


Model = tuple[Database, Database, Account]


@pytest.fixture
def model(apart: Settings) -> Iterator[Model]:
    """The two databases, and a user who manages registered model m."""
    tracking = Database(apart)
    accounts = opening.open_database(apart, tracking, 1)
    opening.prepare(accounts, apart)
    with accounts.write() as conn:
        user_id = users.create(conn, "ann", None)
        grants.grant(conn, user_id, REGISTERED_MODEL, "m", Level.MANAGE)
    yield tracking, accounts, Account("ann", id=user_id)
    tracking.close()
    accounts.close()


def _held(model: Model) -> list[tuple[str, str]]:
    """What the user is granted now."""
    _, accounts, user = model
    with accounts.read() as conn:
        found = load.by_id(conn, user.id)
    assert found is not None
    return [(each.pattern, each.level.name) for each in found.grants]


Change = Callable[[Connection], None]


def _write(model: Model, change: Change) -> None:
    """Change the database of experiments as the user's requests do."""
    tracking, accounts, user = model

    def write() -> None:
        account.enter(user)
        ownership.begin(accounts, Changes())
        with tracking.write() as conn:
            change(conn)

    contextvars.copy_context().run(write)


@pytest.mark.parametrize("new_name", ["", "n"], ids=["deleted", "renamed"])
def test_grants_are_given_back_when_the_name_is_kept(model: Model, new_name: str) -> None:
    def fail(conn: Connection) -> None:
        if new_name:
            ownership.move_name(conn, "m", new_name)
        else:
            ownership.drop_name(conn, "m")
        assert _held(model) == []
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _write(model, fail)
    assert _held(model) == [("m", "MANAGE")]


def _deny(model: Model) -> None:
    """Give the user a DENY beside what he manages, by a role."""
    _, accounts, user = model
    with accounts.write() as conn:
        made = roles.create(conn, "default", "kept-out", None)
        roles.add_permission(conn, made.id, REGISTERED_MODEL, "m", Level.DENY)
        roles.assign(conn, user.id, made.id)


@pytest.mark.parametrize(
    ("new_name", "held"),
    [("", [("m", "DENY")]), ("n", [("m", "DENY"), ("n", "DENY")])],
    ids=["deleted", "renamed"],
)
def test_what_limits_grants_is_never_missing_while_the_name_changes(
    model: Model, new_name: str, held: list[tuple[str, str]]
) -> None:
    _deny(model)

    def change(conn: Connection) -> None:
        if new_name:
            ownership.move_name(conn, "m", new_name)
        else:
            ownership.drop_name(conn, "m")
        assert sorted(_held(model)) == held

    def fail(conn: Connection) -> None:
        change(conn)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _write(model, fail)
    assert sorted(_held(model)) == [("m", "DENY"), ("m", "MANAGE")]
    _write(model, change)
    expected = [("n", "DENY"), ("n", "MANAGE")] if new_name else []
    assert sorted(_held(model)) == expected


class _Crash(BaseException):
    """What ends a process: nothing handles it."""


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_a_crash_beside_the_commit_leaves_a_grant_too_few(
    model: Model,
    committed: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise _Crash

    def change(conn: Connection) -> None:
        ownership.move_name(conn, "m", "n")
        if not committed:
            crash()

    monkeypatch.setattr(ownership, "_store", crash)
    with caplog.at_level(logging.INFO, "tandem.auth"), pytest.raises(_Crash):
        _write(model, change)
    assert _held(model) == []
    assert "MANAGE to role" in caplog.text
    assert "on registered_model 'm'" in caplog.text


@only_sqlite
@pytest.mark.parametrize("accounts_uri", ["sqlite"], indirect=True)  # a file is moved away
def test_service_is_not_ready_and_refuses_while_its_accounts_are_away(
    apart: Settings, tmp_path: Path
) -> None:
    bearers = Bearers(apart)
    ann = bearers.user("ann")
    assert bearers.http.get("/ready").status_code == 200
    (tmp_path / "basic_auth.db").rename(tmp_path / "moved.db")
    answer = bearers.http.get("/ready")
    assert answer.status_code == 503
    (tmp_path / "moved.db").rename(tmp_path / "basic_auth.db")
    assert bearers.http.get("/ready").status_code == 200
    assert bearers.is_known(ann)


def test_service_that_never_migrates_waits_for_the_tables_of_accounts(
    apart: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wait, "POLL_SECONDS", 0.02)
    settings = replace(apart, migrate=False)
    http = in_process.enter(TestClient(create_app(settings), base_url="http://localhost"))
    answer = http.get("/ready")
    assert answer.status_code == 503
    assert "accounts" in answer.text
    assert "tandem-metadata db upgrade --auth basic" in answer.text
    assert http.get(EXPERIMENT).status_code == 503
    assert db.upgrade(replace(settings, auth_admin_password=None)) == 0
    said = capsys.readouterr().out
    assert f"Created tables of accounts, of revision {REVISION}." in said
    eventually(lambda: http.get("/ready").status_code == 200)
    assert http.get(EXPERIMENT).status_code == 401
    assert http.get(EXPERIMENT, auth=("admin", PASSWORD)).status_code == 200
    assert db.current(settings) == 0
    assert f"accounts: at revision {REVISION} (supported)" in capsys.readouterr().out
    assert db.upgrade(settings) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_service_that_never_migrates_waits_for_the_first_password(
    apart: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "POLL_SECONDS", 0.02)
    settings = replace(apart, migrate=False, auth_admin_password=None)
    db.upgrade(settings)
    http = in_process.enter(TestClient(create_app(settings), base_url="http://localhost"))
    eventually(lambda: "MLFLOW_AUTH_ADMIN_PASSWORD" in http.get("/ready").text)


@only_sqlite
def test_the_same_file_by_another_path_is_one_database(settings: Settings, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/../{tmp_path.name}/prepared.db"
    wanted = replace(settings, auth="basic", auth_admin_password=PASSWORD, auth_database_uri=other)
    bearers = Bearers(wanted)
    ann = bearers.user("ann")
    bearers.call("registered-models/create", ann, name="m")
    assert bearers.call("registered-models/delete", ann, name="m", method="DELETE") == {}


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("mysql://u:secret@h/d", "--auth-database-uri must begin with"),
        ("sqlite://", "--auth-database-uri: an SQLite database in memory"),
        ("postgresql://u:secret@h/a@b", "--auth-database-uri has an '@' too many"),
        ("postgresql://u:secret@127.0.0.1:1/d", "--auth-database-uri: PostgreSQL says"),
    ],
)
@only_sqlite
def test_address_that_cannot_be_used_is_refused_by_its_flag(
    settings: Settings, uri: str, told: str
) -> None:
    wanted: dict[str, Any] = {"auth": "basic", "auth_admin_password": PASSWORD}
    with pytest.raises(SettingsError) as refused:
        create_app(replace(settings, **wanted, auth_database_uri=uri))
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "--backend-store-uri" not in str(refused.value)

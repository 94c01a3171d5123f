"""`user create`, `user list` and `user delete`, as an operator types them."""

import pytest
from sqlalchemy import func, select

from tandem_metadata.access import passwords
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.accounts import tokens as table
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import load, tokens
from tests.metadata.cli.commands import Command, MakeCommand, assert_error, look_up
from tests.metadata.conftest import only_sqlite
from tests.metadata.guarded import PASSWORD


@pytest.fixture
def command(accounts: Settings, command_for: MakeCommand) -> Command:
    return command_for("user", accounts)


def _user(settings: Settings, name: str) -> load.User | None:
    return look_up(settings, load.by_name, name)


def test_service_account_has_no_password_and_goes_with_his_tokens(
    command: Command, accounts: Settings
) -> None:
    status, said, _ = command("create", "ci", "--no-password")
    assert status == 0
    assert said == "Created the user 'ci' without a password, who needs a token.\n"
    found = _user(accounts, "ci")
    assert found is not None
    assert (found.password_hash, found.admin, found.grants) == (None, False, [])
    assert command("list")[:2] == (0, "admin; administrator\nci; tokens only\n")
    database = Database(accounts)
    with database.write() as conn:
        tokens.create(conn, "ci", "n")
    assert command("delete", "ci")[0] == 0
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(table)).scalar_one() == 0
    database.close()
    assert _user(accounts, "ci") is None


def test_password_comes_by_the_variable(
    command: Command, accounts: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_USER_PASSWORD", PASSWORD)
    assert command("create", "root", "--admin")[:2] == (0, "Created the administrator 'root'.\n")
    found = _user(accounts, "root")
    assert found is not None
    assert found.admin
    assert passwords.matches(found.password_hash, PASSWORD)


@only_sqlite
def test_password_is_asked_for_twice_at_a_terminal(
    command: Command, accounts: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = [PASSWORD, "another one, longer", PASSWORD, PASSWORD]
    monkeypatch.setattr("getpass.getpass", lambda _: answers.pop(0))
    status, _, err = command("create", "ann")
    assert (status, "differ" in err) == (2, True)
    assert _user(accounts, "ann") is None
    assert command("create", "ann")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "password", "told"),
    [
        ("create ann", None, "TANDEM_USER_PASSWORD"),
        ("create ann", "short", "12 characters"),
        ("create a:b", PASSWORD, "colon"),
        ("create admin", PASSWORD, "already exists"),
        ("delete nobody", None, "username=nobody not found"),
        ("delete admin", None, "only administrator"),
        ("create", None, "NAME"),
    ],
)
@only_sqlite
def test_bad_arguments_end_with_a_sentence(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    password: str | None,
    told: str,
) -> None:
    if password is not None:
        monkeypatch.setenv("TANDEM_USER_PASSWORD", password)
    refused = command(*arguments.split())
    assert_error(refused, told)
    assert password is None or password not in refused[2]

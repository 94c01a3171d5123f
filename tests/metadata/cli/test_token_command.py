"""`token create`, `token list` and `token revoke`, as an operator types them."""

import re
from pathlib import Path

import pytest

from tandem_metadata.access import opening
from tandem_metadata.database.database import Database
from tandem_metadata.rules.permissions import Level
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import grants, tokens, users
from tandem_shared.clock import now_ms
from tandem_shared.settings import replace
from tests.metadata.cli.commands import Command, MakeCommand, assert_error, look_up
from tests.metadata.conftest import only_sqlite


@pytest.fixture
def with_accounts(accounts: Settings) -> Settings:
    """Settings of a database that has accounts, and user ann without a password."""
    database = Database(accounts)
    with database.write() as conn:
        users.create(conn, "ann", None)
    database.close()
    return accounts


@pytest.fixture
def command(with_accounts: Settings, command_for: MakeCommand) -> Command:
    return command_for("token", with_accounts)


def _find(settings: Settings, text: str) -> tokens.Token | None:
    return look_up(settings, tokens.find, text)


def test_token_is_created_shown_once_listed_and_revoked(
    command: Command, with_accounts: Settings
) -> None:
    status, out, err = command(
        "create", "--user", "ann", "--name", "ci", "--expires", "30d", "--read-only",
        "--experiment", "0", "--experiment", "00",
    )  # fmt: skip
    assert status == 0
    assert re.fullmatch(r"tandem_[\w-]{43}\n", out)
    assert "shown this once" in err
    found = _find(with_accounts, out.strip())
    assert found is not None
    assert (found.username, found.name, found.read_only) == ("ann", "ci", True)
    assert found.experiments == ["0"]
    assert found.expires_at is not None
    assert abs(found.expires_at - now_ms() - 30 * 24 * 3600 * 1000) < 60_000

    status, listed, _ = command("list", "--user", "ann")
    assert status == 0
    assert out.strip() not in listed
    for part in (found.token_id, "user ann", "name ci", "used never", "read-only", "experiments 0"):
        assert part in listed
    assert command("list")[1] == listed
    status, said, _ = command("revoke", found.token_id)
    assert (status, said.startswith(f"Revoked token {found.token_id}")) == (0, True)
    assert _find(with_accounts, out.strip()) is None
    assert command("list")[:2] == (0, "")


def test_token_without_restrictions_does_not_end(command: Command, with_accounts: Settings) -> None:
    status, out, _ = command("create", "--user", "ann", "--name", "ci")
    found = _find(with_accounts, out.strip())
    assert status == 0
    assert found is not None
    assert (found.expires_at, found.read_only, found.experiments) == (None, False, None)


def test_token_for_what_its_user_may_not_read_is_told(
    command: Command, with_accounts: Settings
) -> None:
    asked = ("create", "--user", "ann", "--name", "ci", "--experiment", "0")
    assert "Warning" not in command(*asked)[2]
    database = Database(with_accounts)
    with database.write() as conn:
        grants.grant(conn, users.get(conn, "ann").id, "experiment", "0", Level.DENY)
    database.close()
    status, out, err = command(*asked)
    assert status == 0
    assert re.fullmatch(r"tandem_[\w-]{43}\n", out)
    assert "Warning: user 'ann' may not read 0 of these experiments" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("create --user bob --name n", "username=bob not found"),
        ("create --user ann --name n --experiment 77", "77"),
        ("create --user ann --name n --experiment e", "experiment"),
        ("create --user ann --name n --expires soon", "as 30d"),
        ("create --user ann --name n --expires 0d", "more than zero"),
        ("create --user ann --name n --expires 99999w", "as 30d"),
        ("create --user ann", "--name"),
        ("create --name n", "--user"),
        ("list --user bob", "username=bob not found"),
        ("revoke 1234", "token_id=1234 not found"),
        ("revoke", "token_id"),
        ("", "action"),
    ],
)
@only_sqlite
def test_bad_arguments_end_with_a_sentence(command: Command, arguments: str, told: str) -> None:
    assert_error(command(*arguments.split()), told)


@only_sqlite
def test_database_without_accounts_is_refused(settings: Settings, command_for: MakeCommand) -> None:
    status, _, err = command_for("token", settings)("list")
    assert status == 2
    assert "db upgrade --auth basic" in err


@only_sqlite
def test_accounts_of_their_own_database_are_found_by_flag_variable_and_mlflows_default(
    with_accounts: Settings,
    settings: Settings,
    command_for: MakeCommand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = replace(with_accounts, auth_database_uri=f"sqlite:///{tmp_path / 'basic_auth.db'}")
    tracking = Database(wanted)
    accounts = opening.open_database(wanted, tracking, 1)
    opening.prepare(accounts, wanted)
    with accounts.write() as conn:
        users.create(conn, "apart", None)
        tokens.create(conn, "apart", "n")
    accounts.close()
    tracking.close()
    assert wanted.auth_database_uri is not None
    by_flag = command_for("token", settings, "--auth-database-uri", wanted.auth_database_uri)
    status, listed, _ = by_flag("list")
    assert (status, "user apart" in listed) == (0, True)
    command = command_for("token", settings)
    assert command("list") == (0, "", "")
    with monkeypatch.context() as changed:
        changed.setenv("TANDEM_AUTH_DATABASE_URI", wanted.auth_database_uri)
        assert command("list")[1] == listed
    monkeypatch.chdir(tmp_path)
    assert command_for("token", settings, "--app-name", "basic-auth")("list")[1] == listed

"""The commands `tandem-metadata user create`, `user list` and `user delete`."""

import argparse
import getpass
import os
import sys
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.access import passwords
from tandem_metadata.cli import accounts
from tandem_metadata.rules import accounts as rules
from tandem_metadata.store.accounts import users
from tandem_shared.settings import SettingsError

_PASSWORD: Final = "TANDEM_USER_PASSWORD"


def create(parsed: argparse.Namespace) -> int:
    """Create a user; returns 0.

    His password is that of TANDEM_USER_PASSWORD, or is asked for at a terminal: flags show in
    process lists. Without one he has tokens only. Raises SettingsError for a name or password that
    no user may get, and for a name that is taken.
    """
    with accounts.opened(accounts.settings(parsed)) as (database, _):
        rules.check_username(parsed.name)
        hashed = None if parsed.no_password else passwords.hashed(_password())

        def make(conn: Connection) -> int:
            return users.create(conn, parsed.name, hashed, admin=parsed.admin)

        database.run_in_transaction(make)
    kind = "administrator" if parsed.admin else "user"
    how = " without a password, who needs a token" if parsed.no_password else ""
    print(f"Created the {kind} '{parsed.name}'{how}.")
    return 0


def find(parsed: argparse.Namespace) -> int:
    """Print a line for each user; returns 0."""
    with accounts.opened(accounts.settings(parsed)) as (database, _), database.read() as conn:
        found = users.listed(conn)
    for name, admin, signs_in in found:
        parts = [name]
        if admin:
            parts.append("administrator")
        if not signs_in:
            parts.append("tokens only")
        print("; ".join(parts))
    return 0


def delete(parsed: argparse.Namespace) -> int:
    """Delete a user with his grants and tokens; returns 0. Raises SettingsError for an unknown one.

    Services refuse him within seconds.
    """
    with accounts.opened(accounts.settings(parsed)) as (database, _):

        def remove(conn: Connection) -> None:
            users.remove(conn, parsed.name)

        database.run_in_transaction(remove)
    print(f"Deleted the user '{parsed.name}' with his grants and tokens.")
    return 0


def _password() -> str:
    given = os.environ.get(_PASSWORD)
    if given is None:
        if not sys.stdin.isatty():
            raise SettingsError(
                f"The password is missing: give it by the variable {_PASSWORD}, or at a terminal; "
                "--no-password makes a user who has tokens only."
            )
        given = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != given:
            raise SettingsError("The two passwords differ.")
    rules.check_password(given)
    return given

"""Opens the accounts that the settings name: their database, and the gate that uses it."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection

from tandem_metadata.access import passwords
from tandem_metadata.access.authentication import Authenticator
from tandem_metadata.access.gate import Gate
from tandem_metadata.access.owners import Owners
from tandem_metadata.access.proxies import Proxies
from tandem_metadata.database import account_tables
from tandem_metadata.database.database import Database
from tandem_metadata.rules.permissions import Level
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import users
from tandem_shared.errors import AlreadyExists
from tandem_shared.settings import SettingsError

_log = logging.getLogger("tandem.auth")
_LEAST_PASSWORD = 12
_OLD_DEFAULT = "password1234"
"""The password that old releases of MLflow gave each first administrator."""

Run = Callable[..., Awaitable[Any]]


def open_gate(settings: Settings, read: Run, write: Run) -> Gate | None:
    """The gate that the settings ask for; None where nobody is authenticated.

    `read` and `write` run functions of the store in threads, as `Context` does.
    """
    if settings.auth == "none":
        return None
    passwords.of_nobody()  # the first unknown name is not to take longer than others
    default = Level[settings.auth_default_permission]
    proxies = None
    if settings.auth == "proxy":
        proxies = Proxies(settings.auth_proxy_header or "", settings.auth_trusted_proxies or ())
    return Gate(Authenticator(read, write, default), Owners(read), proxies)


def prepare(database: Database, settings: Settings) -> None:
    """Make the tables of accounts, and the first administrator, where they are missing.

    Raises SettingsError for tables that Tandem does not use, and for an administrator without a
    password.
    """
    with database.write() as conn:
        account_tables.prepare(conn)
        _add_admin(conn, settings)


def _add_admin(conn: Connection, settings: Settings) -> None:
    name, password = settings.auth_admin_username, settings.auth_admin_password
    if not name or users.exists(conn, name):
        return
    if not password or len(password) < _LEAST_PASSWORD or password == _OLD_DEFAULT:
        raise SettingsError(
            f"There is no administrator '{name}' yet: give his first password, of at least "
            f"{_LEAST_PASSWORD} characters and not '{_OLD_DEFAULT}', by "
            "MLFLOW_AUTH_ADMIN_PASSWORD. Later starts need none."
        )
    try:
        users.create(conn, name, passwords.hashed(password), admin=True)
    except AlreadyExists:  # another process was quicker
        return
    _log.info("created the administrator '%s'", name)

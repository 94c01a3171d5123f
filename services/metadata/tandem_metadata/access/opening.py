"""Opens the accounts that the settings name: their database, and the gate that uses it."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection

from tandem_metadata.access import passwords
from tandem_metadata.access.artifact_owners import ArtifactPaths
from tandem_metadata.access.artifacts import ArtifactAccess
from tandem_metadata.access.authentication import Authenticator
from tandem_metadata.access.cookies import Cookies
from tandem_metadata.access.gate import Gate
from tandem_metadata.access.logins import Logins
from tandem_metadata.access.owners import Owners
from tandem_metadata.access.proxies import Proxies
from tandem_metadata.access.signing import Signer
from tandem_metadata.database import account_tables
from tandem_metadata.database.database import Database
from tandem_metadata.rules import accounts
from tandem_metadata.rules.accounts import OLD_DEFAULT
from tandem_metadata.rules.permissions import Level
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import users
from tandem_shared.errors import AlreadyExists, InvalidParameter
from tandem_shared.settings import SettingsError

_log = logging.getLogger("tandem.auth")

Run = Callable[..., Awaitable[Any]]


def open_gate(settings: Settings, read: Run, write: Run, paths: ArtifactPaths) -> Gate | None:
    """The gate that the settings ask for; None where nobody is authenticated.

    `read` and `write` run functions of the store in threads, as `Context` does. `paths` tells
    where artifact locations lead.
    """
    if settings.auth == "none":
        return None
    passwords.of_nobody()  # the first unknown name is not to take longer than others
    default = Level[settings.auth_default_permission]
    owners = Owners(read, paths)
    artifacts = ArtifactAccess(owners.artifacts, Signer(read, write))
    proxies = None
    if settings.auth == "proxy":
        proxies = Proxies(settings.auth_proxy_header or "", settings.auth_trusted_proxies or ())
    logins = Logins(settings, read, write) if settings.auth == "oidc" else None
    return Gate(
        Authenticator(read, write, default, logins),
        owners,
        artifacts,
        proxies,
        Cookies(secure=logins.secure) if logins else None,
        f"{settings.static_prefix}/login",
    )


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
    if not name:
        return
    if users.exists(conn, name):
        if password and password != OLD_DEFAULT:
            _replace_old_default(conn, name, password)
        return
    try:
        accounts.check_username(name)
        accounts.check_password(password or "")
    except InvalidParameter as error:
        raise SettingsError(
            f"There is no administrator '{name}' yet: {error.message} The variables are "
            "MLFLOW_AUTH_ADMIN_USERNAME and MLFLOW_AUTH_ADMIN_PASSWORD; later starts need none."
        ) from None
    try:
        users.create(conn, name, passwords.hashed(password or ""), admin=True)
    except AlreadyExists:  # another process was quicker
        return
    _log.info("created the administrator '%s'", name)


def _replace_old_default(conn: Connection, name: str, password: str) -> None:
    """Let an administrator in again whose password is the one that everybody knows."""
    if not passwords.matches(users.get(conn, name).password_hash, OLD_DEFAULT):
        return
    try:
        accounts.check_password(password)
    except InvalidParameter as error:
        raise SettingsError(f"MLFLOW_AUTH_ADMIN_PASSWORD: {error.message}") from None
    users.set_password(conn, name, passwords.hashed(password))
    _log.warning("gave '%s' the configured password in place of MLflow's old default", name)

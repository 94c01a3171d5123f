"""Opens the accounts that the settings name: their database, and the gate that uses it."""

import contextlib
import dataclasses
import logging
import os.path
from typing import Final

from sqlalchemy import URL

from tandem_metadata.access import changes, passwords
from tandem_metadata.access.artifact_owners import ArtifactPaths
from tandem_metadata.access.artifacts import ArtifactAccess
from tandem_metadata.access.authentication import Authenticator
from tandem_metadata.access.cookies import Cookies
from tandem_metadata.access.gate import Gate
from tandem_metadata.access.logins import Logins
from tandem_metadata.access.owners import Owners
from tandem_metadata.access.reads import Reads
from tandem_metadata.access.signing import Signer
from tandem_metadata.access.vouched import Vouching
from tandem_metadata.database import account_tables, sqlite_file
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import as_settings_error
from tandem_metadata.rules import accounts
from tandem_metadata.rules.accounts import OLD_DEFAULT
from tandem_metadata.rules.permissions import Level
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import users
from tandem_shared.errors import AlreadyExists, InvalidParameter, Unavailable
from tandem_shared.security.own_page import OwnPage
from tandem_shared.settings import SettingsError

FLAG: Final = "--auth-database-uri"

_log = logging.getLogger("tandem.auth")


def open_database(
    settings: Settings, tracking: Database, connections: int, *, quiet: bool = False
) -> Database:
    """The database of accounts: `tracking`, or one of their own with so many connections.

    Raises SettingsError when its address cannot be used.
    """
    if settings.auth == "none" or not settings.auth_database_uri:
        return tracking
    own = dataclasses.replace(
        settings, backend_store_uri=settings.auth_database_uri, pool_size=connections
    )
    if settings.auth_database_uri.startswith("sqlite"):
        own = dataclasses.replace(own, db_auth="password")  # a file has no login
    opened = Database(own, flag=FLAG, quiet=quiet)
    if not _is_same(opened.url, tracking.url):
        return opened
    opened.close()
    return tracking


def _is_same(one: URL, other: URL) -> bool:
    """Whether two addresses lead to one database, as far as can be seen.

    Two pools on one SQLite file would wait for each other's transactions.
    """
    if one.drivername != other.drivername or one.drivername != "sqlite":
        return one == other
    first, second = (os.path.realpath(sqlite_file.path_of(each)) for each in (one, other))
    return first == second


def open_gate(
    settings: Settings,
    tracking: Reads,
    read: Reads,
    write: Reads,
    paths: ArtifactPaths,
    apart: Database | None,
) -> Gate | None:
    """The gate that the settings ask for; None where nobody is authenticated.

    `tracking`, and `read` and `write` of accounts, run functions of the store in threads, as
    `Store` does. `paths` tells where artifact locations lead. `apart` is the database of accounts
    where it is one of their own.
    """
    if settings.auth == "none":
        return None
    passwords.of_nobody()  # the first unknown name is not to take longer than others
    default = Level[settings.auth_default_permission]
    owners = Owners(tracking, paths)
    artifacts = ArtifactAccess(owners.artifacts, Signer(read, write))
    logins = Logins(settings, read, write) if settings.auth == "oidc" else None
    return Gate(
        Authenticator(read, write, default, changes.SHARED, logins),
        owners,
        artifacts,
        vouching=Vouching(settings),
        cookies=Cookies(secure=logins.secure) if logins else None,
        login_path=f"{settings.static_prefix}/login",
        own_page=OwnPage(settings.cors_allowed_origins or ()),
        apart=apart,
    )


def prepare(database: Database, settings: Settings) -> bool:
    """Make the tables of accounts, and the first administrator, where they are missing.

    Returns whether it made tables. Raises SettingsError for a database that does not answer, for
    tables that Tandem does not use, and for an administrator without a password.
    """
    with as_settings_error(database.url, database.flag):
        made = make_tables(database)
        _ensure_admin(database, settings)
    return made


def make_tables(database: Database) -> bool:
    """Make the tables of accounts where they are missing; returns whether any was."""
    database.check_access()
    if database.dialect == "sqlite":
        database.use_wal()
    with database.read() as conn:
        if account_tables.why_unusable(conn) is None:
            return False
    with database.write() as conn:
        return account_tables.prepare(conn)


def adopt(database: Database, settings: Settings) -> None:
    """As `prepare`, but leave the tables alone; raise Unavailable until they can be used.

    The first administrator is added, because that is data.
    """
    path = sqlite_file.path_of(database.url)
    if database.dialect == "sqlite" and not os.path.exists(path):
        raise Unavailable(
            "The service's database of accounts is not there; `tandem-metadata db upgrade --auth "
            "basic` makes it."
        )
    database.check_access()
    with database.read(quiet=True) as conn:
        if why := account_tables.why_unusable(conn):
            raise Unavailable(
                f"The service waits for its database of accounts to be migrated. {why}"
            )
    try:
        _ensure_admin(database, settings)
    except SettingsError as error:
        raise Unavailable(str(error)) from None


def _ensure_admin(database: Database, settings: Settings) -> None:
    name, password = settings.auth_admin_username, settings.auth_admin_password
    if not name:
        return
    with database.read() as conn:
        there = users.get(conn, name) if users.exists(conn, name) else None
    if there is not None:
        if password and password != OLD_DEFAULT:
            _replace_old_default(database, name, there.password_hash, password)
        return
    if settings.auth == "oidc" and settings.oidc_admin_groups and not password:
        return  # the provider's groups make administrators
    if not password:
        raise SettingsError(
            f"There is no administrator '{name}' yet, and no password for him is given: set the "
            f"variable MLFLOW_AUTH_ADMIN_PASSWORD to one of at least {accounts.LEAST_PASSWORD} "
            "characters for this start; later starts need none. MLFLOW_AUTH_ADMIN_USERNAME "
            "changes the name."
        )
    try:
        accounts.check_username(name)
        accounts.check_password(password)
    except InvalidParameter as error:
        raise SettingsError(
            f"There is no administrator '{name}' yet: {error.message} The variables are "
            "MLFLOW_AUTH_ADMIN_USERNAME and MLFLOW_AUTH_ADMIN_PASSWORD; later starts need none."
        ) from None
    hashed = passwords.hashed(password)
    with contextlib.suppress(AlreadyExists), database.write() as conn:  # others may be quicker
        users.create(conn, name, hashed, admin=True)
        _log.info("created the administrator '%s'", name)


def _replace_old_default(database: Database, name: str, hash: str | None, password: str) -> None:
    """Let an administrator in again whose password is the one that everybody knows."""
    if not passwords.matches(hash, OLD_DEFAULT):
        return
    try:
        accounts.check_password(password)
    except InvalidParameter as error:
        raise SettingsError(f"MLFLOW_AUTH_ADMIN_PASSWORD: {error.message}") from None
    hashed = passwords.hashed(password)
    with database.write() as conn:
        users.set_password(conn, name, hashed)
    _log.warning("gave '%s' the configured password in place of MLflow's old default", name)

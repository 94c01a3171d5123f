"""Logs connections in with tokens (`--db-auth`), and refuses addresses that do not fit them."""

import os
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from sqlalchemy import URL, Dialect, Engine, event

from tandem_metadata.database.login.aws_iam import RdsTokens
from tandem_metadata.database.login.gcp_iam import CloudSqlTokens
from tandem_metadata.database.login.tokens import LoginFailed, TokenCache, TokenSource
from tandem_shared.settings import SettingsError

_ENCRYPTED: Final = ("require", "verify-ca", "verify-full")
_REFUSED: Final = "authentication failed"
"""What PostgreSQL, RDS and Cloud SQL all say of a user's password that they do not take."""


@dataclass(frozen=True, slots=True)
class _Target:
    """Where libpq connects to, by the address and by its own variables."""

    host: str
    """Several are separated by commas; empty for a socket of this machine."""
    port: str
    user: str
    password: str
    sslmode: str


class Login:
    """Gives each new connection of a pool a token for its password."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._cache = TokenCache(source)

    def attach(self, engine: Engine) -> None:
        """From now on, log the engine's new connections in."""
        event.listen(engine, "do_connect", self._connect)

    def environ(self) -> dict[str, str]:
        """The variables by which libpq of another process logs in, with a token of just now.

        Raises LoginFailed.
        """
        return {"PGPASSWORD": self._cache.renew()}

    def _connect(self, dialect: Dialect, _: object, cargs: Any, cparams: dict[str, Any]) -> Any:
        """A connection of the driver. Called by the thread that needs it; blocks.

        The parameters are all connections': the token must not be put into them.
        """
        token = self._cache.get()
        try:
            return dialect.connect(*cargs, **{**cparams, "password": token})
        except psycopg.OperationalError as error:
            said = [line.strip() for line in str(error).splitlines() if _REFUSED in line]
            if not said:
                raise
            self._cache.forget(token)
            raise LoginFailed(
                f"PostgreSQL says: {said[0].rstrip('.')}. {self._source.refused}"
            ) from error


def open_login(auth: str, url: URL) -> Login | None:
    """The login that `--db-auth` asks for; None where the address has the password.

    Connects to nothing. Raises SettingsError, saying what to change, for an address that tokens do
    not fit, or whose tokens would travel unencrypted, and where the cloud's library is missing.
    """
    if auth == "password":
        return None
    flag = f"--db-auth {auth}"
    if url.get_backend_name() != "postgresql":
        raise SettingsError(f"{flag} is for PostgreSQL: SQLite has no users; leave it out.")
    target = _target(url)
    if target.password:
        raise SettingsError(
            f"{flag} fetches the password: remove the one in --backend-store-uri, and PGPASSWORD."
        )
    if not target.user:
        raise SettingsError(
            f"{flag} needs the database's user: name it as postgresql://user@host/name, or by "
            "PGUSER."
        )
    if not target.host or target.host.startswith("/"):
        raise SettingsError(
            f"{flag} needs the database's host: name it as postgresql://user@host/name, or by "
            "PGHOST."
        )
    if target.sslmode not in _ENCRYPTED:
        raise SettingsError(
            f"{flag} sends tokens, which must be encrypted: end --backend-store-uri with "
            "?sslmode=verify-full&sslrootcert=/path/of/the/ca.pem, or set PGSSLMODE. The weakest "
            f"that is taken is require; it is {target.sslmode} now."
        )
    if auth == "aws-iam":
        return Login(RdsTokens(target.host, target.port, target.user))
    return Login(CloudSqlTokens())


def _target(url: URL) -> _Target:
    _, given = url.get_dialect()().create_connect_args(url)
    defaults = {
        each.keyword.decode(): each.val.decode()
        for each in psycopg.pq.Conninfo.get_defaults()
        if each.val is not None
    }

    def of(name: str) -> str:
        return str(given.get(name) or defaults.get(name) or "")

    # libpq's default is the name of the process's user, whom no cloud knows.
    user = str(given.get("user") or os.environ.get("PGUSER") or "")
    return _Target(of("host"), of("port"), user, of("password"), of("sslmode"))

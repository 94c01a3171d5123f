"""The database's address: checked when the service starts, and never repeated in a message."""

import os.path
import re
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import URL, exc, make_url

from tandem_shared.settings import SettingsError

_USER = re.compile(r"[^:/]*(:[^@]*)?@")
"""User and password before a host, as SQLAlchemy sees them."""


BACKEND: Final = "--backend-store-uri"
"""The flag whose address most messages are about."""


def parse_url(text: str, flag: str = BACKEND) -> URL:
    """The address in SQLAlchemy's form, with the driver that Tandem uses.

    Raises SettingsError, without repeating the address, if it is not a usable one: it names the
    flag that gives the address.
    """
    try:
        text.encode()
        url = make_url(text)
        (url.host or "").encode("idna")
    except (exc.ArgumentError, ValueError):
        raise SettingsError(
            f"{flag} is not a database URL; write sqlite:///path or "
            "postgresql://user:password@host/name, with special characters percent-encoded."
        ) from None
    name = url.drivername.partition("+")[0]
    if name in ("postgresql", "postgres"):
        _check_escapes(text, url, flag)
        url = url.set(drivername="postgresql+psycopg")
        _check_parameters(url, flag)
        return url
    if name != "sqlite":
        raise SettingsError(
            f"{flag} must begin with sqlite:/// or postgresql://; '{name}' is not supported."
        )
    return _sqlite_url(url.set(drivername="sqlite"), flag)


def _check_escapes(text: str, url: URL, flag: str) -> None:
    """Raise SettingsError for an `@` too many: SQLAlchemy takes what follows it for the host.

    Messages would then show a part of the password.
    """
    given = text.partition("://")[2]
    authority = _USER.match(given)
    address, _, query = given[authority.end() if authority else 0 :].partition("?")
    names = [pair.partition("=")[0] for pair in query.split("&")]
    if "@" in address or "@" in (query if url.password else "".join(names)):
        raise SettingsError(
            f"{flag} has an '@' too many: percent-encode special characters of user, "
            "password and name, '@' as %40, '/' as %2F, ':' as %3A, '?' as %3F, '%' as %25."
        )


def _check_parameters(url: URL, flag: str) -> None:
    """Raise SettingsError for parameters that the driver would refuse when it connects."""
    try:
        psycopg.conninfo.make_conninfo(**dict.fromkeys(url.query, ""))
        int(str(url.query.get("connect_timeout", 0)))
        _dialect(url).create_connect_args(url)
    except (psycopg.ProgrammingError, exc.ArgumentError, ValueError) as error:
        raise SettingsError(
            f"{flag} has a parameter that PostgreSQL's library does not take: "
            f"{str(error).strip().rstrip('.')}."
        ) from None


def _dialect(url: URL) -> Any:
    """SQLAlchemy's dialect, which makes the driver's arguments of an address."""
    return url.get_dialect()()


def _sqlite_url(url: URL, flag: str) -> URL:
    if url.host:
        raise SettingsError(f"{flag}: write sqlite:///relative/path or sqlite:////absolute/path.")
    path = url.database or ":memory:"
    if ":memory:" in path or url.query.get("mode") == "memory":
        raise SettingsError(
            f"{flag}: an SQLite database in memory would be empty for every worker "
            "and at every start; write sqlite:///path."
        )
    if not path.startswith("file:") and not os.path.isdir(Path(path).parent):
        raise SettingsError(
            f"{flag}: the directory of the SQLite database, {Path(path).parent}, "
            "does not exist, or the service's user may not look into it; create it."
        )
    try:
        _dialect(url).create_connect_args(url)
    except (exc.ArgumentError, ValueError) as error:
        raise SettingsError(f"{flag} has a parameter that fails: {error}.") from None
    return url

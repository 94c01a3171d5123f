"""Sessions of browsers, and logins that have begun, which become sessions.

A browser has the id of its session in a cookie; the database has the id's SHA-256 alone.
"""

import hashlib
import secrets
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from tandem_metadata.database.tables.accounts import sessions
from tandem_shared.clock import now_ms

LOGIN_MS: Final = 10 * 60_000
"""How long a login may take."""


class Session(NamedTuple):
    """A session as stored; times are milliseconds since 1970."""

    user_id: int | None
    """None while the login is under way."""
    expires_at: int
    refresh_at: int | None
    """When the provider is to be asked again; None for never."""
    data: str
    """Of a login what its return is compared with; of a session its sealed refresh token."""


def begin(conn: Connection, data: str) -> str:
    """Store a login that begins; returns its id. Those that have expired are deleted."""
    conn.execute(delete(sessions).where(sessions.c.expires_at < now_ms()))
    return _add(conn, None, now_ms() + LOGIN_MS, None, data)


def end_login(conn: Connection, session_id: str) -> str | None:
    """What `begin` has stored, once; None for an id that is not known or has expired."""
    found = conn.execute(
        delete(sessions)
        .where(
            sessions.c.digest == _digest(session_id),
            sessions.c.user_id.is_(None),
            sessions.c.expires_at >= now_ms(),
        )
        .returning(sessions.c.data)
    ).first()
    return None if found is None else str(found.data)


def create(
    conn: Connection,
    session_id: str,
    user_id: int,
    expires_at: int,
    refresh_at: int | None,
    data: str,
) -> None:
    """Store a session of a user under a new id of `new_id`."""
    _insert(conn, session_id, user_id, expires_at, refresh_at, data)


def new_id() -> str:
    """An id of 256 random bits."""
    return secrets.token_urlsafe(32)


def find(conn: Connection, session_id: str) -> Session | None:
    """The session of that id; None if it is not known or has expired."""
    row = conn.execute(
        select(
            sessions.c.user_id, sessions.c.expires_at, sessions.c.refresh_at, sessions.c.data
        ).where(
            sessions.c.digest == _digest(session_id),
            sessions.c.user_id.is_not(None),
            sessions.c.expires_at >= now_ms(),
        )
    ).first()
    return None if row is None else Session(*row)


def refresh(conn: Connection, session_id: str, refresh_at: int | None, data: str) -> None:
    """Store when a session is to be refreshed next, and by what."""
    conn.execute(
        update(sessions)
        .where(sessions.c.digest == _digest(session_id))
        .values(refresh_at=refresh_at, data=data)
    )


def end(conn: Connection, session_id: str) -> None:
    """Delete a session."""
    conn.execute(delete(sessions).where(sessions.c.digest == _digest(session_id)))


def _add(
    conn: Connection, user_id: int | None, expires_at: int, refresh_at: int | None, data: str
) -> str:
    session_id = new_id()
    _insert(conn, session_id, user_id, expires_at, refresh_at, data)
    return session_id


def _insert(
    conn: Connection,
    session_id: str,
    user_id: int | None,
    expires_at: int,
    refresh_at: int | None,
    data: str,
) -> None:
    conn.execute(
        insert(sessions).values(
            digest=_digest(session_id),
            user_id=user_id,
            created_at=now_ms(),
            expires_at=expires_at,
            refresh_at=refresh_at,
            data=data,
        )
    )


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()

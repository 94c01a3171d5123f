"""Tokens: 256 random bits, of which the database has the SHA-256 alone."""

import hashlib
import json
import secrets
import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from tandem_metadata.database.tables.accounts import tokens, users
from tandem_metadata.rules.tokens import MOST
from tandem_shared.clock import now_ms
from tandem_shared.errors import InvalidParameter, NotFound

PREFIX: Final = "tandem_"
"""What every token begins with, so that scanners of repositories find lost ones."""

_NOTED_MS: Final = 60_000
"""The time of the last use is kept to the minute: not each request writes."""

_KEPT_MS: Final = 30 * 24 * 3600 * 1000
"""How long a token that has expired is still listed, so that its owner sees why it fails."""


class Token(NamedTuple):
    """A token as stored; times are milliseconds since 1970."""

    token_id: str
    user_id: int
    username: str
    name: str
    created_at: int
    expires_at: int | None
    used_at: int | None
    read_only: bool
    experiments: list[str] | None
    """The ids of the experiments that it is for; None for no restriction."""


def create(
    conn: Connection,
    username: str,
    name: str,
    *,
    expires_at: int | None = None,
    read_only: bool = False,
    experiments: Sequence[str] | None = None,
) -> tuple[Token, str]:
    """A new token of a user, and its text, which is shown this once.

    Forgets tokens of his that expired a month ago. Raises NotFound for an unknown user, and
    InvalidParameter for one who has `MOST` tokens already.
    """
    user_id = _id_of(conn, username)
    now = now_ms()
    conn.execute(delete(tokens).where(_of(user_id), tokens.c.expires_at < now - _KEPT_MS))
    count = conn.execute(select(func.count()).select_from(tokens).where(_of(user_id))).scalar_one()
    if count >= MOST:
        raise InvalidParameter(
            f"User '{username}' has {MOST} tokens already; revoke some of them first."
        )
    text = PREFIX + secrets.token_urlsafe(32)
    made = Token(
        token_id=str(uuid.uuid4()),
        user_id=user_id,
        username=username,
        name=name,
        created_at=now,
        expires_at=expires_at,
        used_at=None,
        read_only=read_only,
        experiments=None if experiments is None else [*experiments],
    )
    values = made._asdict()
    if made.experiments is not None:
        values["experiments"] = json.dumps(made.experiments)
    conn.execute(insert(tokens).values(**values, digest=_digest(text)))
    return made, text


def find(conn: Connection, text: str) -> Token | None:
    """The token of that text, be it expired or not; None if it is not known."""
    row = conn.execute(select(tokens).where(tokens.c.digest == _digest(text))).first()
    return None if row is None else _token(row)


def of_user(conn: Connection, username: str) -> list[Token]:
    """All tokens of a user, the newest first; raises NotFound for an unknown one."""
    user_id = _id_of(conn, username)
    found = conn.execute(
        select(tokens)
        .where(_of(user_id), tokens.c.username == username)
        .order_by(tokens.c.created_at.desc(), tokens.c.token_id)
    )
    return [_token(row) for row in found]


def of_all(conn: Connection) -> list[Token]:
    """All tokens of all users, by user, each user's newest first."""
    order = (tokens.c.username, tokens.c.created_at.desc(), tokens.c.token_id)
    return [_token(row) for row in conn.execute(select(tokens).order_by(*order))]


def revoke(conn: Connection, token_id: str) -> Token:
    """Delete a token, and return it; raises NotFound."""
    row = conn.execute(
        delete(tokens).where(tokens.c.token_id == token_id).returning(*tokens.c)
    ).first()
    if row is None:
        raise not_found(token_id)
    return _token(row)


def not_found(token_id: str) -> NotFound:
    """The error for an id that no token has, or none that may be seen."""
    return NotFound(f"Token with token_id={token_id[:_SHOWN]} not found; list the tokens.")


def is_use_worth_noting(token: Token) -> bool:
    """Whether the time of its last use is older than a minute."""
    return token.used_at is None or now_ms() - token.used_at > _NOTED_MS


def note_use(conn: Connection, token_id: str) -> None:
    """Store that a token is used now."""
    conn.execute(update(tokens).where(tokens.c.token_id == token_id).values(used_at=now_ms()))


_SHOWN: Final = 100


def _id_of(conn: Connection, username: str) -> int:
    """The id of a user, who is not deleted before a transaction ends."""
    statement = select(users.c.id).where(users.c.username == username)
    found: int | None = conn.execute(statement.with_for_update(read=True, key_share=True)).scalar()
    if found is None:
        raise NotFound(f"User with username={username[:_SHOWN]} not found; check the name.")
    return found


def _of(user_id: int) -> ColumnElement[bool]:
    return tokens.c.user_id == user_id


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _token(row: Row[Any]) -> Token:
    values = dict(row._mapping)
    del values["digest"]
    if values["experiments"] is not None:
        values["experiments"] = json.loads(values["experiments"])
    return Token(**values)

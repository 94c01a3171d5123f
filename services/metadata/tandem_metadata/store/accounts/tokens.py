"""Tokens: 256 random bits, of which the database has the SHA-256 alone."""

import hashlib
import json
import secrets
import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Row, delete, insert, select, update

from tandem_metadata.database.tables.accounts import tokens
from tandem_shared.clock import now_ms

PREFIX: Final = "tandem_"
"""What every token begins with, so that scanners of repositories find lost ones."""

_NOTED_MS: Final = 60_000
"""The time of the last use is kept to the minute: not each request writes."""


class Token(NamedTuple):
    """A token as stored; times are milliseconds since 1970."""

    token_id: str
    user_id: int
    name: str
    created_at: int
    expires_at: int | None
    used_at: int | None
    read_only: bool
    experiments: list[str] | None
    """The ids of the experiments that it is for; None for no restriction."""


def create(
    conn: Connection,
    user_id: int,
    name: str,
    *,
    expires_at: int | None = None,
    read_only: bool = False,
    experiments: Sequence[str] | None = None,
) -> tuple[Token, str]:
    """A new token of a user, and its text, which is shown this once."""
    text = PREFIX + secrets.token_urlsafe(32)
    made = Token(
        token_id=str(uuid.uuid4()),
        user_id=user_id,
        name=name,
        created_at=now_ms(),
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
    return _first(conn.execute(select(tokens).where(tokens.c.digest == _digest(text))).first())


def of_user(conn: Connection, user_id: int) -> list[Token]:
    """All tokens of a user, the newest first."""
    found = conn.execute(
        select(tokens)
        .where(tokens.c.user_id == user_id)
        .order_by(tokens.c.created_at.desc(), tokens.c.token_id)
    )
    return [_token(row) for row in found]


def revoke(conn: Connection, token_id: str, user_id: int | None = None) -> bool:
    """Delete a token, of that user if one is given; returns whether there was one."""
    statement = delete(tokens).where(tokens.c.token_id == token_id)
    if user_id is not None:
        statement = statement.where(tokens.c.user_id == user_id)
    return conn.execute(statement).rowcount > 0


def is_use_worth_noting(token: Token) -> bool:
    """Whether the time of its last use is older than a minute."""
    return token.used_at is None or now_ms() - token.used_at > _NOTED_MS


def note_use(conn: Connection, token_id: str) -> None:
    """Store that a token is used now."""
    conn.execute(update(tokens).where(tokens.c.token_id == token_id).values(used_at=now_ms()))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _first(row: Row[tuple[object, ...]] | None) -> Token | None:
    return None if row is None else _token(row)


def _token(row: Row[tuple[object, ...]]) -> Token:
    values = dict(row._mapping)
    del values["digest"]
    if values["experiments"] is not None:
        values["experiments"] = json.loads(values["experiments"])
    return Token(**values)

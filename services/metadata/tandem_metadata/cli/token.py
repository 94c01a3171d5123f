"""The commands `tandem-metadata token create`, `token list` and `token revoke`."""

import argparse
import datetime
import sys
from collections.abc import Iterable

from sqlalchemy import Connection

from tandem_metadata.cli import accounts
from tandem_metadata.database.database import Database
from tandem_metadata.rules import tokens as rules
from tandem_metadata.rules.permissions import EXPERIMENT, Action, Grants, Key, Level
from tandem_metadata.store.accounts import load, tokens
from tandem_metadata.store.accounts.tokens import Token
from tandem_metadata.store.tracking import experiments
from tandem_shared.clock import now_ms


def create(parsed: argparse.Namespace) -> int:
    """Make a token and print it, alone on standard output; returns 0.

    What else there is to say goes to standard error. Raises SettingsError for an unknown user or
    experiment, and as `accounts.opened` does.
    """
    settings = accounts.settings(parsed)
    with accounts.opened(settings) as (database, tracking):
        rules.check_name(parsed.name)
        expires_at = None
        if parsed.expires is not None:
            expires_at = now_ms() + rules.seconds_of(parsed.expires) * 1000
        restricted = rules.experiments_of(parsed.experiment) if parsed.experiment else None
        _check_experiments(tracking, restricted or ())
        with database.write() as conn:
            made, text = tokens.create(
                conn,
                parsed.user,
                parsed.name,
                expires_at=expires_at,
                read_only=parsed.read_only,
                experiments=restricted,
            )
            default = Level[settings.auth_default_permission]
            unread = _unreadable(conn, parsed.user, restricted or (), default)
    if unread:
        print(
            f"Warning: user '{parsed.user}' may not read {', '.join(unread)} of these experiments: "
            "the token permits nothing there until he is granted something.",
            file=sys.stderr,
        )
    print(f"Made token {_described(made)}. It is shown this once:", file=sys.stderr, flush=True)
    print(text)
    return 0


def find(parsed: argparse.Namespace) -> int:
    """Print a line for each token, of a user or of all; returns 0."""
    with accounts.opened(accounts.settings(parsed)) as (database, _), database.read() as conn:
        found = tokens.of_all(conn) if parsed.user is None else tokens.of_user(conn, parsed.user)
    for each in found:
        print(_described(each))
    return 0


def revoke(parsed: argparse.Namespace) -> int:
    """Revoke a token, which services refuse within seconds; returns 0.

    Raises SettingsError for an id that no token has.
    """
    with accounts.opened(accounts.settings(parsed)) as (database, _), database.write() as conn:
        revoked = tokens.revoke(conn, parsed.token_id)
    print(f"Revoked token {_described(revoked)}.")
    return 0


def _check_experiments(tracking: Database, ids: Iterable[str]) -> None:
    for each in ids:
        with tracking.read() as conn:
            experiments.get(conn, each)


def _unreadable(
    conn: Connection, username: str, experiments: Iterable[str], default: Level
) -> list[str]:
    """Those of the experiments that a user may not read."""
    user = load.by_name(conn, username)
    if user is None or user.admin:
        return []
    grants = Grants.of(user.grants, default)
    return [each for each in experiments if not grants.permits(Action.READ, Key(EXPERIMENT, each))]


def _described(token: Token) -> str:
    parts = [
        token.token_id,
        f"user {token.username}",
        f"name {token.name}",
        f"created {_day(token.created_at)}",
        f"expires {_day(token.expires_at)}",
        f"used {_day(token.used_at)}",
    ]
    if token.read_only:
        parts.append("read-only")
    if token.experiments is not None:
        parts.append(f"experiments {', '.join(token.experiments)}")
    return "; ".join(parts)


def _day(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "never"
    moment = datetime.datetime.fromtimestamp(milliseconds // 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

"""Grants that come and go with resources, together with the transaction that changes these.

Where accounts are in the same database, it is that very transaction. Where they have a database of
their own, no commit covers both, and the order decides what a crash between two commits leaves.
Grants are taken away before the resource goes, and given once it is there: what is left is a grant
too few, never one too many. An administrator can repair that by granting it again. The reverse
order would leave a grant on a name or number that the next resource may get, and so let somebody in
whom nobody has let in. What limits other grants, as a DENY, is given first and taken away last for
the same reason. The log says what was not given.
"""

import logging
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.access import account, changes
from tandem_metadata.access.changes import Changes
from tandem_metadata.database.database import Database, on_commit, on_rollback
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Level
from tandem_metadata.store.accounts import grants
from tandem_metadata.store.accounts.grants import Held
from tandem_shared.errors import InvalidParameter

_FAMILIES: Final = (permissions.REGISTERED_MODEL, permissions.PROMPT)

_SHOWN: Final = 20

_log = logging.getLogger("tandem.auth")
_apart: ContextVar[Database | None] = ContextVar("accounts_apart", default=None)
_changed: ContextVar[Changes] = ContextVar("accounts_changed", default=changes.SHARED)


def begin(accounts: Database | None, changed: Changes) -> None:
    """Have the request under way change grants in this database; None: in the one it writes to.

    `changed` is told whose grants have changed, before the request is answered.
    """
    _apart.set(accounts)
    _changed.set(changed)


def give(conn: Connection, type: str, id: str) -> None:
    """Let the user of the request under way manage what he has created."""
    if creator := account.current():
        _check_id(id)
        if type == permissions.EXPERIMENT and conn.dialect.name == "sqlite":
            _drop_left(conn, id)
        _after(
            conn,
            partial(grants.grant, user_id=creator.id, type=type, pattern=id, level=Level.MANAGE),
            f"MANAGE on {type} '{id}' to '{creator.name}', who created it",
            creator.name,
        )


def drop_name(conn: Connection, name: str) -> None:
    """Take away what users and roles are granted on a registered model or prompt that is deleted.

    Another one of that name would have it otherwise.
    """
    if account.current() and name != permissions.ANY:
        _drop(conn, _FAMILIES, name)


def drop(conn: Connection, type: str, id: str) -> None:
    """As `drop_name`, for one resource of another type."""
    if account.current():
        _drop(conn, (type,), id)


def _drop(conn: Connection, types: Sequence[str], name: str) -> None:
    accounts = _apart.get()
    if accounts is None:
        if grants.drop(conn, types, name):
            on_commit(conn, _changed.get().note)
    elif held := _take_before(conn, accounts, types, name):
        _clear_after(conn, accounts, types, name, held)


def move_name(conn: Connection, name: str, new_name: str) -> None:
    """Keep what users and roles are granted on a registered model or prompt that is renamed."""
    if account.current() is None:
        return
    _check_id(new_name)
    if name in (permissions.ANY, new_name):
        return
    accounts = _apart.get()
    if accounts is None:
        if held := grants.take(conn, _FAMILIES, name):
            grants.put(conn, _moved(held, new_name))
            on_commit(conn, _changed.get().note)
    elif held := _take_before(conn, accounts, _FAMILIES, name, new_name):
        _clear_after(conn, accounts, _FAMILIES, name, held)
        again = [each._replace(id=None) for each in _moved(held, new_name)]
        told = f"{_told(held)}, which is called '{new_name}' now"
        on_commit(conn, partial(_store, accounts, partial(grants.put, grants=again), told))


def _take_before(
    conn: Connection,
    accounts: Database,
    types: Sequence[str],
    name: str,
    new_name: str | None = None,
) -> list[Held]:
    """Take away what is granted on a name before the transaction of `conn` ends, but no limits.

    Those are put on the new name as well, if there is one. Returns all that was granted.
    """
    held, there = accounts.run_in_transaction(
        partial(_exchange, types=types, name=name, new_name=new_name)
    )
    if held:
        _changed.get().note()
        _log.info("taken away, since the name is given up: %s", _told(held))
        restore = partial(_restore, types=types, held=held, there=there, new_name=new_name)
        on_rollback(conn, partial(_store, accounts, restore, _told(held)))
    return held


def _exchange(
    conn: Connection, types: Sequence[str], name: str, new_name: str | None
) -> tuple[list[Held], list[Held]]:
    """What was granted on a name, and on the new one; all but limits of the former is taken."""
    taken = grants.take(conn, types, name, but_limits=True)
    limits = grants.find(conn, types, name)
    there = grants.find(conn, types, new_name) if new_name else []
    if new_name and limits:
        grants.put(conn, [each._replace(id=None) for each in _moved(limits, new_name)])
    return taken + limits, there


def _restore(
    conn: Connection,
    types: Sequence[str],
    held: Sequence[Held],
    there: Sequence[Held],
    new_name: str | None,
) -> None:
    """Undo `_exchange`."""
    if new_name:
        grants.take(conn, types, new_name)
    grants.put(conn, [each._replace(id=None) for each in (*held, *there)])


def _clear_after(
    conn: Connection, accounts: Database, types: Sequence[str], name: str, held: Sequence[Held]
) -> None:
    """Take away what limits other grants on a name that is given up, once it is."""
    if any(each.permission in grants.LIMITS for each in held):
        clear = partial(grants.drop, types=types, pattern=name)
        told = f"what limits other grants on '{name}', which is given up"
        on_commit(conn, partial(_store, accounts, clear, told, failed="not taken away"))


def _moved(held: Sequence[Held], new_name: str) -> list[Held]:
    return [each._replace(pattern=new_name) for each in held]


def _drop_left(conn: Connection, id: str) -> None:
    """Take away what was granted on an experiment that `mlflow gc` has removed, and on its scorers.

    SQLite gives the number of the last one again; PostgreSQL gives each number once.
    """
    accounts = _apart.get()
    drop = partial(grants.drop_experiment, number=id)
    if accounts is None:
        if drop(conn):
            on_commit(conn, _changed.get().note)
    elif accounts.run_in_transaction(drop):
        _changed.get().note()


def _after(
    conn: Connection, change: Callable[[Connection], None], told: str, of: str | None = None
) -> None:
    """Change grants once what they are on is there: in the same transaction, or after it.

    `of` is the user whose grants change, if it is one.
    """
    accounts = _apart.get()
    if accounts is None:
        change(conn)
        on_commit(conn, partial(_changed.get().note, of))
    else:
        on_commit(conn, partial(_store, accounts, change, told))


def _store(
    accounts: Database,
    change: Callable[[Connection], object],
    told: str,
    failed: str = "not granted",
) -> None:
    """Store grants; a failure is logged, since what they are on has been answered for."""
    try:
        accounts.run_in_transaction(change)
    except Exception as error:
        reason = getattr(error, "reason", "") or str(error)
        _log.error("%s, so an administrator has to: %s (%s)", failed, told, reason)
    _changed.get().note()


def _told(held: Sequence[Held]) -> str:
    named = ", ".join(f"{each.permission} to role {each.role_id}" for each in held[:_SHOWN])
    more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    return f"{named}{more} on {held[0].type} '{held[0].pattern}'"


def _check_id(id: str) -> None:
    """Raise InvalidParameter for what a grant would take for all resources of the type."""
    if id == permissions.ANY:
        raise InvalidParameter("Invalid name: '*' stands for all names in grants; choose another.")

"""Reads a user with all grants, as each request needs them."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select

from tandem_metadata.database.tables.accounts import (
    role_permissions,
    roles,
    user_role_assignments,
    users,
)
from tandem_metadata.rules.accounts import WORKSPACE
from tandem_metadata.rules.permissions import Grant, Level


class User(NamedTuple):
    """A user as stored."""

    id: int
    name: str
    password_hash: str | None
    admin: bool
    grants: list[Grant]


def by_name(conn: Connection, name: str) -> User | None:
    """The user of that name, or None."""
    return _first(conn, _BY_NAME, {"name": name})


def by_id(conn: Connection, id: int) -> User | None:
    """The user of that id, or None."""
    return _first(conn, _BY_ID, {"id": id})


def _first(conn: Connection, statement: Select[Any], values: Mapping[str, Any]) -> User | None:
    rows = conn.execute(statement, values).all()
    if not rows:
        return None
    user_id, name, password_hash, admin, *_ = rows[0]
    levels = Level.__members__
    grants = [
        Grant(kind, pattern, levels[level]) for *_, kind, pattern, level in rows if level in levels
    ]
    return User(user_id, name, password_hash, bool(admin), grants)


def _statement(clause: ColumnElement[bool]) -> Select[Any]:
    held = (
        users.outerjoin(user_role_assignments, user_role_assignments.c.user_id == users.c.id)
        .outerjoin(
            roles,
            (roles.c.id == user_role_assignments.c.role_id) & (roles.c.workspace == WORKSPACE),
        )
        .outerjoin(role_permissions, role_permissions.c.role_id == roles.c.id)
    )
    return (
        select(
            users.c.id,
            users.c.username,
            users.c.password_hash,
            users.c.is_admin,
            role_permissions.c.resource_type,
            role_permissions.c.resource_pattern,
            role_permissions.c.permission,
        )
        .select_from(held)
        .where(clause)
    )


_BY_NAME: Final = _statement(users.c.username == bindparam("name"))
_BY_ID: Final = _statement(users.c.id == bindparam("id"))

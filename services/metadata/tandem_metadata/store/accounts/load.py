"""Reads a user with all grants, as each request needs them."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, select

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
    return _first(conn, users.c.username == name)


def by_id(conn: Connection, id: int) -> User | None:
    """The user of that id, or None."""
    return _first(conn, users.c.id == id)


def _first(conn: Connection, clause: ColumnElement[bool]) -> User | None:
    rows = conn.execute(_statement(clause)).all()
    if not rows:
        return None
    first = rows[0]
    grants = [
        Grant(row.resource_type, row.resource_pattern, Level[row.permission])
        for row in rows
        if row.permission in Level.__members__
    ]
    return User(first.id, first.username, first.password_hash, bool(first.is_admin), grants)


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

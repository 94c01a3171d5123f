"""Users: creating, reading, changing and deleting them."""

from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select, update
from sqlalchemy.exc import IntegrityError

from tandem_metadata.database.head.accounts import LEGACY
from tandem_metadata.database.tables.accounts import (
    role_permissions,
    roles,
    tokens,
    user_role_assignments,
    users,
)
from tandem_metadata.store.accounts.grants import own_role
from tandem_shared.errors import AlreadyExists, NotFound

_LONGEST: Final = 255


def create(conn: Connection, name: str, password_hash: str | None, *, admin: bool = False) -> int:
    """Create a user; returns its id. One without a password has tokens alone.

    Raises AlreadyExists when there is one of that name.
    """
    row = users.insert().values(username=name, password_hash=password_hash, is_admin=admin)
    try:
        with conn.begin_nested():
            made: int = conn.execute(row.returning(users.c.id)).scalar_one()
    except IntegrityError:
        raise AlreadyExists(
            f"User (username={name}) already exists; choose another name."
        ) from None
    return made


def get(conn: Connection, name: str) -> Row[Any]:
    """The row of a user; raises NotFound."""
    row = conn.execute(select(users).where(users.c.username == name)).first()
    if row is None:
        raise not_found(name)
    return row


def exists(conn: Connection, name: str) -> bool:
    """Whether there is a user of that name."""
    return conn.execute(select(users.c.id).where(users.c.username == name)).first() is not None


def set_password(conn: Connection, name: str, password_hash: str) -> None:
    """Give a user another password; raises NotFound."""
    _change(conn, name, password_hash=password_hash)


def set_admin(conn: Connection, name: str, *, admin: bool) -> None:
    """Make a user an administrator, or no longer; raises NotFound."""
    _change(conn, name, is_admin=admin)


def remove(conn: Connection, name: str) -> None:
    """Delete a user with his grants, roles of his own, and tokens; raises NotFound."""
    user_id = get(conn, name).id
    own = select(roles.c.id).where(roles.c.name == own_role(user_id))
    conn.execute(delete(role_permissions).where(role_permissions.c.role_id.in_(own)))
    conn.execute(
        delete(user_role_assignments).where(
            (user_role_assignments.c.user_id == user_id) | user_role_assignments.c.role_id.in_(own)
        )
    )
    conn.execute(delete(roles).where(roles.c.name == own_role(user_id)))
    for table in (*LEGACY, tokens):
        conn.execute(delete(table).where(table.c.user_id == user_id))
    conn.execute(delete(users).where(users.c.id == user_id))


def not_found(name: str) -> NotFound:
    """The error for a name that no user has."""
    return NotFound(f"User with username={name[:_LONGEST]} not found; check the name.")


def _change(conn: Connection, name: str, **values: object) -> None:
    if not conn.execute(update(users).where(users.c.username == name).values(values)).rowcount:
        raise not_found(name)

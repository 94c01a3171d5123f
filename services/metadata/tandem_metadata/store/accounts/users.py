"""Users: creating, reading, changing and deleting them."""

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, Select, delete, select, update

from tandem_metadata.database import tables
from tandem_metadata.database.head.accounts import LEGACY
from tandem_metadata.database.tables.accounts import (
    role_permissions,
    roles,
    sessions,
    tokens,
    user_role_assignments,
    users,
)
from tandem_metadata.store.accounts.grants import own_role
from tandem_shared.errors import AlreadyExists, BadRequest, NotFound

_SHOWN: Final = 255


def create(conn: Connection, name: str, password_hash: str | None, *, admin: bool = False) -> int:
    """Create a user; returns its id. One without a password has tokens alone.

    Raises AlreadyExists when there is one of that name.
    """
    row = tables.insert(conn, users).values(
        username=name, password_hash=password_hash, is_admin=admin
    )
    made: int | None = conn.execute(
        row.on_conflict_do_nothing(index_elements=[users.c.username]).returning(users.c.id)
    ).scalar()
    if made is None:
        raise AlreadyExists(f"User (username={name[:_SHOWN]}) already exists; choose another name.")
    return made


def get(conn: Connection, name: str) -> Row[Any]:
    """The row of a user; raises NotFound."""
    return _one(conn, name, _named(name))


class Listed(NamedTuple):
    """A user as the command line lists him."""

    name: str
    admin: bool
    has_password: bool


def listed(conn: Connection) -> list[Listed]:
    """All users, by their names."""
    columns = (users.c.username, users.c.is_admin, users.c.password_hash.is_not(None))
    found = conn.execute(select(*columns).order_by(users.c.username))
    return [Listed(name, bool(admin), bool(has_password)) for name, admin, has_password in found]


def exists(conn: Connection, name: str) -> bool:
    """Whether there is a user of that name."""
    return conn.execute(select(users.c.id).where(users.c.username == name)).first() is not None


def held(conn: Connection, name: str) -> int:
    """The id of a user who is not deleted before the transaction ends; raises NotFound."""
    found: int = _one(conn, name, _named(name).with_for_update(read=True, key_share=True)).id
    return found


def set_password(conn: Connection, name: str, password_hash: str) -> None:
    """Give a user another password; raises NotFound."""
    _change(conn, name, password_hash=password_hash)


def set_admin(conn: Connection, name: str, *, admin: bool) -> None:
    """Make a user an administrator, or no longer; raises NotFound.

    Raises BadRequest for the only administrator, who stays one.
    """
    if not admin:
        _keep_an_administrator(conn, name)
    _change(conn, name, is_admin=admin)


def remove(conn: Connection, name: str) -> None:
    """Delete a user with his grants, the role of his own, tokens and sessions.

    A database may give his id to the next user, who is to have nothing of his. Raises NotFound,
    and BadRequest for the only administrator.
    """
    _keep_an_administrator(conn, name)
    user_id = _one(conn, name, _named(name).with_for_update()).id
    own = select(roles.c.id).where(roles.c.name == own_role(user_id))
    conn.execute(delete(role_permissions).where(role_permissions.c.role_id.in_(own)))
    conn.execute(
        delete(user_role_assignments).where(
            (user_role_assignments.c.user_id == user_id) | user_role_assignments.c.role_id.in_(own)
        )
    )
    conn.execute(delete(roles).where(roles.c.name == own_role(user_id)))
    for table in (*LEGACY, tokens, sessions):
        conn.execute(delete(table).where(table.c.user_id == user_id))
    conn.execute(delete(users).where(users.c.id == user_id))


def not_found(name: str) -> NotFound:
    """The error for a name that no user has."""
    return NotFound(f"User with username={name[:_SHOWN]} not found; check the name.")


def _named(name: str) -> Select[Any]:
    return select(users).where(users.c.username == name)


def _one(conn: Connection, name: str, statement: Select[Any]) -> Row[Any]:
    row = conn.execute(statement).first()
    if row is None:
        raise not_found(name)
    return row


def _keep_an_administrator(conn: Connection, name: str) -> None:
    """Refuse what would leave nobody to administer users.

    The rows of administrators stay locked, so that two of them cannot remove each other at once.
    """
    locked = select(users.c.username).where(users.c.is_admin).order_by(users.c.id)
    if [*conn.execute(locked.with_for_update()).scalars()] == [name]:
        raise BadRequest(
            f"User '{name[:_SHOWN]}' is the only administrator: make another user one first."
        )


def _change(conn: Connection, name: str, **values: object) -> None:
    if not conn.execute(update(users).where(users.c.username == name).values(values)).rowcount:
        raise not_found(name)

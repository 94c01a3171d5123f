"""Grants of single users, and all grants on a resource that goes or gets another name.

Each user has a role of his own for his grants, as in MLflow.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, select, update

from tandem_metadata.database import tables
from tandem_metadata.database.tables.accounts import (
    role_permissions,
    roles,
    user_role_assignments,
    users,
)
from tandem_metadata.rules.accounts import OWN_PREFIX, WORKSPACE
from tandem_metadata.rules.permissions import EXPERIMENT, SCORER, Level
from tandem_shared.errors import AlreadyExists, InvalidParameter, NotFound, Unauthenticated

_KEY: Final = [
    role_permissions.c[name] for name in ("role_id", "resource_type", "resource_pattern")
]
_HELD: Final = [*_KEY, role_permissions.c.permission, role_permissions.c.id]


LIMITS: Final = (Level.DENY.name, Level.NO_PERMISSIONS.name)
"""Levels that take away what other grants or the default permission permit."""


class Held(NamedTuple):
    """A grant of a role, as stored; also of the role of a single user."""

    role_id: int
    type: str
    pattern: str
    permission: str
    id: int | None = None
    """None for one to be stored under a new id."""


def own_role(user_id: int) -> str:
    """The name of the role that holds a user's own grants."""
    return f"{OWN_PREFIX}{user_id}__"


def grant(conn: Connection, user_id: int, type: str, pattern: str, level: Level) -> None:
    """Give a user this level, instead of the one that he has of his own on the same resource."""
    own = Held(_own_role_id(conn, user_id), type, pattern, level.name)
    row = tables.insert(conn, role_permissions).values(_columns(own))
    conn.execute(row.on_conflict_do_update(index_elements=_KEY, set_={"permission": level.name}))


def take(
    conn: Connection, types: Collection[str], pattern: str, *, but_limits: bool = False
) -> list[Held]:
    """Take away what anybody is granted on a resource, by roles too; returns what it was.

    With `but_limits`, that which takes away from other grants stays.
    """
    clauses = [*_on(types, pattern)]
    if but_limits:
        clauses.append(role_permissions.c.permission.not_in(LIMITS))
    taken = conn.execute(delete(role_permissions).where(*clauses).returning(*_HELD))
    return [Held(*row) for row in taken]


def find(conn: Connection, types: Collection[str], pattern: str) -> list[Held]:
    """What anybody is granted on a resource."""
    return [Held(*row) for row in conn.execute(select(*_HELD).where(*_on(types, pattern)))]


def drop(conn: Connection, types: Collection[str], pattern: str) -> bool:
    """Take away what anybody is granted on a resource; returns whether it was any."""
    return conn.execute(delete(role_permissions).where(*_on(types, pattern))).rowcount > 0


def drop_experiment(conn: Connection, number: int | str) -> bool:
    """Take away what anybody is granted on an experiment that is gone, and on its scorers.

    Returns whether it was any.
    """
    columns = role_permissions.c
    scorers = columns.resource_pattern.startswith(f"{number}/", autoescape=True)
    of_scorers = delete(role_permissions).where(columns.resource_type == SCORER, scorers)
    return bool(conn.execute(of_scorers).rowcount) | drop(conn, (EXPERIMENT,), str(number))


def put(conn: Connection, grants: Sequence[Held]) -> None:
    """Give what was taken, perhaps on another pattern, to those roles that are still there.

    It replaces what a role grants there already, except for a DENY.
    """
    ids = {each.role_id for each in grants}
    there = set(conn.execute(select(roles.c.id).where(roles.c.id.in_(ids))).scalars())
    if rows := [_columns(each) for each in grants if each.role_id in there]:
        new = tables.insert(conn, role_permissions)
        conn.execute(
            new.on_conflict_do_update(
                index_elements=_KEY,
                set_={"permission": new.excluded.permission},
                where=role_permissions.c.permission != Level.DENY.name,
            ),
            rows,
        )


def add(conn: Connection, user_id: int, type: str, pattern: str, level: Level) -> None:
    """Give a user a level; raises AlreadyExists if he has one of his own on the same resource."""
    statement = tables.insert(conn, role_permissions).values(
        role_id=_own_role_id(conn, user_id),
        resource_type=type,
        resource_pattern=pattern,
        permission=level.name,
    )
    made = statement.on_conflict_do_nothing(index_elements=_KEY).returning(role_permissions.c.id)
    if conn.execute(made).first() is None:
        raise AlreadyExists(
            f"Permission on resource_type={type}, resource_id={pattern} already exists for the "
            "user; revoke it first."
        )


def change(conn: Connection, user_id: int, type: str, pattern: str, level: Level) -> None:
    """Change the level that a user has of his own on a resource; raises NotFound if he has none."""
    changed = conn.execute(
        update(role_permissions)
        .where(*_of_user(user_id, type, pattern))
        .values(permission=level.name)
    )
    if not changed.rowcount:
        raise _not_found(type, pattern)


def revoke(conn: Connection, user_id: int, type: str, pattern: str) -> None:
    """Take away what a user has of his own on a resource; raises NotFound if he has nothing."""
    if not conn.execute(delete(role_permissions).where(*_of_user(user_id, type, pattern))).rowcount:
        raise _not_found(type, pattern)


def of_user(conn: Connection, user_id: int, *types: str) -> list[Row[Any]]:
    """What a user has of his own on single resources of these types: type, pattern, permission."""
    columns = role_permissions.c
    return [
        *conn.execute(
            select(columns.resource_type, columns.resource_pattern, columns.permission)
            .join(roles, roles.c.id == columns.role_id)
            .where(*_own_role(user_id), columns.resource_type.in_(types))
            .order_by(columns.id)
        )
    ]


def own_level(conn: Connection, user_id: int, type: str, pattern: str) -> str:
    """The level that a user has of his own on a resource; raises NotFound if he has none."""
    found: str | None = conn.execute(
        select(role_permissions.c.permission).where(*_of_user(user_id, type, pattern))
    ).scalar()
    if found is None:
        raise _not_found(type, pattern)
    return found


def _columns(held: Held) -> dict[str, Any]:
    values = {
        "role_id": held.role_id,
        "resource_type": held.type,
        "resource_pattern": held.pattern,
        "permission": held.permission,
    }
    return values if held.id is None else {"id": held.id, **values}


def _on(types: Collection[str], pattern: str) -> Iterator[ColumnElement[bool]]:
    yield role_permissions.c.resource_type.in_(types)
    yield role_permissions.c.resource_pattern == pattern


def _not_found(type: str, pattern: str) -> NotFound:
    return NotFound(
        f"Permission on resource_type={type}, resource_id={pattern[:255]} not found: the user has "
        "none of his own there."
    )


def _own_role(user_id: int) -> Iterator[ColumnElement[bool]]:
    yield roles.c.workspace == WORKSPACE
    yield roles.c.name == own_role(user_id)


def _of_user(user_id: int, type: str, pattern: str) -> Iterator[ColumnElement[bool]]:
    yield role_permissions.c.resource_type == type
    yield role_permissions.c.resource_pattern == pattern
    yield role_permissions.c.role_id.in_(select(roles.c.id).where(*_own_role(user_id)))


def _own_role_id(conn: Connection, user_id: int) -> int:
    """The id of a user's own role, which is made and assigned where it is missing.

    Raises InvalidParameter for one that another user has as well: he would get the grant too.
    Raises Unauthenticated for a user who is gone: the next one may get his id.
    """
    user = select(users.c.id).where(users.c.id == user_id)
    if conn.execute(user.with_for_update(read=True, key_share=True)).first() is None:
        raise Unauthenticated("The user does not exist any more.")
    conn.execute(
        tables.insert(conn, roles)
        .values(name=own_role(user_id), workspace=WORKSPACE)
        .on_conflict_do_nothing(index_elements=[roles.c.workspace, roles.c.name])
    )
    assigned = user_role_assignments.c
    others = exists().where(assigned.role_id == roles.c.id, assigned.user_id != user_id)
    role = conn.execute(select(roles.c.id, others.label("shared")).where(*_own_role(user_id))).one()
    if role.shared:
        raise InvalidParameter(
            f"The role '{own_role(user_id)}' is kept for one user's grants, but is assigned to "
            "others too; unassign it from them."
        )
    conn.execute(
        tables.insert(conn, user_role_assignments)
        .values(user_id=user_id, role_id=role.id)
        .on_conflict_do_nothing(index_elements=[assigned.user_id, assigned.role_id])
    )
    role_id: int = role.id
    return role_id

"""Grants of single users. Each user has a role of his own for them, as in MLflow.

Grants that administrators gave to roles stay as they are when a resource goes or is renamed.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, select, update

from tandem_metadata.database import tables
from tandem_metadata.database.tables.accounts import role_permissions, roles, user_role_assignments
from tandem_metadata.rules.permissions import Level
from tandem_metadata.store.accounts.load import WORKSPACE

OWN_PREFIX: Final = "__user_"
"""Names of roles that begin so are reserved for single users'."""


def own_role(user_id: int) -> str:
    """The name of the role that holds a user's own grants."""
    return f"{OWN_PREFIX}{user_id}__"


def grant(conn: Connection, user_id: int, type: str, pattern: str, level: Level) -> None:
    """Give a user this level, instead of the one that he has of his own on the same resource."""
    role_id = _own_role_id(conn, user_id)
    values = {
        "role_id": role_id,
        "resource_type": type,
        "resource_pattern": pattern,
        "permission": level.name,
    }
    statement = tables.insert(conn, role_permissions).values(values)
    key = [role_permissions.c[name] for name in ("role_id", "resource_type", "resource_pattern")]
    conn.execute(
        statement.on_conflict_do_update(index_elements=key, set_={"permission": level.name})
    )


def forget(conn: Connection, type: str, id: str) -> None:
    """Take away what single users are granted on a resource that is gone."""
    conn.execute(delete(role_permissions).where(*_own(type, id)))


def rename(conn: Connection, type: str, id: str, new_id: str) -> None:
    """Move what single users are granted on a resource to its new name."""
    conn.execute(update(role_permissions).where(*_own(type, id)).values(resource_pattern=new_id))


def _own(type: str, id: str) -> Iterator[ColumnElement[bool]]:
    own = select(roles.c.id).where(roles.c.name.startswith(OWN_PREFIX, autoescape=True))
    yield role_permissions.c.resource_type == type
    yield role_permissions.c.resource_pattern == id
    yield role_permissions.c.role_id.in_(own)


def _own_role_id(conn: Connection, user_id: int) -> int:
    """The id of a user's own role, which is made and assigned where it is missing."""
    name = own_role(user_id)
    conn.execute(
        tables.insert(conn, roles)
        .values(name=name, workspace=WORKSPACE)
        .on_conflict_do_nothing(index_elements=[roles.c.workspace, roles.c.name])
    )
    role_id: int = conn.execute(
        select(roles.c.id).where(roles.c.workspace == WORKSPACE, roles.c.name == name)
    ).scalar_one()
    assigned = user_role_assignments.c
    conn.execute(
        tables.insert(conn, user_role_assignments)
        .values(user_id=user_id, role_id=role_id)
        .on_conflict_do_nothing(index_elements=[assigned.user_id, assigned.role_id])
    )
    return role_id

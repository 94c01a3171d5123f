"""Roles, and what they grant."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from tandem_metadata.database import tables
from tandem_metadata.database.tables.accounts import role_permissions, roles, user_role_assignments
from tandem_metadata.messages.accounts import Role, RolePermission
from tandem_metadata.rules import permissions
from tandem_metadata.rules.accounts import OWN_PREFIX
from tandem_metadata.rules.permissions import Level
from tandem_metadata.store.dialect.in_list import any_of
from tandem_shared.errors import AlreadyExists, InvalidParameter, NotFound

_LARGEST_ID: Final = 2**31 - 1
_SHOWN: Final = 255


def create(conn: Connection, workspace: str, name: str, description: str | None) -> Role:
    """Create a role that grants nothing yet; raises AlreadyExists if the workspace has the name."""
    row = tables.insert(conn, roles).values(workspace=workspace, name=name, description=description)
    made: int | None = conn.execute(
        row.on_conflict_do_nothing(index_elements=[roles.c.workspace, roles.c.name]).returning(
            roles.c.id
        )
    ).scalar()
    if made is None:
        raise _name_taken(name)
    return Role(made, name, workspace, description, [])


def get(conn: Connection, role_id: int) -> Role:
    """A role with what it grants; raises NotFound."""
    found = read(conn, [roles.c.id == id_of(role_id)])
    if not found:
        raise not_found(role_id)
    return found[0]


def find(
    conn: Connection, workspaces: Collection[str], but: Iterable[ColumnElement[bool]] = ()
) -> list[Role]:
    """All roles of these workspaces, or of each one, with what they grant; the oldest first.

    `but` are clauses that hold for those that are shown.
    """
    inside = [any_of(conn, roles.c.workspace, [*workspaces])] if workspaces else []
    return read(conn, [*inside, *but])


def is_private() -> ColumnElement[bool]:
    """That a role holds the grants of a single user. `LIKE` of SQLite would ignore case."""
    return func.substr(roles.c.name, 1, len(OWN_PREFIX)) == OWN_PREFIX


def read(conn: Connection, clauses: Iterable[ColumnElement[bool]]) -> list[Role]:
    """The roles for which all clauses hold, with what they grant, in one statement."""
    granted = role_permissions.c
    rows = conn.execute(
        select(
            roles,
            granted.id.label("permission_id"),
            granted.resource_type,
            granted.resource_pattern,
            granted.permission,
        )
        .select_from(roles.outerjoin(role_permissions, granted.role_id == roles.c.id))
        .where(*clauses)
        .order_by(roles.c.id, granted.id)
    )
    found: dict[int, Role] = {}
    for row in rows:
        role = found.get(row.id)
        if role is None:
            role = found[row.id] = Role(row.id, row.name, row.workspace, row.description, [])
        if row.permission_id is not None:
            role.permissions.append(_permission(row, row.permission_id, row.id))
    return [*found.values()]


def change(conn: Connection, role_id: int, name: str | None, description: str | None) -> Role:
    """Set a role's name and description where they are not None.

    Raises NotFound, AlreadyExists if its workspace has the name, and InvalidParameter for a new
    name of a single user's role.
    """
    role = _kept(conn, role_id)
    if name is not None and name != role.name:
        if role.name.startswith(OWN_PREFIX):
            raise InvalidParameter(
                f"Role '{role.name}' holds the grants of a single user and keeps its name."
            )
        taken = select(roles.c.id).where(
            roles.c.workspace == role.workspace, roles.c.name == name, roles.c.id != role.id
        )
        if conn.execute(taken).first():
            raise _name_taken(name)
    wanted = {"name": name, "description": description}
    values = {field: value for field, value in wanted.items() if value is not None}
    try:
        conn.execute(update(roles).where(roles.c.id == role.id).values(values))
    except IntegrityError:  # another one has taken the name meanwhile
        raise _name_taken(name or role.name) from None
    return get(conn, role_id)


def remove(conn: Connection, role_id: int) -> None:
    """Delete a role with its grants and assignments; raises NotFound."""
    role = _kept(conn, role_id)
    for table in (role_permissions, user_role_assignments):
        conn.execute(delete(table).where(table.c.role_id == role.id))
    conn.execute(delete(roles).where(roles.c.id == role.id))


def add_permission(
    conn: Connection, role_id: int, type: str, pattern: str, level: Level
) -> RolePermission:
    """Let a role grant a level; raises NotFound, and AlreadyExists if it grants one there."""
    held(conn, role_id)
    values = {"role_id": role_id, "resource_type": type, "resource_pattern": pattern}
    row = tables.insert(conn, role_permissions).values(**values, permission=level.name)
    made: int | None = conn.execute(
        row.on_conflict_do_nothing(
            index_elements=[role_permissions.c[name] for name in values]
        ).returning(role_permissions.c.id)
    ).scalar()
    if made is None:
        raise AlreadyExists(
            f"Role permission (role_id={role_id}, resource_type={type}, "
            f"resource_pattern={pattern}) already exists; update it instead."
        )
    return RolePermission(made, role_id, type, pattern, level.name)


def change_permission(conn: Connection, permission_id: int, name: str) -> RolePermission:
    """Change a grant's level; raises NotFound, and InvalidParameter for a level it cannot have."""
    row = _granted(conn, permission_id, for_update=True)
    level = permissions.level_of(name, row.resource_type)
    conn.execute(
        update(role_permissions)
        .where(role_permissions.c.id == row.id)
        .values(permission=level.name)
    )
    made = _permission(row, row.id, row.role_id)
    made.permission = level.name
    return made


def remove_permission(conn: Connection, permission_id: int) -> None:
    """Take a grant from its role; raises NotFound."""
    found = conn.execute(
        delete(role_permissions).where(role_permissions.c.id == id_of(permission_id))
    )
    if not found.rowcount:
        raise _permission_not_found(permission_id)


def assign(conn: Connection, user_id: int, role_id: int) -> int:
    """Give a role to a user; returns the assignment's id.

    Raises NotFound, AlreadyExists if he has it, and InvalidParameter for a single user's role.
    """
    if held(conn, role_id).name.startswith(OWN_PREFIX):
        raise InvalidParameter(
            f"Role {role_id} holds the grants of a single user; grant other users on their own, "
            "or by a role that you create."
        )
    columns = user_role_assignments.c
    row = tables.insert(conn, user_role_assignments).values(user_id=user_id, role_id=role_id)
    made: int | None = conn.execute(
        row.on_conflict_do_nothing(index_elements=[columns.user_id, columns.role_id]).returning(
            columns.id
        )
    ).scalar()
    if made is None:
        raise AlreadyExists(
            f"User role assignment (user_id={user_id}, role_id={role_id}) already exists."
        )
    return made


def unassign(conn: Connection, user_id: int, role_id: int) -> None:
    """Take a role from a user; raises NotFound if he does not have it."""
    columns = user_role_assignments.c
    found = conn.execute(
        delete(user_role_assignments).where(
            columns.user_id == user_id, columns.role_id == id_of(role_id)
        )
    )
    if not found.rowcount:
        raise NotFound(f"User role assignment (user_id={user_id}, role_id={role_id}) not found.")


def held(conn: Connection, role_id: int) -> Row[Any]:
    """A role's row, which is not deleted before the transaction ends; raises NotFound."""
    statement = select(roles).where(roles.c.id == id_of(role_id))
    row = conn.execute(statement.with_for_update(read=True, key_share=True)).first()
    if row is None:
        raise not_found(role_id)
    return row


def _kept(conn: Connection, role_id: int) -> Row[Any]:
    """A role's row, which nobody else changes before the transaction ends; raises NotFound."""
    statement = select(roles).where(roles.c.id == id_of(role_id)).with_for_update()
    row = conn.execute(statement).first()
    if row is None:
        raise not_found(role_id)
    return row


def _granted(conn: Connection, permission_id: int, *, for_update: bool = False) -> Row[Any]:
    statement = select(role_permissions).where(role_permissions.c.id == id_of(permission_id))
    row = conn.execute(statement.with_for_update() if for_update else statement).first()
    if row is None:
        raise _permission_not_found(permission_id)
    return row


def _permission(row: Row[Any], id: int, role_id: int) -> RolePermission:
    return RolePermission(id, role_id, row.resource_type, row.resource_pattern, row.permission)


def id_of(id: int) -> int:
    """The id, or one that nothing has for a number that the column does not hold."""
    return id if 0 < id <= _LARGEST_ID else 0


def not_found(role_id: int) -> NotFound:
    """The error for an id that no role has."""
    return NotFound(f"Role with id={role_id} not found; roles/list has the ids.")


def _permission_not_found(permission_id: int) -> NotFound:
    return NotFound(f"Role permission with id={permission_id} not found.")


def _name_taken(name: str) -> AlreadyExists:
    return AlreadyExists(f"Role with name={name[:_SHOWN]} already exists; choose another name.")

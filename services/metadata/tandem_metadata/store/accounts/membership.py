"""Who has which roles, and where that lets him administer."""

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, or_, select, true

from tandem_metadata.database.tables.accounts import (
    role_permissions,
    roles,
    user_role_assignments,
    users,
)
from tandem_metadata.messages.accounts import Role, RoleAssignment, UserWithRoles
from tandem_metadata.rules.permissions import ANY, WORKSPACE, Level
from tandem_metadata.store.accounts import roles as store
from tandem_metadata.store.accounts.grants import own_role
from tandem_metadata.store.dialect.in_list import any_of


def of_role(conn: Connection, role_id: int) -> list[RoleAssignment]:
    """All assignments of a role; raises NotFound."""
    if workspace_of_role(conn, role_id) is None:
        raise store.not_found(role_id)
    columns = user_role_assignments.c
    rows = conn.execute(
        select(columns.id, columns.user_id, columns.role_id)
        .where(columns.role_id == role_id)
        .order_by(columns.id)
    )
    return [RoleAssignment(*row) for row in rows]


def of_user(
    conn: Connection, user_id: int, workspaces: Collection[str] | None = None
) -> list[Role]:
    """The roles that a user has, in these workspaces or in all, with what they grant."""
    assigned = select(user_role_assignments.c.role_id).where(
        user_role_assignments.c.user_id == user_id
    )
    clauses: list[ColumnElement[bool]] = [roles.c.id.in_(assigned)]
    if workspaces is not None:
        clauses.append(any_of(conn, roles.c.workspace, [*workspaces]))
    return store.read(conn, clauses)


def of_all(
    conn: Connection, viewer: int, workspaces: Collection[str] | None = None
) -> list[UserWithRoles]:
    """All users, each with his roles in these workspaces or in all; `viewer` sees all his own."""
    columns = user_role_assignments.c
    seen: ColumnElement[bool] = true()
    if workspaces is not None:
        inside = any_of(conn, roles.c.workspace, [*workspaces])
        seen = or_(columns.user_id == viewer, inside)
    shown = (
        select(columns.user_id, columns.role_id)
        .join(roles, roles.c.id == columns.role_id)
        .where(seen)
        .order_by(columns.id)
    )
    assigned: defaultdict[int, list[int]] = defaultdict(list)
    for row in conn.execute(shown):
        assigned[row.user_id].append(row.role_id)
    ids = select(columns.role_id).join(roles, roles.c.id == columns.role_id).where(seen)
    by_id = {role.id: role for role in store.read(conn, [roles.c.id.in_(ids)])}
    found = conn.execute(
        select(users.c.id, users.c.username, users.c.is_admin).order_by(users.c.id)
    )
    return [
        UserWithRoles(
            row.id,
            row.username,
            bool(row.is_admin),
            [by_id[each] for each in assigned.get(row.id, ()) if each in by_id],
        )
        for row in found
    ]


def in_workspaces(conn: Connection, viewer: int, workspaces: Collection[str]) -> list[Role]:
    """All roles of these workspaces that a user who is no administrator may see.

    Roles of other single users are shown where he administers.
    """
    shown = or_(
        ~store.is_private(),
        roles.c.name == own_role(viewer),
        any_of(conn, roles.c.workspace, [*administered(conn, viewer)]),
    )
    return store.find(conn, workspaces, [shown])


def is_of_another(conn: Connection, viewer: int, role_id: int) -> bool:
    """Whether a role holds the grants of a single user, who is not this one."""
    found = conn.execute(
        select(roles.c.id).where(
            roles.c.id == store.id_of(role_id),
            store.is_private(),
            roles.c.name != own_role(viewer),
        )
    )
    return found.first() is not None


def present(conn: Connection, user_id: int) -> set[str]:
    """The workspaces in which a user has any role."""
    columns = user_role_assignments.c
    found = conn.execute(
        select(roles.c.workspace)
        .distinct()
        .join(user_role_assignments, columns.role_id == roles.c.id)
        .where(columns.user_id == user_id)
    )
    return {*found.scalars()}


def administered(conn: Connection, user_id: int) -> set[str]:
    """The workspaces that a user administers by one of his roles."""
    granted, columns = role_permissions.c, user_role_assignments.c
    found = conn.execute(
        select(roles.c.workspace)
        .distinct()
        .join(role_permissions, granted.role_id == roles.c.id)
        .join(user_role_assignments, columns.role_id == roles.c.id)
        .where(
            columns.user_id == user_id,
            granted.resource_type == WORKSPACE,
            granted.resource_pattern == ANY,
            granted.permission == Level.MANAGE.name,
        )
    )
    return {*found.scalars()}


def workspace_of_role(conn: Connection, role_id: int) -> str | None:
    """The workspace of a role; None if there is none of that id."""
    found = conn.execute(select(roles.c.workspace).where(roles.c.id == store.id_of(role_id)))
    workspace: str | None = found.scalar()
    return workspace


def workspace_of_permission(conn: Connection, permission_id: int) -> str | None:
    """The workspace of the role that has a grant; None if there is none of that id."""
    found = conn.execute(
        select(roles.c.workspace)
        .join(role_permissions, role_permissions.c.role_id == roles.c.id)
        .where(role_permissions.c.id == store.id_of(permission_id))
    )
    workspace: str | None = found.scalar()
    return workspace

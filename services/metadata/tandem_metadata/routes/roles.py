"""Endpoints of roles: what they grant, and who has them."""

from typing import Any

from tandem_metadata.access import account, account_rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import accounts as messages
from tandem_metadata.routes import user_permissions
from tandem_metadata.routes.endpoint import READ, RETRIED_WRITE, WRITE, Context, Endpoint
from tandem_metadata.rules import accounts, permissions
from tandem_metadata.store.accounts import membership, roles, users
from tandem_shared.errors import InvalidParameter


def create(conn: Connection, request: messages.CreateRole) -> messages.RoleResponse:
    """Create a role that grants nothing yet."""
    accounts.check_role_name(request.name)
    accounts.check_workspace(request.workspace)
    accounts.check_description(request.description or "")
    made = roles.create(conn, request.workspace, request.name, request.description)
    return messages.RoleResponse(made)


def get(conn: Connection, request: messages.OneRole) -> messages.RoleResponse:
    """Read a role."""
    return messages.RoleResponse(roles.get(conn, request.role_id))


async def find(context: Context, request: messages.ListRoles) -> messages.RolesResponse:
    """List those roles that the sender may see."""
    if not all(each.strip() for each in request.workspace):
        raise InvalidParameter("Parameter 'workspace' must not be empty where it is given.")
    sender = account.sender()
    if sender.admin:
        return messages.RolesResponse(await context.read(roles.find, request.workspace))
    found = await context.read(membership.in_workspaces, sender.id, request.workspace)
    return messages.RolesResponse(found)


def update(conn: Connection, request: messages.UpdateRole) -> messages.RoleResponse:
    """Change a role's name or description."""
    if request.name is None and request.description is None:
        raise InvalidParameter(
            "At least one of 'name' or 'description' must be provided to update a role."
        )
    if request.name is not None:
        accounts.check_role_name(request.name)
    accounts.check_description(request.description or "")
    changed = roles.change(conn, request.role_id, request.name, request.description)
    return messages.RoleResponse(changed)


async def delete(context: Context, request: messages.OneRole) -> None:
    """Delete a role; whoever has it loses what it grants."""
    await context.retried_write(roles.remove, request.role_id)
    context.authenticator.changed.note()


async def add_permission(
    context: Context, request: messages.AddRolePermission
) -> messages.RolePermissionResponse:
    """Let a role grant a level on a resource, or on all of a type."""
    kind = request.resource_type
    level = permissions.level_of(request.permission, kind)
    permissions.check_pattern(request.resource_pattern, kind)
    pattern = permissions.canonical(request.resource_pattern, kind)
    made = await context.retried_write(roles.add_permission, request.role_id, kind, pattern, level)
    context.authenticator.changed.note()
    return messages.RolePermissionResponse(made)


async def remove_permission(context: Context, request: messages.OneRolePermission) -> None:
    """Take a grant from its role."""
    await context.retried_write(roles.remove_permission, request.role_permission_id)
    context.authenticator.changed.note()


def list_permissions(
    conn: Connection, request: messages.OneRole
) -> messages.RolePermissionsResponse:
    """List what a role grants."""
    return messages.RolePermissionsResponse(roles.get(conn, request.role_id).permissions)


async def update_permission(
    context: Context, request: messages.UpdateRolePermission
) -> messages.RolePermissionResponse:
    """Change the level that a role grants."""
    changed = await context.retried_write(
        roles.change_permission, request.role_permission_id, request.permission
    )
    context.authenticator.changed.note()
    return messages.RolePermissionResponse(changed)


async def assign(context: Context, request: messages.UserAndRole) -> messages.AssignmentResponse:
    """Give a role to a user."""

    def add(conn: Connection) -> messages.RoleAssignment:
        user_id = users.held(conn, request.username)
        made = roles.assign(conn, user_id, request.role_id)
        return messages.RoleAssignment(made, user_id, request.role_id)

    made = await context.retried_write(add)
    context.authenticator.changed.note(request.username)
    return messages.AssignmentResponse(made)


async def unassign(context: Context, request: messages.UserAndRole) -> None:
    """Take a role from a user."""

    def take(conn: Connection) -> None:
        roles.unassign(conn, users.get(conn, request.username).id, request.role_id)

    await context.retried_write(take)
    context.authenticator.changed.note(request.username)


async def of_user(context: Context, request: messages.OneUser) -> messages.RolesResponse:
    """List those of a user's roles that the sender may see."""
    read = user_permissions.roles_of
    _, found = await context.read(read, request.username, account.sender())
    return messages.RolesResponse(found)


def assignments(conn: Connection, request: messages.OneRole) -> messages.AssignmentsResponse:
    """List who has a role."""
    return messages.AssignmentsResponse(membership.of_role(conn, request.role_id))


_PATH = "3.0/mlflow/roles"
_GRANTS = f"{_PATH}/permissions"
_ROLE, _GRANT = account_rules.ROLE, account_rules.ROLE_PERMISSION
_READABLE = account_rules.READABLE_ROLE
_LISTED, _OF_USER = account_rules.READABLE_ROLES, account_rules.ROLES_OF_USER

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", f"{_PATH}/create", messages.CreateRole, WRITE, create, account_rules.NEW_ROLE),
    Endpoint("GET", f"{_PATH}/get", messages.OneRole, READ, get, _READABLE),
    Endpoint("GET", f"{_PATH}/list", messages.ListRoles, READ, find, _LISTED),
    Endpoint("PATCH", f"{_PATH}/update", messages.UpdateRole, RETRIED_WRITE, update, _ROLE),
    Endpoint("DELETE", f"{_PATH}/delete", messages.OneRole, WRITE, delete, _ROLE),
    Endpoint("POST", f"{_PATH}/assign", messages.UserAndRole, WRITE, assign, _ROLE),
    Endpoint("DELETE", f"{_PATH}/unassign", messages.UserAndRole, WRITE, unassign, _ROLE),
    Endpoint("GET", f"{_PATH}/users/list", messages.OneRole, READ, assignments, _ROLE),
    Endpoint("GET", "3.0/mlflow/users/roles/list", messages.OneUser, READ, of_user, _OF_USER),
    Endpoint("POST", f"{_GRANTS}/add", messages.AddRolePermission, WRITE, add_permission, _ROLE),
    Endpoint(
        "DELETE", f"{_GRANTS}/remove", messages.OneRolePermission, WRITE, remove_permission, _GRANT
    ),
    Endpoint("GET", f"{_GRANTS}/list", messages.OneRole, READ, list_permissions, _READABLE),
    Endpoint(
        "PATCH",
        f"{_GRANTS}/update",
        messages.UpdateRolePermission,
        WRITE,
        update_permission,
        _GRANT,
    ),
]

"""Endpoints of what single users are granted, and of what they have by all their roles."""

from typing import Any

from tandem_metadata.access import account, account_rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import accounts as messages
from tandem_metadata.routes.endpoint import READ, WRITE, Context, Endpoint
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Grants, Key, Level
from tandem_metadata.store.accounts import grants, load, membership, users


async def of_sender(context: Context, _: messages.Nothing) -> messages.HeldPermissionsResponse:
    """List what the sender is granted by all his roles."""
    sender = account.sender()
    roles = await context.read(membership.of_user, sender.id)
    return messages.HeldPermissionsResponse(sender.admin, _held(roles))


async def of_user(context: Context, request: messages.OneUser) -> messages.HeldPermissionsResponse:
    """List what a user is granted by those of his roles that the sender may see."""
    admin, roles = await context.read(roles_of, request.username, account.sender())
    return messages.HeldPermissionsResponse(admin, _held(roles))


def roles_of(
    conn: Connection, username: str, sender: account.Account
) -> tuple[bool, list[messages.Role]]:
    """Whether a user is an administrator, and those of his roles that the sender may see."""
    user = users.get(conn, username)
    whole = sender.admin or sender.id == user.id
    workspaces = None if whole else membership.administered(conn, sender.id)
    return bool(user.is_admin), membership.of_user(conn, user.id, workspaces)


def _held(roles: list[messages.Role]) -> list[messages.HeldPermission]:
    return [
        messages.HeldPermission(
            role.id,
            role.name,
            role.workspace,
            each.resource_type,
            each.resource_pattern,
            each.permission,
        )
        for role in roles
        for each in role.permissions
    ]


async def grant(context: Context, request: messages.GrantPermission) -> None:
    """Grant a user a level on a resource, or on all of a type."""
    kind, level = request.resource_type, _level(request)
    pattern = permissions.canonical(request.resource_id, kind)

    def add(conn: Connection) -> None:
        grants.add(conn, users.held(conn, request.username), kind, pattern, level)

    await context.retried_write(add)
    context.authenticator.changed.note(request.username)


def _level(request: messages.GrantPermission) -> Level:
    permissions.check_of_resource(request.resource_type)
    permissions.check_pattern(request.resource_id, request.resource_type)
    return permissions.level_of(request.permission, request.resource_type)


async def revoke(context: Context, request: messages.OneGrant) -> None:
    """Take away what a user was granted on a resource; what he has by other roles stays."""
    kind = request.resource_type
    permissions.check_of_resource(kind)
    pattern = permissions.canonical(request.resource_id, kind)

    def take(conn: Connection) -> None:
        grants.revoke(conn, users.held(conn, request.username), kind, pattern)

    await context.retried_write(take)
    context.authenticator.changed.note(request.username)


async def get(context: Context, request: messages.OneGrant) -> messages.PermissionResponse:
    """Tell the level that a user has on a resource by all his grants and the default permission."""
    kind = request.resource_type
    permissions.check_of_resource(kind)
    permissions.check_pattern(request.resource_id, kind)
    user = await context.read(load.by_name, request.username)
    if user is None:
        raise users.not_found(request.username)
    held = Grants.of(user.grants, Level[context.settings.auth_default_permission])
    level = held.level(Key(kind, permissions.canonical(request.resource_id, kind)))
    return messages.PermissionResponse(level >= Level.USE, level.name)


_PATH = "3.0/mlflow/users"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "GET",
        f"{_PATH}/current/permissions",
        messages.Nothing,
        READ,
        of_sender,
        account_rules.ANY_USER,
    ),
    Endpoint(
        "GET",
        f"{_PATH}/permissions/list",
        messages.OneUser,
        READ,
        of_user,
        account_rules.ROLES_OF_USER,
    ),
    Endpoint(
        "POST",
        f"{_PATH}/permissions/grant",
        messages.GrantPermission,
        WRITE,
        grant,
        account_rules.RESOURCE,
    ),
    Endpoint(
        "POST",
        f"{_PATH}/permissions/revoke",
        messages.OneGrant,
        WRITE,
        revoke,
        account_rules.RESOURCE,
    ),
    Endpoint(
        "GET",
        f"{_PATH}/permissions/get",
        messages.OneGrant,
        READ,
        get,
        account_rules.LEVEL_OF_USER,
    ),
]

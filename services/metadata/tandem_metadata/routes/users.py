"""Endpoints of users.

Those that hash or compare a password are coroutines: one thread of the authenticator does that,
and none of `Context.threads` waits for it.
"""

from typing import Any

from tandem_metadata.access import account, account_rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import accounts as messages
from tandem_metadata.routes.endpoint import READ, WRITE, Context, Endpoint
from tandem_metadata.rules import accounts, permissions
from tandem_metadata.rules.permissions import Level
from tandem_metadata.store.accounts import grants, membership, users
from tandem_shared.auth.rules import ADMIN, SIGNED_IN
from tandem_shared.errors import BadRequest, InvalidParameter

_BODY_BYTES = 64 * 1024


async def create(context: Context, request: messages.CreateUser) -> messages.UserResponse:
    """Create a user who is granted nothing of his own."""
    accounts.check_username(request.username)
    accounts.check_password(request.password)
    hashed = await context.authenticator.hashed(request.password)
    made = await context.retried_write(users.create, request.username, hashed)
    return messages.UserResponse(messages.UserWithGrants(made, request.username, False, [], []))


def get(conn: Connection, request: messages.OneUser) -> messages.UserResponse:
    """Read a user, with his own grants for clients of MLflow 2."""
    user = users.get(conn, request.username)
    experiments, models = [], []
    of_models = (permissions.REGISTERED_MODEL, permissions.PROMPT)
    for row in grants.of_user(conn, user.id, permissions.EXPERIMENT, *of_models):
        level = in_old_words(row.permission)
        if row.resource_type == permissions.EXPERIMENT:
            experiments.append(messages.ExperimentPermission(row.resource_pattern, user.id, level))
        else:
            models.append(messages.ModelPermission(row.resource_pattern, user.id, level))
    return messages.UserResponse(
        messages.UserWithGrants(user.id, user.username, bool(user.is_admin), experiments, models)
    )


async def find(context: Context, _: messages.Nothing) -> messages.ListUsersResponse:
    """List all users, with those of their roles that the sender may see."""
    sender = account.sender()
    return messages.ListUsersResponse(await context.read(_all, sender.id, sender.admin))


def _all(conn: Connection, sender: int, admin: bool) -> list[messages.UserWithRoles]:
    workspaces = None if admin else membership.administered(conn, sender)
    return membership.of_all(conn, sender, workspaces)


async def current(context: Context, _: messages.Nothing) -> messages.CurrentUserResponse:
    """Tell who the sender is."""
    sender = account.sender()
    return messages.CurrentUserResponse(
        messages.User(sender.id, sender.name, sender.admin),
        is_basic_auth=context.settings.auth == "basic",
    )


async def update_password(context: Context, request: messages.UpdatePassword) -> None:
    """Give a user another password; whoever changes his own tells the current one."""
    authenticator = context.authenticator
    accounts.check_password(request.password)
    if request.username == account.sender().name:
        given = request.current_password
        if not given:
            raise InvalidParameter(
                "Current password is required when changing your own password: give it by "
                "parameter 'current_password'."
            )
        if not await authenticator.is_password_of(request.username, given):
            raise InvalidParameter("Current password does not match.")
        if given == request.password:
            raise InvalidParameter("New password must differ from the current password.")
    hashed = await authenticator.hashed(request.password)
    await context.retried_write(users.set_password, request.username, hashed)
    authenticator.changed.note(request.username)


async def update_admin(context: Context, request: messages.UpdateAdmin) -> None:
    """Make a user an administrator, or no longer."""

    def change(conn: Connection) -> None:
        users.set_admin(conn, request.username, admin=request.is_admin)

    await context.retried_write(change)
    context.authenticator.changed.note(request.username)


async def delete(context: Context, request: messages.OneUser) -> None:
    """Delete a user, who is not the sender."""
    if request.username == account.sender().name:
        raise BadRequest(
            "Users cannot delete their own account: ask another administrator to delete it."
        )
    await context.retried_write(users.remove, request.username)
    context.authenticator.changed.note(request.username)


def in_old_words(level: str) -> str:
    """A level as clients of MLflow 2 call it, which know no DENY."""
    return Level.NO_PERMISSIONS.name if level == Level.DENY.name else level


_PATH = "2.0/mlflow/users"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST",
        f"{_PATH}/create",
        messages.CreateUser,
        WRITE,
        create,
        account_rules.NEW_USER,
        _BODY_BYTES,
    ),
    Endpoint("GET", f"{_PATH}/get", messages.OneUser, READ, get, account_rules.SELF),
    Endpoint("GET", f"{_PATH}/list", messages.Nothing, READ, find, account_rules.ANY_USER),
    Endpoint("GET", f"{_PATH}/current", messages.Nothing, READ, current, SIGNED_IN),
    Endpoint(
        "PATCH",
        f"{_PATH}/update-password",
        messages.UpdatePassword,
        WRITE,
        update_password,
        account_rules.SELF,
        _BODY_BYTES,
    ),
    Endpoint("PATCH", f"{_PATH}/update-admin", messages.UpdateAdmin, WRITE, update_admin, ADMIN),
    Endpoint("DELETE", f"{_PATH}/delete", messages.OneUser, WRITE, delete, ADMIN),
]

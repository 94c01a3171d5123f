"""The rules of the endpoints about users, roles and grants.

The decisions are those of MLflow's accounts: administrators may do everything, a user may see
himself, and whoever administers the workspace (MANAGE on it, by a role) may manage its roles and
create users. Whoever manages a resource may grant others their part of it.
"""

from typing import Any, Final

from tandem_metadata.access.rules import Caller, MessageRule
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Key
from tandem_metadata.store.accounts import load, membership
from tandem_shared.errors import PermissionDenied


def _refuse(caller: Caller, what: str) -> PermissionDenied:
    return PermissionDenied(
        f"Permission denied: this needs {what}, and user '{caller.account.name}' is not that."
    )


_ADMINISTRATOR: Final = "an administrator, of all or of the workspace"


def _unrestricted(caller: Caller) -> None:
    """Raise PermissionDenied for a token that is for some experiments: accounts are beyond them."""
    if caller.account.experiments is not None:
        raise PermissionDenied(
            "Permission denied: this token is restricted to experiments, and does nothing else."
        )


async def _administers(caller: Caller, workspace: str | None) -> None:
    _unrestricted(caller)
    found: set[str] = await caller.read(membership.administered, caller.account.id)
    if workspace not in found:
        raise _refuse(caller, _ADMINISTRATOR)


async def _any_user(caller: Caller, _: Any) -> None:
    _unrestricted(caller)


async def _self(caller: Caller, message: Any) -> None:
    _unrestricted(caller)
    if message.username != caller.account.name:
        raise _refuse(caller, "the user himself, or an administrator")


async def _new_user(caller: Caller, _: Any) -> None:
    _unrestricted(caller)
    if not await caller.read(membership.administered, caller.account.id):
        raise _refuse(caller, _ADMINISTRATOR)


async def _new_role(caller: Caller, message: Any) -> None:
    await _administers(caller, message.workspace)


async def _role(caller: Caller, message: Any) -> None:
    found = await caller.read(membership.workspace_of_role, message.role_id)
    await _administers(caller, found)


async def _role_permission(caller: Caller, message: Any) -> None:
    asked = message.role_permission_id
    found = await caller.read(membership.workspace_of_permission, asked)
    await _administers(caller, found)


async def _readable_role(caller: Caller, message: Any) -> None:
    _unrestricted(caller)
    found = await caller.read(membership.workspace_of_role, message.role_id)
    if found not in await caller.read(membership.present, caller.account.id):
        raise _refuse(caller, "a member of the role's workspace")
    if await caller.read(membership.is_of_another, caller.account.id, message.role_id):
        # It tells what somebody may do, as `users/permissions/list` does.
        await _administers(caller, found)


async def _readable_roles(caller: Caller, message: Any) -> None:
    _unrestricted(caller)
    asked = {each.strip() for each in message.workspace if each.strip()}
    if not asked:
        raise PermissionDenied(
            "Permission denied: roles of all workspaces are listed for administrators; name one by "
            "parameter 'workspace', as 'default'."
        )
    if not asked <= await caller.read(membership.present, caller.account.id):
        raise _refuse(caller, "a user with a role in each workspace that the request names")


async def _roles_of_user(caller: Caller, message: Any) -> None:
    _unrestricted(caller)
    if message.username == caller.account.name:
        return
    user = await caller.read(load.by_name, message.username)
    where = await caller.read(membership.administered, caller.account.id)
    if (
        user is None
        or not where
        or where.isdisjoint(await caller.read(membership.present, user.id))
    ):
        raise _refuse(caller, f"the user himself, or {_ADMINISTRATOR}")


async def _level_of_user(caller: Caller, message: Any) -> None:
    permissions.check_of_resource(message.resource_type)
    if message.username == caller.account.name:
        return
    _unrestricted(caller)
    if (
        not caller.account.grants.administers
        or await caller.read(load.by_name, message.username) is None
    ):
        raise _refuse(caller, f"the user himself, or {_ADMINISTRATOR}")


async def _resource(caller: Caller, message: Any) -> None:
    permissions.check_of_resource(message.resource_type)
    permissions.check_pattern(message.resource_id, message.resource_type)
    await _manages(caller, message.resource_type, message.resource_id)


async def _manages(caller: Caller, type: str, id: str) -> None:
    _unrestricted(caller)
    if id == permissions.ANY:
        if not caller.account.grants.administers:
            raise _refuse(caller, _ADMINISTRATOR)
        return
    what = f"{type.replace('_', ' ')} {id[:_SHOWN]!r}"
    caller.account.need(Action.DELETE, what, Key(type, permissions.canonical(id, type)))


async def _experiment(caller: Caller, message: Any) -> None:
    await _manages(caller, permissions.EXPERIMENT, message.experiment_id)


async def _registered(caller: Caller, message: Any) -> None:
    _unrestricted(caller)
    key, _ = await caller.registered(message.name)
    await _manages(caller, key.type, message.name)


_SHOWN: Final = 100

ANY_USER: Final = MessageRule("any user", check=_any_user)
SELF: Final = MessageRule("the user himself; administrators", check=_self)
NEW_USER: Final = MessageRule("administrators, also of a workspace", check=_new_user)
NEW_ROLE: Final = MessageRule("administrators, also of the workspace", check=_new_role)
ROLE: Final = MessageRule("administrators, also of the role's workspace", check=_role)
ROLE_PERMISSION: Final = MessageRule(
    "administrators, also of the role's workspace", check=_role_permission
)
READABLE_ROLE: Final = MessageRule(
    "users with a role in the role's workspace; of a role of another single user, "
    "administrators, also of the workspace",
    check=_readable_role,
)
READABLE_ROLES: Final = MessageRule(
    "users with a role in each of the named workspaces; administrators", check=_readable_roles
)
ROLES_OF_USER: Final = MessageRule(
    "the user himself; administrators, also of a workspace of his", check=_roles_of_user
)
LEVEL_OF_USER: Final = MessageRule(
    "the user himself; administrators, also of the workspace", check=_level_of_user
)
RESOURCE: Final = MessageRule(
    "MANAGE on the resource; for all of a type, administrators, also of the workspace",
    check=_resource,
)
EXPERIMENT: Final = MessageRule("MANAGE on the experiment", check=_experiment)
REGISTERED: Final = MessageRule("MANAGE on the registered model or prompt", check=_registered)

"""Endpoints by which clients of MLflow 2 grant single users an experiment or a registered model.

They are the same grants as those of `user_permissions`. These clients know no DENY: it is their
NO_PERMISSIONS.
"""

from collections.abc import Callable
from typing import Any

from tandem_metadata.access import account_rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import accounts as messages
from tandem_metadata.routes.endpoint import READ, WRITE, Context, Endpoint
from tandem_metadata.routes.users import in_old_words
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Level
from tandem_metadata.store.accounts import grants, users

Change = Callable[[Connection, int, str, str, Level], None]


async def create_experiment(
    context: Context, request: messages.SetExperimentGrant
) -> messages.ExperimentGrantResponse:
    """Grant a user a level on an experiment on which he has none of his own."""
    user_id = await _set(context, request, _experiment(request), grants.add)
    return messages.ExperimentGrantResponse(
        messages.ExperimentPermission(request.experiment_id, user_id, request.permission)
    )


async def update_experiment(context: Context, request: messages.SetExperimentGrant) -> None:
    """Change the level that a user was granted on an experiment."""
    await _set(context, request, _experiment(request), grants.change)


async def get_experiment(
    context: Context, request: messages.OneExperimentGrant
) -> messages.ExperimentGrantResponse:
    """Read the level that a user was granted on an experiment."""
    user_id, level = await _get(context, request, _experiment(request))
    return messages.ExperimentGrantResponse(
        messages.ExperimentPermission(request.experiment_id, user_id, level)
    )


async def delete_experiment(context: Context, request: messages.OneExperimentGrant) -> None:
    """Take away the level that a user was granted on an experiment."""
    await _revoke(context, request, _experiment(request))


async def create_model(
    context: Context, request: messages.SetModelGrant
) -> messages.ModelGrantResponse:
    """Grant a user a level on a registered model on which he has none of his own."""
    user_id = await _set(context, request, await _model(context, request), grants.add)
    return messages.ModelGrantResponse(
        messages.ModelPermission(request.name, user_id, request.permission)
    )


async def update_model(context: Context, request: messages.SetModelGrant) -> None:
    """Change the level that a user was granted on a registered model."""
    await _set(context, request, await _model(context, request), grants.change)


async def get_model(
    context: Context, request: messages.OneModelGrant
) -> messages.ModelGrantResponse:
    """Read the level that a user was granted on a registered model."""
    user_id, level = await _get(context, request, await _model(context, request))
    return messages.ModelGrantResponse(messages.ModelPermission(request.name, user_id, level))


async def delete_model(context: Context, request: messages.OneModelGrant) -> None:
    """Take away the level that a user was granted on a registered model."""
    await _revoke(context, request, await _model(context, request))


_Resource = tuple[str, str]
"""The type of a resource, and the pattern of grants on it."""


def _experiment(request: messages.OneExperimentGrant) -> _Resource:
    kind = permissions.EXPERIMENT
    return kind, permissions.canonical(request.experiment_id, kind)


async def _model(context: Context, request: messages.OneModelGrant) -> _Resource:
    family = await context.owners.family(request.name)
    return family or permissions.REGISTERED_MODEL, request.name


async def _set(
    context: Context,
    request: messages.SetExperimentGrant | messages.SetModelGrant,
    resource: _Resource,
    change: Change,
) -> int:
    """Change a grant; returns the user's id."""
    kind, pattern = resource
    permissions.check_pattern(pattern, kind)
    name = request.permission
    level = permissions.level_of(
        Level.DENY.name if name == Level.NO_PERMISSIONS.name else name, kind
    )

    def write(conn: Connection) -> int:
        user_id = users.held(conn, request.username)
        change(conn, user_id, kind, pattern, level)
        return user_id

    user_id = await context.retried_write(write)
    context.authenticator.changed.note(request.username)
    return user_id


async def _get(context: Context, request: messages.OneUser, resource: _Resource) -> tuple[int, str]:
    def read(conn: Connection) -> tuple[int, str]:
        user_id = users.get(conn, request.username).id
        return user_id, in_old_words(grants.own_level(conn, user_id, *resource))

    return await context.read(read)


async def _revoke(context: Context, request: messages.OneUser, resource: _Resource) -> None:
    def write(conn: Connection) -> None:
        grants.revoke(conn, users.held(conn, request.username), *resource)

    await context.retried_write(write)
    context.authenticator.changed.note(request.username)


_EXPERIMENTS = "2.0/mlflow/experiments/permissions"
_MODELS = "2.0/mlflow/registered-models/permissions"
_ONE, _OTHER = messages.OneExperimentGrant, messages.OneModelGrant
_SET, _SET_OTHER = messages.SetExperimentGrant, messages.SetModelGrant
_RULE, _OTHER_RULE = account_rules.EXPERIMENT, account_rules.REGISTERED

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", f"{_EXPERIMENTS}/create", _SET, WRITE, create_experiment, _RULE),
    Endpoint("GET", f"{_EXPERIMENTS}/get", _ONE, READ, get_experiment, _RULE),
    Endpoint("PATCH", f"{_EXPERIMENTS}/update", _SET, WRITE, update_experiment, _RULE),
    Endpoint("DELETE", f"{_EXPERIMENTS}/delete", _ONE, WRITE, delete_experiment, _RULE),
    Endpoint("POST", f"{_MODELS}/create", _SET_OTHER, WRITE, create_model, _OTHER_RULE),
    Endpoint("GET", f"{_MODELS}/get", _OTHER, READ, get_model, _OTHER_RULE),
    Endpoint("PATCH", f"{_MODELS}/update", _SET_OTHER, WRITE, update_model, _OTHER_RULE),
    Endpoint("DELETE", f"{_MODELS}/delete", _OTHER, WRITE, delete_model, _OTHER_RULE),
]

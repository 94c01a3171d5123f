"""Endpoints of scorers."""

from typing import Any, Final

from tandem_metadata.access import account, ownership
from tandem_metadata.access import scorer_rules as rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import scorers as messages
from tandem_metadata.routes.endpoint import MANY_BYTES, READ, RETRIED_WRITE, Context, Endpoint
from tandem_metadata.rules import permissions
from tandem_metadata.rules import scorers as contents
from tandem_metadata.rules.permissions import Readable
from tandem_metadata.store.evaluation import scorers
from tandem_shared.auth.rules import SIGNED_IN
from tandem_shared.errors import InvalidParameter, missing_value


def register(conn: Connection, request: messages.RegisterScorer) -> messages.RegisterScorerResponse:
    """Keep a scorer, or the next version of it."""
    contents.check(request.name, request.serialized_scorer)
    made = scorers.register(conn, request.experiment_id, request.name, request.serialized_scorer)
    if account.current():
        granted = rules.pattern(str(made.experiment_id), made.scorer_name)
        permissions.check_pattern(granted, permissions.SCORER)
        ownership.give(conn, permissions.SCORER, granted)
    return messages.RegisterScorerResponse(
        version=made.scorer_version,
        scorer_id=made.scorer_id,
        experiment_id=str(made.experiment_id),
        name=made.scorer_name,
        serialized_scorer=made.serialized_scorer,
        creation_time=made.creation_time or 0,
    )


async def list_latest(context: Context, request: messages.ListScorers) -> messages.ScorersResponse:
    """The latest version of each scorer, of one experiment, of several or of all."""
    if request.experiment_id and request.experiment_ids is not None:
        raise InvalidParameter(
            "Cannot specify both 'experiment_id' and 'experiment_ids'; leave one of them out."
        )
    experiments = await context.readable(permissions.EXPERIMENT)
    found = await context.read(_list, request, experiments)
    which = await context.readable(permissions.SCORER, permissions.SCORER_VERSION)
    return messages.ScorersResponse(rules.readable(found, which))


def _list(
    conn: Connection, request: messages.ListScorers, readable: Readable | None
) -> list[messages.Scorer]:
    if request.experiment_id:
        return scorers.of_experiment(conn, request.experiment_id)
    return scorers.of_experiments(conn, request.experiment_ids, readable)


def versions(conn: Connection, request: messages.ListScorerVersions) -> messages.ScorersResponse:
    """All versions of a scorer."""
    return messages.ScorersResponse(scorers.versions(conn, request.experiment_id, request.name))


def get(conn: Connection, request: messages.GetScorer) -> messages.ScorerResponse:
    """Read a version of a scorer."""
    found = scorers.get(conn, request.experiment_id, request.name, request.version)
    return messages.ScorerResponse(found)


def delete(conn: Connection, request: messages.DeleteScorer) -> None:
    """Delete a version of a scorer, or all of it."""
    for field in ("experiment_id", "name"):
        if not getattr(request, field):
            raise missing_value(field)
    scorers.remove(conn, request.experiment_id, request.name, request.version)
    if request.version is None:
        granted = rules.pattern(request.experiment_id, request.name)
        ownership.drop(conn, permissions.SCORER, granted)


async def online_configs(
    _: Context, __: messages.GetOnlineConfigs
) -> messages.OnlineConfigsResponse:
    """When scorers run by themselves: never, since no scorer is run here."""
    return messages.OnlineConfigsResponse()


_PATH: Final = "3.0/mlflow/scorers"

ENDPOINTS: Final[list[Endpoint[Any]]] = [
    Endpoint(
        "POST",
        f"{_PATH}/register",
        messages.RegisterScorer,
        RETRIED_WRITE,
        register,
        rules.REGISTER,
        MANY_BYTES,
    ),
    Endpoint("GET", f"{_PATH}/list", messages.ListScorers, READ, list_latest, rules.LIST),
    Endpoint("GET", f"{_PATH}/versions", messages.ListScorerVersions, READ, versions, rules.READ),
    Endpoint("GET", f"{_PATH}/get", messages.GetScorer, READ, get, rules.READ),
    Endpoint(
        "DELETE", f"{_PATH}/delete", messages.DeleteScorer, RETRIED_WRITE, delete, rules.DELETE
    ),
    Endpoint(
        "GET",
        f"{_PATH}/online-configs",
        messages.GetOnlineConfigs,
        READ,
        online_configs,
        SIGNED_IN,
    ),
]

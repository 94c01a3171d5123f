"""The rule of searches of traces, which must not tell by what they find what they may not show."""

from typing import Any, Final

from tandem_metadata.access.rules import Caller, MessageRule, experiment_key
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Key
from tandem_metadata.search.language.fields import Entity, Field
from tandem_metadata.search.language.groups import leaves
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.language.trace_fields import TRACES
from tandem_metadata.search.sql.order import parsed

_ASSESSED: Final = frozenset({Entity.FEEDBACK, Entity.EXPECTATION, Entity.ISSUE})
_LINKS: Final = {
    (Entity.ATTRIBUTE, "run_id"): permissions.RUN,
    (Entity.METADATA, "mlflow.modelId"): permissions.LOGGED_MODEL,
}


async def _search(caller: Caller, message: Any) -> None:
    account = caller.account
    for each in message.experiment_ids:
        what = f"traces of experiment {experiment_key(each).id[:100]}"
        caller.need_in_experiment(Action.READ, permissions.TRACE, each, what)
    for kind in _told(message):
        for each in message.experiment_ids:
            what = f"a search of traces by {kind.replace('_', ' ')}s"
            account.need(Action.READ, what, Key(kind), experiment_key(each))


def _told(message: Any) -> set[str]:
    """The types of what the filter and the order tell of."""
    conditions = leaves(TRACES.criteria(parse_filter(message.filter)))
    fields = [each.field for each in conditions]
    fields += [each.field for each in parsed(message.order_by, TRACES)]
    return {kind for kind in map(_kind, fields) if kind}


def _kind(field: Field) -> str | None:
    if field.entity in _ASSESSED:
        return permissions.ASSESSMENT
    return _LINKS.get((field.entity, field.key))


TRACES_FOUND: Final = MessageRule(
    "READ on the traces of each experiment, and on what the filter and the order tell of",
    check=_search,
)

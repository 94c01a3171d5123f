"""The rule of searches of traces, which must not tell by what they find what they may not show."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from tandem_metadata.access.rules import Caller, MessageRule, experiment_key
from tandem_metadata.rules import enums, permissions
from tandem_metadata.rules.permissions import Action, Key
from tandem_metadata.search.language import trace_metric_fields
from tandem_metadata.search.language.fields import Entity, Field
from tandem_metadata.search.language.groups import leaves
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.language.trace_fields import TRACES
from tandem_metadata.search.sql.order import parsed

_ASSESSED: Final = frozenset({Entity.FEEDBACK, Entity.EXPECTATION, Entity.ISSUE, Entity.ASSESSMENT})
_LINKS: Final = {
    (Entity.ATTRIBUTE, "run_id"): permissions.RUN,
    (Entity.METADATA, "mlflow.modelId"): permissions.LOGGED_MODEL,
}


async def _search(caller: Caller, message: Any) -> None:
    _need(caller, message.experiment_ids, _told(message), "a search of traces by")


async def _correlate(caller: Caller, message: Any) -> None:
    filters = (message.filter_string1, message.filter_string2, message.base_filter)
    told = {kind for each in filters for kind in _told_by(each)}
    _need(caller, message.experiment_ids, told, "a correlation of traces by")


async def _count(caller: Caller, message: Any) -> None:
    fields = [each.field for each in trace_metric_fields.conditions(message.filters)]
    told = {kind for kind in map(_kind, fields) if kind}
    if enums.name_of("view_type", message.view_type, enums.METRIC_VIEW) == "ASSESSMENTS":
        told.add(permissions.ASSESSMENT)
    _need(caller, message.experiment_ids, told, "metrics of traces by")


def _need(caller: Caller, experiment_ids: Sequence[str], told: Iterable[str], doing: str) -> None:
    for each in experiment_ids:
        what = f"traces of experiment {experiment_key(each).id[:100]}"
        caller.need_in_experiment(Action.READ, permissions.TRACE, each, what)
    for kind in told:
        for each in experiment_ids:
            what = f"{doing} {kind.replace('_', ' ')}s"
            caller.account.need(Action.READ, what, Key(kind), experiment_key(each))


def _told(message: Any) -> set[str]:
    """The types of what the filter and the order tell of."""
    fields = [each.field for each in parsed(message.order_by, TRACES)]
    return {*_told_by(message.filter), *filter(None, map(_kind, fields))}


def _told_by(filter_string: str | None) -> set[str]:
    conditions = leaves(TRACES.criteria(parse_filter(filter_string)))
    return {kind for each in conditions if (kind := _kind(each.field))}


def _kind(field: Field) -> str | None:
    if field.entity in _ASSESSED:
        return permissions.ASSESSMENT
    return _LINKS.get((field.entity, field.key))


TRACES_FOUND: Final = MessageRule(
    "READ on the traces of each experiment, and on what the filter and the order tell of",
    check=_search,
)
TRACES_CORRELATED: Final = MessageRule(
    "READ on the traces of each experiment, and on what the filters tell of", check=_correlate
)
TRACES_COUNTED: Final = MessageRule(
    "READ on the traces of each experiment, on assessments where these are counted, and on what "
    "the filters tell of",
    check=_count,
)

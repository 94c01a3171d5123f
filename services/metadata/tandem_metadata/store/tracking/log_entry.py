"""What a request logs to a run: one metric, one param, one tag, or many of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tandem_metadata.messages.batch import LogBatch, LoggedEntry, LogParam
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.messages.runs import RunTag
from tandem_metadata.rules import limits
from tandem_metadata.store.tracking import metrics, tags
from tandem_shared.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What a request logs to a run, checked as far as can be without the database."""

    run_id: str
    metrics: Sequence[LoggedMetric] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def names_models(self) -> bool:
        """Whether any of its metrics goes to a logged model too."""
        return any(metric.model_id for metric in self.metrics)


def metric(run_id: str, logged: LoggedMetric) -> LogEntry:
    """The entry of one metric; raises InvalidParameter for one that cannot be logged."""
    metrics.check(logged)
    return LogEntry(run_id, metrics=(logged,))


def param(run_id: str, logged: LogParam, *, truncate: bool) -> LogEntry:
    """The entry of one param; with `truncate`, an over-long value is cut.

    Raises InvalidParameter for a param that cannot be logged.
    """
    limits.check_key("key", logged.key)
    value = limits.param_value("value", logged.key, logged.value or "", truncate=truncate)
    return LogEntry(run_id, params={logged.key: value})


def tag(run_id: str, given: RunTag, *, truncate: bool) -> LogEntry:
    """The entry of one tag; with `truncate`, an over-long value is cut. Raises InvalidParameter."""
    checked = tags.check_one(given, truncate=truncate)
    return LogEntry(run_id, tags={checked.key: checked.value})


def many(request: LogBatch, *, truncate: bool) -> LogEntry:
    """The entry of a batch; the last value counts of a tag that is given several times.

    Raises InvalidParameter as `metric`, `param` and `tag` do, for too many of them, and for a
    param that is given several times.
    """
    logged = request.metrics or []
    given = request.params or []
    limits.check_batch(logged, given, request.tags or [])
    for index, each in enumerate(logged):
        metrics.check(each, f"metrics[{index}].")
    values = _params(given, truncate=truncate)
    new_tags = [RunTag(each.key, each.value or "") for each in request.tags or []]
    checked_tags = tags.check(new_tags, truncate=truncate)
    _check_given_once(given)
    return LogEntry(request.run_id, logged, values, {each.key: each.value for each in checked_tags})


def _params(given: Sequence[LoggedEntry], *, truncate: bool) -> dict[str, str]:
    values: dict[str, str] = {}
    for index, each in enumerate(given):
        limits.check_key(f"params[{index}].key", each.key)
        values[each.key] = limits.param_value(
            f"params[{index}].value", each.key, each.value or "", truncate=truncate
        )
    return values


def _check_given_once(given: Sequence[LoggedEntry]) -> None:
    counts = Counter(each.key for each in given)
    if repeated := [key for key, count in counts.items() if count > 1]:
        raise InvalidParameter(
            "Duplicate parameter keys have been submitted: "
            f"{', '.join(map(repr, repeated))}. A request can give each param one value only."
        )

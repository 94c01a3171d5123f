"""Logging to a run: one metric, one param, one tag, or many of them at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from tandem_metadata.messages.batch import LogBatch, LoggedEntry, LogParam
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.messages.runs import RunTag
from tandem_metadata.rules import limits
from tandem_metadata.store.tracking import metrics, params, runs, tags
from tandem_shared.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class Entry:
    """What a request logs to a run; all of it is checked, but for what the database says."""

    run_id: str
    metrics: Sequence[LoggedMetric] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def renames(self) -> bool:
        """Whether it gives the run another name."""
        return bool(self.tags.get(runs.NAME_TAG))


def metric(run_id: str, logged: LoggedMetric) -> Entry:
    """The entry of one metric; raises InvalidParameter for one that cannot be logged."""
    metrics.check(logged)
    return Entry(run_id, metrics=(logged,))


def param(run_id: str, logged: LogParam, *, truncate: bool) -> Entry:
    """The entry of one param, its value cut if it is over-long and `truncate`.

    Raises InvalidParameter for a param that cannot be logged.
    """
    limits.check_key("key", logged.key)
    value = limits.param_value("value", logged.key, logged.value or "", truncate=truncate)
    return Entry(run_id, params={logged.key: value})


def tag(run_id: str, given: RunTag, *, truncate: bool) -> Entry:
    """The entry of one tag, cut as a param's value is; raises InvalidParameter."""
    checked = tags.check_one(given, truncate=truncate)
    return Entry(run_id, tags={checked.key: checked.value})


def many(request: LogBatch, *, truncate: bool) -> Entry:
    """The entry of all that a request holds; of a tag's several values the last counts.

    Raises InvalidParameter as `metric`, `param` and `tag` do, for too many of them, and for a
    param that is given twice.
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
    return Entry(request.run_id, logged, values, {each.key: each.value for each in checked_tags})


def log(conn: Connection, entry: Entry) -> None:
    """Add an entry to an active run, all of it or, once the caller has rolled back, nothing.

    Raises NotFound, and InvalidParameter for a deleted run, a param that has another value
    already, and what `metrics.log` refuses.
    """
    # A rename locks the run. Taken later, after metrics that refer to the run, that lock could
    # wait for another batch which waits for this one.
    run = runs.check_active(conn, entry.run_id, lock=entry.renames)
    params.log(conn, entry.run_id, entry.params)
    metrics.log(conn, entry.run_id, run.experiment_id, entry.metrics)
    tags.put(conn, entry.run_id, entry.tags)


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
            f"Params given more than once: {', '.join(map(repr, repeated))}. A request can give "
            "each param one value only."
        )

"""Logging to a run: one metric, one param, or many metrics, params and tags at once."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection

from tandem_metadata.messages.batch import LogBatch, LoggedEntry, LogParam
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.messages.runs import RunTag
from tandem_metadata.store import limits, metrics, params, runs, tags
from tandem_shared.errors import InvalidParameter


def log_metric(conn: Connection, run_id: str, metric: LoggedMetric) -> None:
    """Add a metric to an active run.

    Raises NotFound, and InvalidParameter for a deleted run or a metric that cannot be logged.
    """
    metrics.check(metric)
    run = runs.check_active(conn, run_id)
    metrics.log(conn, run_id, run.experiment_id, [metric])


def log_param(conn: Connection, run_id: str, param: LogParam, *, truncate: bool) -> None:
    """Add a param to an active run, its value cut if it is over-long and `truncate`.

    Raises NotFound, and InvalidParameter for a deleted run, a param that cannot be logged or one
    that has another value already.
    """
    limits.check_key("key", param.key)
    value = limits.param_value("value", param.value or "", truncate=truncate)
    runs.check_active(conn, run_id)
    params.log(conn, run_id, {param.key: value})


def log(conn: Connection, request: LogBatch, *, truncate: bool) -> None:
    """Add all that the request holds to an active run.

    Everything is checked before anything is written, but for params, whose other value shows only
    then: the caller rolls back on an error, and nothing is stored. Raises NotFound, and
    InvalidParameter as `log_metric` and `log_param` do, for too many entries and for a param that
    is given twice.
    """
    logged = request.metrics or []
    given = request.params or []
    limits.check_batch(logged, given, request.tags or [])
    for index, metric in enumerate(logged):
        metrics.check(metric, f"metrics[{index}].")
    values = _params(given, truncate=truncate)
    new_tags = [RunTag(tag.key, tag.value or "") for tag in request.tags or []]
    checked_tags = tags.check(new_tags, truncate=truncate)
    _check_given_once(given)
    # A rename locks the run. Taken later, after metrics that refer to the run, that lock could
    # wait for another batch which waits for this one.
    renames = any(tag.key == runs.NAME_TAG and tag.value for tag in checked_tags)
    run = runs.check_active(conn, request.run_id, lock=renames)
    params.log(conn, request.run_id, values)
    metrics.log(conn, request.run_id, run.experiment_id, logged)
    tags.put(conn, request.run_id, checked_tags)


def _params(given: Sequence[LoggedEntry], *, truncate: bool) -> dict[str, str]:
    values: dict[str, str] = {}
    for index, param in enumerate(given):
        limits.check_key(f"params[{index}].key", param.key)
        values[param.key] = limits.param_value(
            f"params[{index}].value", param.value or "", truncate=truncate
        )
    return values


def _check_given_once(given: Sequence[LoggedEntry]) -> None:
    counts = Counter(param.key for param in given)
    if repeated := [key for key, count in counts.items() if count > 1]:
        raise InvalidParameter(
            f"Params given more than once: {', '.join(map(repr, repeated))}. A request can give "
            "each param one value only."
        )

"""How often traces match two filters together, beside what chance would have."""

from collections.abc import Sequence
from math import log
from typing import Final, NamedTuple

from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, and_, func, select, true

from tandem_metadata.database import trace_schema
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.language.trace_fields import TRACES
from tandem_metadata.search.sql.trace_compile import check_trace_criteria
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.traces.search import MAX_EXPERIMENTS, OPTIONS, clauses_of
from tandem_metadata.store.tracking import experiments
from tandem_shared.errors import InvalidParameter

_PRIOR: Final = 0.5
"""Traces that the smoothed value has more, of each of the four kinds."""


class Counts(NamedTuple):
    """Numbers of traces."""

    first: int
    second: int
    joint: int
    total: int


def count(
    conn: Connection, experiment_ids: Sequence[str], first: str, second: str, base: str | None
) -> Counts:
    """How many traces of the experiments match each filter and both, of all that match `base`.

    Raises InvalidParameter for a filter, an id or a number of ids that cannot be accepted.
    """
    if len(experiment_ids) > MAX_EXPERIMENTS:
        raise InvalidParameter(
            f"Invalid experiment_ids: {len(experiment_ids)} are given, at most {MAX_EXPERIMENTS} "
            "are accepted."
        )
    among = TRACES.criteria(parse_filter(base))
    # Comparisons of spans in the base hold of the same span as those in the filter.
    both = [[*among, *TRACES.criteria(parse_filter(each))] for each in (first, second)]
    for criteria in both:
        check_trace_criteria(criteria)
    ids = experiments.possible_ids(conn, experiment_ids)
    if not ids:
        return Counts(0, 0, 0, 0)
    schema = trace_schema.of(conn)
    clauses = clauses_of(conn, schema, [each for criteria in both for each in criteria], ids)
    matches = [and_(true(), *clauses.matching(criteria)) for criteria in both]
    info = schema.trace_info
    traces = (
        select(matches[0].label("first"), matches[1].label("second"))
        .select_from(info)
        .where(any_of(conn, info.c.experiment_id, ids), *clauses.matching(among))
        .subquery()
    )
    groups = [traces.c.first, traces.c.second]
    statement = select(*groups, func.count()).group_by(*groups)
    # A comparison with what is not there is neither true nor false.
    found = conn.execute(statement, execution_options=OPTIONS).all()
    rows = [(bool(row[0]), bool(row[1]), int(row[2])) for row in found]
    return Counts(
        sum(n for a, _, n in rows if a),
        sum(n for _, b, n in rows if b),
        sum(n for a, b, n in rows if a and b),
        sum(n for _, _, n in rows),
    )


def npmi(counts: Counts) -> tuple[float | UnsetType, float | UnsetType]:
    """The normalized pointwise mutual information of the two filters, plain and smoothed.

    It is 1 where a trace matches both or none, 0 by chance, -1 where none matches both, and unset
    where no trace matches one of them.
    """
    if not counts.first or not counts.second:
        return UNSET, UNSET
    if counts.joint == counts.total:
        return 1.0, 1.0
    return _npmi(counts, 0) if counts.joint else -1.0, _npmi(counts, _PRIOR)


def _npmi(counts: Counts, prior: float) -> float:
    total = log(counts.total + 4 * prior)
    joint = log(counts.joint + prior) - total
    chance = log(counts.first + 2 * prior) + log(counts.second + 2 * prior) - 2 * total
    return max(-1.0, min(1.0, (joint - chance) / -joint))

"""Searching traces."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, select, union_all

from tandem_metadata.database import trace_schema
from tandem_metadata.database.pool import PLANNED
from tandem_metadata.search.language.fields import Condition, Criterion, Entity
from tandem_metadata.search.language.limits import check_max_results
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.language.trace_fields import TRACES
from tandem_metadata.search.sql import page_token as tokens
from tandem_metadata.search.sql import trace_compile
from tandem_metadata.search.sql.index_scans import literal_limit
from tandem_metadata.search.sql.json_text import Json
from tandem_metadata.search.sql.trace_compile import TraceClauses, check_trace_criteria
from tandem_metadata.search.sql.trace_order import TraceOrdering, order_traces
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.tracking import experiments
from tandem_shared.errors import InvalidParameter

DEFAULT_MAX_RESULTS: Final = 100
MAX_RESULTS: Final = 500
MAX_EXPERIMENTS: Final = 10_000

_SCANNED: Final = 32
"""Experiments whose traces are each read in order of time. Of more, all that match are sorted."""

_BOUNDS: Final = frozenset({"<", "<=", ">", ">=", "="})

Clause = ColumnElement[bool]


class Page(NamedTuple):
    """The traces of one page, in their order."""

    ids: list[str]
    token: str | None
    """Of the next page. A full page has one, whether or not another follows: to find out, a search
    might have to read all other traces."""


@dataclass(frozen=True, slots=True)
class _Search:
    conn: Connection
    clauses: TraceClauses
    experiment_ids: Sequence[int]
    criteria: Sequence[Criterion]
    ordering: TraceOrdering
    after: Sequence[Clause]
    """What traces after the previous page satisfy."""
    skipped: int
    limit: int


def find(
    conn: Connection,
    *,
    experiment_ids: Sequence[str],
    filter: str | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
) -> Page:
    """One page of the traces of some experiments; of none, there are none.

    A page has 100 traces, or `max_results`, which is at most 500. Tokens of MLflow's server are
    taken too. Raises InvalidParameter for a filter, an order_by, a token, an id or a number of
    results that cannot be accepted.
    """
    limit = check_max_results(
        DEFAULT_MAX_RESULTS if max_results is None else max_results, MAX_RESULTS
    )
    criteria = TRACES.criteria(parse_filter(filter))
    check_trace_criteria(criteria)
    schema = trace_schema.of(conn)
    ordering = order_traces(order_by, schema)
    if len(experiment_ids) > MAX_EXPERIMENTS:
        raise InvalidParameter(
            f"Invalid locations: {len(experiment_ids)} are given, at most {MAX_EXPERIMENTS} are "
            "accepted."
        )
    ids = experiments.possible_ids(conn, experiment_ids)
    this_search = tokens.fingerprint("traces", ids, filter or "", list(order_by))
    skipped = tokens.offset(page_token)
    end = None if skipped else tokens.position(page_token, this_search)
    if not ids:
        return Page([], None)
    clauses = clauses_of(conn, schema, criteria, ids)
    search = _Search(
        conn, clauses, ids, criteria, ordering, tokens.after(end, ordering), skipped, limit
    )
    rows = _rows(search)
    token = tokens.write(this_search, ordering.position(rows[-1])) if len(rows) == limit else None
    return Page([row.request_id for row in rows], token)


def clauses_of(
    conn: Connection,
    schema: trace_schema.TraceSchema,
    criteria: Sequence[Criterion],
    experiment_ids: Sequence[int],
) -> TraceClauses:
    """What makes the clauses, which knows the sessions that the criteria speak of.

    `experiment_ids` are those whose traces are looked at.
    """
    json = Json.of(conn)
    clauses = TraceClauses(schema, json, partial(any_of, conn), {})
    needed = dict.fromkeys(trace_compile.needed_sessions(criteria))
    if not needed:
        return clauses
    scope = any_of(conn, trace_compile.attribute(schema, "experiment_id"), experiment_ids)
    found: Mapping[Condition, Sequence[str]] = {
        each: conn.execute(clauses.session_statement(each, scope), execution_options=OPTIONS)
        .scalars()
        .all()
        for each in needed
    }
    return TraceClauses(schema, json, clauses.among, found)


OPTIONS: Final = {PLANNED: True}
"""Plans for any values expect that few traces match a filter, and read all of an experiment."""


def _rows(search: _Search) -> Sequence[Any]:
    """The first rows of the search in its order."""
    if search.ordering.by_time is None or search.skipped or len(search.experiment_ids) > _SCANNED:
        rows = search.conn.execute(
            _matching(search, search.experiment_ids)
            .order_by(*search.ordering.clauses())
            .limit(literal_limit(search.limit))
            .offset(literal_limit(search.skipped)),
            execution_options=OPTIONS,
        )
        return rows.all()
    return _by_time(search, ascending=search.ordering.by_time)


def _by_time(search: _Search, *, ascending: bool) -> Sequence[Any]:
    """The rows of a search by time, in which MLflow's index has the traces of an experiment.

    It does not have those of one time by id. Sorting by both would let the planner choose to read
    all that match, and where there are no statistics it does. So a page ends at some time, and then
    the traces of this time are read once more, unless the next trace is known to be of another. It
    is looked at where the index alone answers the filter: else it might be the last of very many.
    """
    time = search.clauses.schema.trace_info.c.timestamp_ms
    order = time.asc() if ascending else time.desc()
    looked_at = search.limit + all(map(_is_range, search.criteria))
    limit = literal_limit(looked_at)
    parts = [
        _matching(search, [each]).order_by(order).limit(limit) for each in search.experiment_ids
    ]
    statement: Select[Any] = parts[0]
    if len(parts) > 1:
        found = union_all(*(select(each.subquery()) for each in parts)).subquery()
        first = found.c.timestamp_ms
        statement = select(found).order_by(first.asc() if ascending else first.desc()).limit(limit)
    rows = search.conn.execute(statement, execution_options=OPTIONS).all()
    if len(rows) < search.limit:
        return _sorted(rows, ascending=ascending)
    last = rows[search.limit - 1].timestamp_ms
    if len(rows) > search.limit and rows[search.limit].timestamp_ms != last:
        return _sorted(rows[: search.limit], ascending=ascending)
    before = [each for each in rows if each.timestamp_ms != last]
    ties = (
        _matching(search, search.experiment_ids)
        .where(time == last)
        .order_by(search.clauses.schema.trace_info.c.request_id)
        .limit(literal_limit(search.limit - len(before)))
    )
    return [
        *_sorted(before, ascending=ascending),
        *search.conn.execute(ties, execution_options=OPTIONS),
    ]


def _is_range(criterion: Criterion) -> bool:
    """Whether it bounds the time, as every page of the web UI does: the index has such a range."""
    return (
        isinstance(criterion, Condition)
        and (criterion.field.entity, criterion.field.key) == (Entity.ATTRIBUTE, "timestamp_ms")
        and criterion.operator in _BOUNDS
        and not criterion.negated
    )


def _sorted(rows: Iterable[Any], *, ascending: bool) -> list[Any]:
    by_id = sorted(rows, key=lambda row: str(row.request_id))
    return sorted(by_id, key=lambda row: int(row.timestamp_ms), reverse=not ascending)


def _matching(search: _Search, experiment_ids: Sequence[int]) -> Select[Any]:
    """The traces of some experiments that are on no page before this one."""
    info = search.clauses.schema.trace_info
    experiment_id = trace_compile.attribute(search.clauses.schema, "experiment_id")
    among: Clause = experiment_id.in_(experiment_ids)
    if len(experiment_ids) == 1:
        among = experiment_id == experiment_ids[0]
    return (
        select(info.c.request_id, info.c.timestamp_ms, *search.ordering.columns())
        .select_from(search.ordering.source)
        .where(among, *search.after, *search.clauses.matching(search.criteria))
    )

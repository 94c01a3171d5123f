"""Searching runs."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Row, select

from tandem_metadata.database import indexes
from tandem_metadata.database.indexes import SlowSearches
from tandem_metadata.database.pool import PLANNED
from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.messages.runs import RunInfo
from tandem_metadata.rules import enums
from tandem_metadata.rules.permissions import Readable
from tandem_metadata.search.language.fields import is_id
from tandem_metadata.search.language.limits import STAGES, check_max_results
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.language.run_fields import RUNS
from tandem_metadata.search.sql import index_scans, paging, statement_cache
from tandem_metadata.search.sql import page_token as tokens
from tandem_metadata.search.sql.index_scans import Search, run_experiment_id
from tandem_metadata.search.sql.order import order_runs
from tandem_metadata.search.sql.tracking_compile import check_run_criteria
from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.store.dialect.pg_snapshot import SNAPSHOT_COLUMN
from tandem_metadata.store.tracking import load
from tandem_shared.errors import InvalidParameter

DEFAULT_MAX_RESULTS: Final = 1_000
MAX_EXPERIMENTS: Final = 10_000

_slow_searches = SlowSearches()


class Page(NamedTuple):
    """The runs of one page, in their order."""

    ids: Sequence[str]
    token: str | None
    """Of the next page, if there is one."""
    snapshot: str | None = None
    """Of the statement that found them, if the database tells it; see `pg_snapshot`."""


def find_ids(conn: Connection, **wanted: Any) -> Page:
    """One page of the runs of some experiments.

    Takes `experiment_ids`, and optionally `filter`, `run_view_type`, which is ACTIVE_ONLY (the
    default), DELETED_ONLY or ALL, `max_results`, else a page has 1,000 runs, `order_by`,
    `page_token`, and which experiments are `readable`. Without experiment ids nothing is found.
    Raises InvalidParameter for a filter, an order_by, a token, an id or a number of results that
    cannot be accepted.
    """
    if not is_postgresql(conn):
        rows, token = _page(conn, [runs.c.run_uuid], **wanted)
        return Page([row[0] for row in rows], token)
    rows, token = _page(conn, [runs.c.run_uuid, SNAPSHOT_COLUMN], **wanted)
    return Page([row[0] for row in rows], token, rows[0].snapshot if rows else None)


def find(conn: Connection, **wanted: Any) -> tuple[list[RunInfo], str | None]:
    """As `find_ids`, with its arguments: what the runs are, without what they logged."""
    rows, token = _page(conn, [*runs.c], **wanted)
    return [load.info(row) for row in rows], token


def _page(
    conn: Connection,
    columns: Sequence[ColumnElement[Any]],
    *,
    experiment_ids: Sequence[str],
    filter: str | None = None,
    run_view_type: str | int | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
    readable: Readable | None = None,
) -> tuple[Sequence[Row[Any]], str | None]:
    limit = check_max_results(DEFAULT_MAX_RESULTS if max_results is None else max_results)
    stages = STAGES[enums.name_of("run_view_type", run_view_type or "ACTIVE_ONLY", enums.VIEW_TYPE)]
    criteria = RUNS.criteria(parse_filter(filter))
    check_run_criteria(criteria)
    ordering = order_runs(order_by)
    ids = _numbers(experiment_ids)
    this_search = tokens.fingerprint("runs", ids, filter or "", stages, list(order_by))
    end = tokens.position(page_token, this_search)
    if readable is not None:
        ids = [each for each in ids if str(each) in readable]
    search = Search(
        columns=tuple(columns),
        experiment_ids=ids,
        stages=tuple(stages),
        criteria=criteria,
        order_by=tuple(order_by),
        ordering=ordering,
        end=end,
        after=tokens.after(end, ordering),
        limit=limit + 1,
        dialect=conn.dialect.name,
    )
    if not ids:
        return [], None
    rows = _rows(conn, search)
    _slow_searches.note(conn, ids)
    return paging.cut(rows, ordering, search=this_search, limit=limit)


def _rows(conn: Connection, search: Search) -> Sequence[Row[Any]]:
    """The first rows of the search in its order, by the cheapest way that applies to it."""
    by_start_time = index_scans.by_start_time(search)
    if by_start_time is not None and indexes.seems_there(conn, indexes.STARTED):
        return _execute(conn, search, search.ordering.source, by_start_time)
    if search.ordering.metric is not None and indexes.seems_there(conn, indexes.BEST):
        rows = _rows_by_metric(conn, search)
        if rows is not None:
            return rows
    if cached := statement_cache.find(search):
        return conn.execute(*cached, execution_options=_options(search)).all()
    whole = run_experiment_id.in_(search.experiment_ids)
    source = search.source(search.ordering.source)
    return _execute(conn, search, source, whole, *search.clauses, *search.after)


def _rows_by_metric(conn: Connection, search: Search) -> Sequence[Row[Any]] | None:
    """The rows of a full page from one index scan, or from a second and longer one; else None."""
    size = index_scans.initial_size(search)
    rows = _scan(conn, search, size)
    if len(rows) < search.limit and (longer := index_scans.next_size(search, size, len(rows))):
        rows = _scan(conn, search, longer)
    return rows if len(rows) == search.limit else None


def _scan(conn: Connection, search: Search, size: int) -> Sequence[Row[Any]]:
    scanned = index_scans.by_metric(search, size)
    if scanned is None:
        return []
    # An expression, which no index of experiments serves: the scan leaves few runs to look at.
    of_experiments = (run_experiment_id + 0).in_(search.experiment_ids)
    source = search.source(search.ordering.source)
    return _execute(conn, search, source, scanned, of_experiments, *search.clauses, *search.after)


def _execute(
    conn: Connection, search: Search, source: FromClause, *clauses: ColumnElement[bool]
) -> Sequence[Row[Any]]:
    ordering = search.ordering
    statement = (
        select(*search.columns, *ordering.columns())
        .select_from(source)
        .where(*clauses)
        .order_by(*ordering.clauses())
        .limit(index_scans.literal_limit(search.limit))
    )
    return conn.execute(statement, execution_options=_options(search)).all()


def _options(search: Search) -> dict[str, Any]:
    """A plan for any values expects that a third of all runs, or more, satisfy an OR.

    Then looking up run after run until the page is full seems best. If few satisfy it, that takes
    four times as long (100,000 runs, two metrics).
    """
    return {PLANNED: search.has_groups}


def _numbers(experiment_ids: Sequence[str]) -> list[int]:
    """The ids as sorted, distinct numbers."""
    if len(experiment_ids) > MAX_EXPERIMENTS:
        raise InvalidParameter(
            f"Invalid experiment_ids: {len(experiment_ids)} are given, "
            f"at most {MAX_EXPERIMENTS} are accepted."
        )
    for experiment_id in experiment_ids:
        if not is_id(experiment_id):
            raise InvalidParameter(
                f"Invalid experiment ID {experiment_id[:100]!r}: it must be a valid integer that "
                "fits into 64 bits."
            )
    return sorted({int(experiment_id) for experiment_id in experiment_ids})

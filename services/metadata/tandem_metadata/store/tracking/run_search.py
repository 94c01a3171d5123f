"""Searching runs."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, select, type_coerce

from tandem_metadata.database import indexes
from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.messages.runs import Run, RunInfo
from tandem_metadata.rules import enums
from tandem_metadata.search.language.fields import is_id
from tandem_metadata.search.language.lexer import shown
from tandem_metadata.search.language.limits import STAGES, check_max_results
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.language.run_fields import RUNS
from tandem_metadata.search.sql import index_scans, statement_cache
from tandem_metadata.search.sql import page_token as tokens
from tandem_metadata.search.sql.compile import check_run_conditions
from tandem_metadata.search.sql.index_scans import Search
from tandem_metadata.search.sql.order import order_runs
from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.store.dialect.pg_snapshot import SNAPSHOT_COLUMN
from tandem_metadata.store.tracking import load
from tandem_shared.errors import InvalidParameter

DEFAULT_MAX_RESULTS: Final = 1_000
MAX_EXPERIMENTS: Final = 10_000


class Page(NamedTuple):
    """The runs of one page, in their order."""

    ids: Sequence[str]
    token: str | None
    """Of the next page, if there is one."""
    snapshot: str | None = None
    """Of the statement that found them, if it is known; see `snapshots`."""


def search(conn: Connection, **wanted: Any) -> tuple[list[Run], str | None]:
    """As `find_ids`, with its arguments: the runs, each with all it logged."""
    page = find_ids(conn, **wanted)
    found = load.get(conn, page.ids)
    return [found[run_id] for run_id in page.ids if run_id in found], page.token


def find(conn: Connection, **wanted: Any) -> tuple[list[RunInfo], str | None]:
    """As `find_ids`, with its arguments: what the runs are, without what they logged."""
    rows, token = _find(conn, [*runs.c], **wanted)
    return [load.info(row) for row in rows], token


def find_ids(conn: Connection, **wanted: Any) -> Page:
    """One page of the runs of some experiments.

    Takes `experiment_ids`, and optionally `filter`, `run_view_type`, which is ACTIVE_ONLY (the
    default), DELETED_ONLY or ALL, `max_results`, else a page has 1,000 runs, `order_by` and
    `page_token`. Without experiment ids nothing is found. Raises InvalidParameter for a filter, an
    order_by, a token, an id or a number of results that cannot be accepted.
    """
    if not is_postgresql(conn):
        rows, token = _find(conn, [runs.c.run_uuid], **wanted)
        return Page([row[0] for row in rows], token)
    rows, token = _find(conn, [runs.c.run_uuid, SNAPSHOT_COLUMN], **wanted)
    return Page([row[0] for row in rows], token, rows[0].snapshot if rows else None)


def _find(
    conn: Connection,
    columns: Sequence[ColumnElement[Any]],
    *,
    experiment_ids: Sequence[str],
    filter: str | None = None,
    run_view_type: str | int | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
) -> tuple[Sequence[Row[Any]], str | None]:
    limit = check_max_results(DEFAULT_MAX_RESULTS if max_results is None else max_results)
    stages = STAGES[enums.name_of("run_view_type", run_view_type or "ACTIVE_ONLY", enums.VIEW_TYPE)]
    conditions = [RUNS.condition(comparison) for comparison in parse_filter(filter)]
    ordering = order_runs(order_by)
    ids = _numbers(experiment_ids)
    this_search = tokens.fingerprint("runs", ids, filter or "", stages, list(order_by))
    end = tokens.position(page_token, this_search)
    wanted = Search(
        columns=tuple(columns),
        experiment_ids=ids,
        stages=tuple(stages),
        conditions=conditions,
        order_by=tuple(order_by),
        ordering=ordering,
        end=end,
        limit=limit + 1,
        dialect=conn.dialect.name,
    )
    check_run_conditions(conditions)
    _ = wanted.behind  # a token that fits no search is refused, wherever it is given
    if not ids:
        return [], None
    rows = _first(conn, wanted)
    page = rows[:limit]
    token = tokens.write(this_search, ordering.position(page[-1])) if len(rows) > limit else None
    return page, token


def _first(conn: Connection, search: Search) -> Sequence[Row[Any]]:
    """The first runs that the search finds, in its order."""
    experiment_id = type_coerce(runs.c.experiment_id, BigInteger)
    latest = index_scans.latest(search)
    if latest is not None and indexes.seems_there(conn, indexes.STARTED):
        return _rows(conn, search, latest)
    if search.ordering.metric is not None and indexes.seems_there(conn, indexes.BEST):
        walked: int | None = index_scans.stride(search)
        seen = -1
        while walked and (best := index_scans.best(search, walked)) is not None:
            # No index of the experiment is to tempt the planner: few runs are to be looked at.
            few = (experiment_id + 0).in_(search.experiment_ids)
            found = _rows(conn, search, best, few, *search.clauses, *search.behind)
            if len(found) == search.limit:
                return found
            # Nothing more among more of them: there are no more.
            walked = index_scans.farther(search, walked, len(found)) if len(found) > seen else None
            seen = len(found)
    if kept := statement_cache.find(search):
        return conn.execute(*kept).all()
    mine = experiment_id.in_(search.experiment_ids)
    return _rows(conn, search, mine, *search.clauses, *search.behind)


def _rows(conn: Connection, search: Search, *clauses: ColumnElement[bool]) -> Sequence[Row[Any]]:
    ordering = search.ordering
    statement = (
        select(*search.columns, *ordering.columns())
        .select_from(ordering.source)
        .where(*clauses)
        .order_by(*ordering.clauses())
        .limit(index_scans.rows(search.limit))
    )
    return conn.execute(statement).all()


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
                f"Invalid experiment id {shown(experiment_id)}: an experiment id is a whole "
                "number that fits into 64 bits."
            )
    return sorted({int(experiment_id) for experiment_id in experiment_ids})

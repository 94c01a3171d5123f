"""Searching runs."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger, Connection, select, type_coerce

from tandem_metadata.messages.runs import Run, RunInfo
from tandem_metadata.search import page_token as tokens
from tandem_metadata.search.compile import run_clauses
from tandem_metadata.search.fields import is_id
from tandem_metadata.search.lexer import shown
from tandem_metadata.search.limits import STAGES, check_max_results
from tandem_metadata.search.order import order_runs
from tandem_metadata.search.parser import parse_filter
from tandem_metadata.search.run_fields import RUNS
from tandem_metadata.store import enums, run_data
from tandem_metadata.tables.tracking import runs
from tandem_shared.errors import InvalidParameter

DEFAULT_MAX_RESULTS: Final = 1_000
MAX_EXPERIMENTS: Final = 10_000


def search(
    conn: Connection,
    *,
    experiment_ids: Sequence[str],
    filter: str | None = None,
    run_view_type: str | int | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
) -> tuple[list[Run], str | None]:
    """As `find`, each run with all it logged."""
    found, token = find(
        conn,
        experiment_ids=experiment_ids,
        filter=filter,
        run_view_type=run_view_type,
        max_results=max_results,
        order_by=order_by,
        page_token=page_token,
    )
    return run_data.load(conn, found), token


def find(
    conn: Connection,
    *,
    experiment_ids: Sequence[str],
    filter: str | None = None,
    run_view_type: str | int | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
) -> tuple[list[RunInfo], str | None]:
    """One page of the runs of some experiments, and the token of the next page if there is one.

    `run_view_type` is ACTIVE_ONLY (the default), DELETED_ONLY or ALL; a page has 1,000 runs unless
    `max_results` says otherwise. Without experiment ids nothing is found. Raises InvalidParameter
    for a filter, an order_by, a token, an id or a number of results that cannot be accepted.
    """
    limit = check_max_results(DEFAULT_MAX_RESULTS if max_results is None else max_results)
    stages = STAGES[enums.name_of("run_view_type", run_view_type or "ACTIVE_ONLY", enums.VIEW_TYPE)]
    conditions = [RUNS.condition(comparison) for comparison in parse_filter(filter)]
    ordering = order_runs(order_by)
    ids = _numbers(experiment_ids)
    this_search = tokens.fingerprint("runs", ids, filter or "", stages, list(order_by))
    behind = tokens.continuation(page_token, this_search, ordering)
    if not ids:
        return [], None
    statement = (
        select(*runs.c, *ordering.columns())
        .select_from(ordering.source)
        .where(
            type_coerce(runs.c.experiment_id, BigInteger).in_(ids),
            runs.c.lifecycle_stage.in_(stages),
            *run_clauses(conditions, conn.dialect.name),
            *behind,
        )
        .order_by(*ordering.clauses())
        .limit(limit + 1)
    )
    rows = conn.execute(statement).all()
    page = rows[:limit]
    token = tokens.write(this_search, ordering.position(page[-1])) if len(rows) > limit else None
    return [run_data.info(row) for row in page], token


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
                f"Invalid experiment id {shown(experiment_id)}: an experiment id is a whole number."
            )
    return sorted({int(experiment_id) for experiment_id in experiment_ids})

"""Searching experiments."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.messages.experiments import Experiment
from tandem_metadata.rules import enums
from tandem_metadata.rules.permissions import Readable
from tandem_metadata.search.language.experiment_fields import EXPERIMENTS
from tandem_metadata.search.language.limits import STAGES, check_max_results
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.sql import paging
from tandem_metadata.search.sql.order import order_experiments
from tandem_metadata.search.sql.page_token import fingerprint
from tandem_metadata.search.sql.tracking_compile import matching_experiments
from tandem_metadata.store.dialect.in_list import shown
from tandem_metadata.store.tracking import experiments as store


def search(
    conn: Connection,
    *,
    view_type: str | int | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] = (),
    filter: str | None = None,
    page_token: str | None = None,
    readable: Readable | None = None,
) -> tuple[list[Experiment], str | None]:
    """One page of experiments, and the token of the next page if there is one.

    `view_type` is ACTIVE_ONLY (the default), DELETED_ONLY or ALL. `max_results` must be given, as
    in MLflow. Only what is `readable` is found; None is all. Raises InvalidParameter for a
    filter, an order_by, a token or a number of results that cannot be accepted.
    """
    limit = check_max_results(max_results or 0)
    stages = STAGES[enums.name_of("view_type", view_type or "ACTIVE_ONLY", enums.VIEW_TYPE)]
    criteria = EXPERIMENTS.criteria(parse_filter(filter))
    ordering = order_experiments(order_by)
    found = matching_experiments(criteria, conn.dialect.name)
    matching = (
        select(*experiments.c)
        .select_from(found.joins.to(experiments))
        .where(
            experiments.c.lifecycle_stage.in_(stages),
            *found.clauses,
            *shown(conn, experiments.c.experiment_id, readable),
        )
    )
    this_search = fingerprint("experiments", filter or "", stages, list(order_by))
    rows, token = paging.fetch(
        conn, matching, ordering, search=this_search, limit=limit, token=page_token
    )
    return store.from_rows(conn, rows), token

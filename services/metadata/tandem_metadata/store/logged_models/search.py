"""Searches of logged models."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, select

from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.messages.logged_models import LoggedModel, SearchDataset, SearchOrderBy
from tandem_metadata.rules import limits
from tandem_metadata.rules.permissions import Readable
from tandem_metadata.search.language.limits import MAX_RESULTS, check_max_results
from tandem_metadata.search.language.logged_model_fields import LOGGED_MODELS
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.sql import paging
from tandem_metadata.search.sql.logged_models import matching_logged_models, order_logged_models
from tandem_metadata.search.sql.page_token import fingerprint
from tandem_metadata.store.dialect.in_list import any_of, shown
from tandem_metadata.store.logged_models import load
from tandem_metadata.store.tracking import experiments

DEFAULT_MAX_RESULTS: Final = 50
MAX_RESULTS_OF_ZERO: Final = 100
"""The page size for an explicit 0, as in MLflow."""
MAX_EXPERIMENTS: Final = 10_000


def search(
    conn: Connection,
    *,
    experiment_ids: Sequence[str],
    filter: str | None = None,
    datasets: Sequence[SearchDataset] = (),
    max_results: int | None = None,
    order_by: Sequence[SearchOrderBy] = (),
    page_token: str | None = None,
    readable: Readable | None = None,
) -> tuple[list[LoggedModel], str | None]:
    """One page of the logged models of some experiments, and the next page's token if any.

    Of these experiments those count that are `readable`; None is all.
    Models of deleted experiments are found, but no deleted models. If `datasets` are given, only
    models with metrics of these are found, and filters compare only such metrics. By default the
    latest created come first, and a page has 50 models; `max_results` is cut to 50,000. Raises
    InvalidParameter for an invalid filter, order, dataset, token, id or page size.
    """
    wanted = DEFAULT_MAX_RESULTS if max_results is None else max_results or MAX_RESULTS_OF_ZERO
    limit = check_max_results(min(wanted, MAX_RESULTS))
    limits.check_count("experiment_ids", experiment_ids, MAX_EXPERIMENTS)
    ids = experiments.possible_ids(conn, experiment_ids)
    criteria = LOGGED_MODELS.criteria(parse_filter(filter))
    found = matching_logged_models(criteria, datasets, conn.dialect.name)
    ordering = order_logged_models(order_by)
    matching = (
        select(*logged_models.c)
        .select_from(found.joins.to(logged_models))
        .where(
            any_of(conn, logged_models.c.experiment_id, ids),
            *shown(conn, logged_models.c.experiment_id, readable),
            logged_models.c.lifecycle_stage == "active",
            *found.clauses,
        )
    )
    this_search = fingerprint("logged models", ids, filter or "", order_by, datasets)
    rows, token = paging.fetch(
        conn, matching, ordering, search=this_search, limit=limit, token=page_token
    )
    return load.load(conn, rows), token

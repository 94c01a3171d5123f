"""Searches of evaluation datasets."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, select

from tandem_metadata.database.tables.evaluation import evaluation_datasets
from tandem_metadata.messages.evaluation_datasets import Dataset
from tandem_metadata.search.language.evaluation_dataset_fields import EVALUATION_DATASETS
from tandem_metadata.search.language.limits import check_max_results
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.sql import paging
from tandem_metadata.search.sql.evaluation_datasets import (
    matching_evaluation_datasets,
    order_evaluation_datasets,
)
from tandem_metadata.search.sql.page_token import fingerprint
from tandem_metadata.store.evaluation import associations, datasets

DEFAULT_MAX_RESULTS: Final = 1_000


def search(
    conn: Connection,
    *,
    experiment_ids: Sequence[str] = (),
    filter: str | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
) -> tuple[list[Dataset], str | None]:
    """One page of the datasets of some experiments, or of all, and the next page's token if any.

    Raises InvalidParameter for an invalid filter, order, token or page size.
    """
    limit = check_max_results(DEFAULT_MAX_RESULTS if max_results is None else max_results)
    criteria = EVALUATION_DATASETS.criteria(parse_filter(filter))
    found = matching_evaluation_datasets(criteria, conn.dialect.name)
    ordering = order_evaluation_datasets(order_by)
    table = evaluation_datasets
    matching = select(*table.c).select_from(found.joins.to(table)).where(*found.clauses)
    if experiment_ids:
        inside = associations.in_experiments(conn, table.c.dataset_id, experiment_ids)
        matching = matching.where(inside)
    asked = sorted({*experiment_ids})
    this_search = fingerprint("evaluation datasets", asked, filter or "", list(order_by))
    rows, token = paging.fetch(
        conn, matching, ordering, search=this_search, limit=limit, token=page_token
    )
    return datasets.from_rows(conn, rows), token

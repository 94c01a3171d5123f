"""Searches of registered models. They find models or prompts, never both."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, select

from tandem_metadata.database.tables.registry import registered_models
from tandem_metadata.messages.registered_models import RegisteredModel
from tandem_metadata.search.language.limits import check_max_results
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.language.registered_model_fields import REGISTERED_MODELS
from tandem_metadata.search.sql import paging
from tandem_metadata.search.sql.page_token import fingerprint
from tandem_metadata.search.sql.registry_compile import (
    REGISTERED_MODEL_ROWS,
    ReadableNames,
    matching,
)
from tandem_metadata.search.sql.registry_order import order_registered_models
from tandem_metadata.store.dialect.in_list import shown
from tandem_metadata.store.registry import registered_models as store

DEFAULT_MAX_RESULTS: Final = 100
MAX_RESULTS: Final = 1_000


def search(
    conn: Connection,
    *,
    filter: str | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
    readable: ReadableNames | None = None,
) -> tuple[list[RegisteredModel], str | None]:
    """One page of registered models, and the token of the next page if there is one.

    Prompts, and no models, are found if the filter asks for prompts. A page has 100 results by
    default. Only what is `readable` is found; None is all. Raises InvalidParameter for an invalid
    filter, order_by, token or page size.
    """
    limit = check_max_results(
        DEFAULT_MAX_RESULTS if max_results is None else max_results, MAX_RESULTS
    )
    criteria = REGISTERED_MODELS.criteria(parse_filter(filter))
    ordering = order_registered_models(order_by)
    source, clauses = matching(REGISTERED_MODEL_ROWS, criteria, conn.dialect.name)
    readable_names = readable.of(criteria) if readable else None
    models = (
        select(*registered_models.c)
        .select_from(source)
        .where(*clauses, *shown(conn, registered_models.c.name, readable_names))
    )
    this_search = fingerprint("registered models", filter or "", list(order_by))
    rows, token = paging.fetch(
        conn, models, ordering, search=this_search, limit=limit, token=page_token
    )
    return store.from_rows(conn, rows), token

"""Searches of model versions. They find versions of models or of prompts, never both."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, select

from tandem_metadata.database.tables.registry import model_versions
from tandem_metadata.messages.model_versions import ModelVersion
from tandem_metadata.search.language.limits import check_max_results
from tandem_metadata.search.language.model_version_fields import MODEL_VERSIONS
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.sql import paging
from tandem_metadata.search.sql.page_token import fingerprint
from tandem_metadata.search.sql.registry_compile import (
    MODEL_VERSION_ROWS,
    ReadableNames,
    matching,
)
from tandem_metadata.search.sql.registry_order import order_model_versions
from tandem_metadata.store.dialect.in_list import any_of, shown
from tandem_metadata.store.registry import model_versions as store

MAX_RESULTS: Final = 200_000
"""The largest and the default page size, as in MLflow."""


def search(
    conn: Connection,
    *,
    filter: str | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] = (),
    page_token: str | None = None,
    readable: ReadableNames | None = None,
) -> tuple[list[ModelVersion], str | None]:
    """One page of model versions, and the token of the next page if there is one.

    Deleted versions are never found. Versions of prompts, and no others, are found if the filter
    asks for prompts; only those of models or prompts that are `readable`, of which None is all.
    Aliases are left out, as in MLflow. Raises InvalidParameter for an invalid
    filter, order_by, token or page size.
    """
    limit = check_max_results(MAX_RESULTS if max_results is None else max_results, MAX_RESULTS)
    criteria = MODEL_VERSIONS.criteria(parse_filter(filter))
    ordering = order_model_versions(order_by)
    source, clauses = matching(MODEL_VERSION_ROWS, criteria, conn.dialect.name)
    versions = (
        select(*model_versions.c)
        .select_from(source)
        .where(
            model_versions.c.current_stage != store.DELETED,
            *clauses,
            *shown(conn, model_versions.c.name, readable.of(criteria) if readable else None),
        )
    )
    this_search = fingerprint("model versions", filter or "", list(order_by))
    rows, token = paging.fetch(
        conn, versions, ordering, search=this_search, limit=limit, token=page_token
    )
    return store.from_rows(conn, rows, with_aliases=False), token


def of_runs(
    conn: Connection,
    run_ids: Sequence[str],
    most: int | None = None,
    *,
    readable: ReadableNames | None = None,
) -> defaultdict[str, list[ModelVersion]]:
    """The model versions of each run, at most `most` in all, by two statements for any runs.

    Versions of prompts are none of them. Only those of `readable` models are found; None is all.
    """
    ordering = order_model_versions(())
    source, clauses = matching(MODEL_VERSION_ROWS, (), conn.dialect.name)
    statement = (
        select(*model_versions.c)
        .select_from(source)
        .where(
            any_of(conn, model_versions.c.run_id, run_ids),
            model_versions.c.current_stage != store.DELETED,
            *clauses,
            *shown(conn, model_versions.c.name, readable.models if readable else None),
        )
        .order_by(*ordering.clauses())
        .limit(most)
    )
    found: defaultdict[str, list[ModelVersion]] = defaultdict(list)
    for version in store.from_rows(conn, conn.execute(statement).all(), with_aliases=False):
        found[version.run_id or ""].append(version)
    return found

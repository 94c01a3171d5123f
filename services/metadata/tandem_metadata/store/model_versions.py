"""Versions of registered models: reading them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, tuple_

from tandem_metadata.messages.model_versions import ModelVersion, ModelVersionTag
from tandem_metadata.store.membership import among, among_versions
from tandem_metadata.tables.registry import (
    model_version_tags,
    model_versions,
    registered_model_aliases,
)

DELETED: Final = "Deleted_Internal"
"""The stage of a deleted version, whose row stays so that its number is never given again."""


def from_rows(
    conn: Connection, rows: Sequence[Row[Any]], *, with_aliases: bool = True
) -> list[ModelVersion]:
    """Versions for rows of the model_versions table, in their order, with their tags by key.

    Aliases come by name; without `with_aliases` they are left out, as MLflow's searches do.
    """
    if not rows:
        return []
    pairs = [(row.name, row.version) for row in rows]
    tags = _tags(conn, pairs)
    aliases = _aliases(conn, pairs) if with_aliases else {}
    return [
        ModelVersion(
            name=row.name,
            version=str(row.version),
            creation_timestamp=row.creation_time,
            last_updated_timestamp=row.last_updated_time,
            user_id=row.user_id,
            current_stage=row.current_stage,
            description=row.description,
            source=row.source,
            run_id=row.run_id,
            status=row.status,
            status_message=row.status_message or None,
            tags=tags[pair],
            run_link=row.run_link,
            aliases=aliases.get(pair, []),
        )
        for pair, row in zip(pairs, rows, strict=True)
    ]


def latest(conn: Connection, names: Sequence[str]) -> Sequence[Row[Any]]:
    """Rows of the latest version of each stage of some models, by name and version."""
    columns = model_versions.c
    highest = (
        select(columns.name, func.max(columns.version))
        .where(among(conn, columns.name, names), columns.current_stage != DELETED)
        .group_by(columns.name, columns.current_stage)
    )
    return conn.execute(
        select(model_versions)
        .where(tuple_(columns.name, columns.version).in_(highest))
        .order_by(columns.name, columns.version)
    ).all()


def _tags(
    conn: Connection, pairs: Sequence[tuple[str, int]]
) -> defaultdict[tuple[str, int], list[ModelVersionTag]]:
    columns = model_version_tags.c
    tags: defaultdict[tuple[str, int], list[ModelVersionTag]] = defaultdict(list)
    for row in conn.execute(
        select(model_version_tags)
        .where(among_versions(conn, columns.name, columns.version, pairs))
        .order_by(columns.key)
    ):
        tags[row.name, row.version].append(ModelVersionTag(row.key, row.value or ""))
    return tags


def _aliases(
    conn: Connection, pairs: Sequence[tuple[str, int]]
) -> defaultdict[tuple[str, int], list[str]]:
    columns = registered_model_aliases.c
    aliases: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for row in conn.execute(
        select(registered_model_aliases)
        .where(among_versions(conn, columns.name, columns.version, pairs))
        .order_by(columns.alias)
    ):
        aliases[row.name, row.version].append(row.alias)
    return aliases

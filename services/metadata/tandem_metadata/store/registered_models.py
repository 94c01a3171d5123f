"""Registered models: reading them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from tandem_metadata.messages.model_versions import ModelVersion
from tandem_metadata.messages.registered_models import (
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)
from tandem_metadata.store import model_versions
from tandem_metadata.store.membership import among
from tandem_metadata.tables.registry import registered_model_aliases, registered_model_tags


def from_rows(conn: Connection, rows: Sequence[Row[Any]]) -> list[RegisteredModel]:
    """Models for rows of the registered_models table, in their order.

    Each has its tags by key, its aliases by name and the latest version of each stage by number,
    without the versions' aliases, as MLflow answers.
    """
    if not rows:
        return []
    names = [row.name for row in rows]
    tags: defaultdict[str, list[RegisteredModelTag]] = defaultdict(list)
    for tag in conn.execute(
        select(registered_model_tags)
        .where(among(conn, registered_model_tags.c.name, names))
        .order_by(registered_model_tags.c.key)
    ):
        tags[tag.name].append(RegisteredModelTag(tag.key, tag.value or ""))
    aliases: defaultdict[str, list[RegisteredModelAlias]] = defaultdict(list)
    for alias in conn.execute(
        select(registered_model_aliases)
        .where(among(conn, registered_model_aliases.c.name, names))
        .order_by(registered_model_aliases.c.alias)
    ):
        aliases[alias.name].append(RegisteredModelAlias(alias.alias, str(alias.version)))
    latest: defaultdict[str, list[ModelVersion]] = defaultdict(list)
    for version in model_versions.from_rows(
        conn, model_versions.latest(conn, names), with_aliases=False
    ):
        latest[version.name].append(version)
    return [
        RegisteredModel(
            name=row.name,
            creation_timestamp=row.creation_time,
            last_updated_timestamp=row.last_updated_time or None,
            description=row.description or None,
            latest_versions=latest[row.name],
            tags=tags[row.name],
            aliases=aliases[row.name],
        )
        for row in rows
    ]

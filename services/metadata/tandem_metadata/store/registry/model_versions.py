"""Versions of registered models: reading, changing and deleting them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, func, select, tuple_

from tandem_metadata.database.tables.registry import (
    model_version_tags,
    model_versions,
    registered_model_aliases,
)
from tandem_metadata.messages.model_versions import ModelVersion, ModelVersionTag
from tandem_metadata.rules import limits
from tandem_metadata.store.dialect.in_list import any_of, any_version_of
from tandem_metadata.store.dialect.logging_order import first_logged
from tandem_metadata.store.registry import rows as registry_rows
from tandem_metadata.store.registry.rows import DELETED as DELETED
from tandem_shared.clock import now_ms
from tandem_shared.errors import InvalidParameter, NotFound

_ACTIVE = ("Staging", "Production")


def get(conn: Connection, name: str, version: str) -> ModelVersion:
    """A version that is not deleted.

    Raises NotFound, and InvalidParameter for an invalid name or version.
    """
    return from_rows(conn, [registry_rows.version(conn, name, version)])[0]


def download_uri(conn: Connection, name: str, version: str) -> str:
    """The location of a version's artifacts; raises as `get` does."""
    return location(registry_rows.version(conn, name, version))


def location(row: Row[Any]) -> str:
    """The artifact location in a version's row; "" without one."""
    uri: str | None = row.storage_location or row.source
    return uri or ""


def update(conn: Connection, name: str, version: str, description: str | None) -> ModelVersion:
    """Set a version's description; raises as `get` does, and InvalidParameter if it is too long."""
    limits.check_length("description", description or "", limits.MODEL_DESCRIPTION)
    row = registry_rows.locked_version(conn, name, version)
    return _changed(conn, row, description=description, last_updated_time=now_ms())


def transition(
    conn: Connection, name: str, version: str, stage: str, *, archive_others: bool
) -> ModelVersion:
    """Move a version to a stage; with `archive_others` the stage's other versions are archived.

    Raises as `get` does. Raises InvalidParameter for an unknown stage, and for `archive_others`
    with a stage other than Staging and Production.
    """
    wanted = registry_rows.stage("stage", stage)
    if archive_others and wanted not in _ACTIVE:
        raise InvalidParameter(
            "Model version transition cannot archive existing model versions because "
            f"'{wanted}' is not an Active stage, as {' and '.join(_ACTIVE)} are; leave "
            "'archive_existing_versions' out."
        )
    row = registry_rows.locked_version(conn, name, version)
    now = now_ms()
    if archive_others:
        columns = model_versions.c
        conn.execute(
            sa.update(model_versions)
            .where(
                columns.name == name,
                columns.version != row.version,
                columns.current_stage == wanted,
            )
            .values(current_stage="Archived", last_updated_time=now)
        )
    registry_rows.touch(conn, name, now)
    return _changed(conn, row, current_stage=wanted, last_updated_time=now)


def delete(conn: Connection, name: str, version: str) -> None:
    """Delete a version and its aliases; raises as `get` does.

    Its row stays with its contents removed, so that its number is never used again.
    """
    row = registry_rows.locked_version(conn, name, version)
    aliases = registered_model_aliases.c
    conn.execute(
        sa.delete(registered_model_aliases).where(
            aliases.name == name, aliases.version == row.version
        )
    )
    now = now_ms()
    conn.execute(
        sa.update(model_versions)
        .where(model_versions.c.name == name, model_versions.c.version == row.version)
        .values(
            current_stage=DELETED,
            last_updated_time=now,
            description=None,
            user_id=None,
            source="REDACTED-SOURCE-PATH",
            run_id="REDACTED-RUN-ID",
            run_link="REDACTED-RUN-LINK",
            status_message=None,
        )
    )
    registry_rows.touch(conn, name, now)


def from_rows(
    conn: Connection, rows: Sequence[Row[Any]], *, with_aliases: bool = True
) -> list[ModelVersion]:
    """Versions for rows of the model_versions table, in the same order.

    Tags are in order of first logging, see `logging_order`, and aliases by name. MLflow's searches
    return no aliases; give `with_aliases=False` for them.
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
    """Rows of the latest version in each stage of some models, sorted by name and version."""
    columns = model_versions.c
    highest = (
        select(columns.name, func.max(columns.version))
        .where(any_of(conn, columns.name, names), columns.current_stage != DELETED)
        .group_by(columns.name, columns.current_stage)
    )
    return conn.execute(
        select(model_versions)
        .where(tuple_(columns.name, columns.version).in_(highest))
        .order_by(columns.name, columns.version)
    ).all()


def highest(conn: Connection, name: str) -> Row[Any]:
    """The row of a model's highest version; raises NotFound if the model has none."""
    columns = model_versions.c
    row = conn.execute(
        select(model_versions)
        .where(columns.name == name, columns.current_stage != DELETED)
        .order_by(columns.version.desc())
        .limit(1)
    ).first()
    if row is None:
        raise NotFound(f"Latest version not found for model {name}: it has no version yet.")
    return row


def _changed(conn: Connection, row: Row[Any], **values: object) -> ModelVersion:
    columns = model_versions.c
    changed = conn.execute(
        sa.update(model_versions)
        .where(columns.name == row.name, columns.version == row.version)
        .values(**values)
        .returning(model_versions)
    ).one()
    return from_rows(conn, [changed])[0]


def _tags(
    conn: Connection, pairs: Sequence[tuple[str, int]]
) -> defaultdict[tuple[str, int], list[ModelVersionTag]]:
    columns = model_version_tags.c
    tags: defaultdict[tuple[str, int], list[ModelVersionTag]] = defaultdict(list)
    for row in conn.execute(
        select(model_version_tags)
        .where(any_version_of(conn, columns.name, columns.version, pairs))
        .order_by(first_logged(conn, model_version_tags, columns.key))
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
        .where(any_version_of(conn, columns.name, columns.version, pairs))
        .order_by(columns.alias)
    ):
        aliases[row.name, row.version].append(row.alias)
    return aliases

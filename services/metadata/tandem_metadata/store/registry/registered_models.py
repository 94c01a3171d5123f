"""Registered models: creating, reading, renaming and deleting them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import IntegrityError

from tandem_metadata.database import tables
from tandem_metadata.database.tables import registry
from tandem_metadata.database.tables.registry import (
    registered_model_aliases,
    registered_model_tags,
    registered_models,
)
from tandem_metadata.messages.model_versions import ModelVersion
from tandem_metadata.messages.registered_models import (
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)
from tandem_metadata.rules import limits
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.dialect.logging_order import first_logged
from tandem_metadata.store.registry import model_versions, prompts
from tandem_metadata.store.registry import rows as registry_rows
from tandem_metadata.store.registry import tags as registry_tags
from tandem_metadata.store.webhooks import events
from tandem_shared.clock import now_ms
from tandem_shared.errors import AlreadyExists

_PROMPT_TAGS = (prompts.TAG, prompts.TYPE_TAG)


def create(
    conn: Connection, name: str, tags: Sequence[RegisteredModelTag], description: str
) -> RegisteredModel:
    """Create a registered model, or a prompt if its tags mark one.

    Raises InvalidParameter for an invalid name, tag or description, and AlreadyExists if a model or
    prompt has the name.
    """
    registry_rows.check_new_name("name", name)
    limits.check_length("description", description, limits.MODEL_DESCRIPTION)
    values = registry_tags.check(tags, limits.MODEL_TAG_VALUE)
    as_prompt = prompts.marked(values)
    now = now_ms()
    row = conn.execute(
        tables.insert(conn, registered_models)
        .values(name=name, creation_time=now, last_updated_time=now, description=description)
        # Without a target: in newer revisions (workspace, name) is unique.
        .on_conflict_do_nothing()
        .returning(registered_models)
    ).first()
    if row is None:
        raise prompts.name_taken(conn, name, as_prompt=as_prompt)
    registry_tags.add(conn, registered_model_tags, {"name": name}, values)
    told = {k: v for k, v in values.items() if not (as_prompt and k in _PROMPT_TAGS)}
    events.record(
        conn,
        "prompt" if as_prompt else "registered_model",
        "created",
        {"name": name, "tags": told, "description": description},
    )
    return from_rows(conn, [row])[0]


def get(conn: Connection, name: str) -> RegisteredModel:
    """A registered model or prompt.

    Raises NotFound, and InvalidParameter for an invalid name.
    """
    return from_rows(conn, [registry_rows.model(conn, name)])[0]


def latest_versions(conn: Connection, name: str, stages: Sequence[str]) -> list[ModelVersion]:
    """The latest version in each given stage, sorted by number; no stages means every stage.

    Raises as `get` does, and InvalidParameter for an unknown stage.
    """
    registry_rows.model(conn, name)
    wanted = {registry_rows.stage(f"stages[{i}]", given) for i, given in enumerate(stages)}
    rows = model_versions.latest(conn, [name])
    expected = wanted or set(registry_rows.STAGES)
    return model_versions.from_rows(conn, [row for row in rows if row.current_stage in expected])


def update(conn: Connection, name: str, description: str) -> RegisteredModel:
    """Set a model's description; raises as `get` does, and InvalidParameter if it is too long."""
    limits.check_length("description", description, limits.MODEL_DESCRIPTION)
    registry_rows.model(conn, name, lock=True)
    row = conn.execute(
        sa.update(registered_models)
        .where(registered_models.c.name == name)
        .values(description=description, last_updated_time=now_ms())
        .returning(registered_models)
    ).one()
    return from_rows(conn, [row])[0]


def rename(conn: Connection, name: str, new_name: str) -> RegisteredModel:
    """Rename a model; its versions, tags and aliases follow.

    Raises as `get` does, and AlreadyExists if another model or prompt has the new name. Two
    requests that swap names deadlock, so the transaction must be one that is retried.
    """
    registry_rows.check_new_name("new_name", new_name)
    registry_rows.model(conn, name, lock=True)
    if new_name != name and _exists(conn, new_name):
        raise _new_name_taken(new_name)
    now = now_ms()
    versions = registry.model_versions
    conn.execute(sa.update(versions).where(versions.c.name == name).values(last_updated_time=now))
    try:
        # The foreign keys cascade; in the newest revisions they refer to (workspace, name).
        row = conn.execute(
            sa.update(registered_models)
            .where(registered_models.c.name == name)
            .values(name=new_name, last_updated_time=now)
            .returning(registered_models)
        ).one()
    except IntegrityError:  # another request was faster
        raise _new_name_taken(new_name) from None
    return from_rows(conn, [row])[0]


def delete(conn: Connection, name: str) -> None:
    """Delete a model with its versions, tags and aliases; raises as `get` does."""
    registry_rows.model(conn, name, lock=True)
    for table in (
        registry.model_version_tags,
        registry.model_versions,
        registered_model_tags,
        registered_model_aliases,
        registered_models,
    ):
        conn.execute(sa.delete(table).where(table.c.name == name))


def from_rows(conn: Connection, rows: Sequence[Row[Any]]) -> list[RegisteredModel]:
    """Models for rows of the registered_models table, in the same order.

    Tags are in order of first logging, see `logging_order`, and aliases by name. The latest version
    in each stage comes by number and without aliases, as in MLflow.
    """
    if not rows:
        return []
    names = [row.name for row in rows]
    tags: defaultdict[str, list[RegisteredModelTag]] = defaultdict(list)
    for tag in conn.execute(
        select(registered_model_tags)
        .where(any_of(conn, registered_model_tags.c.name, names))
        .order_by(first_logged(conn, registered_model_tags, registered_model_tags.c.key))
    ):
        tags[tag.name].append(RegisteredModelTag(tag.key, tag.value or ""))
    aliases: defaultdict[str, list[RegisteredModelAlias]] = defaultdict(list)
    for alias in conn.execute(
        select(registered_model_aliases)
        .where(any_of(conn, registered_model_aliases.c.name, names))
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


def _exists(conn: Connection, name: str) -> bool:
    columns = registered_models.c
    return conn.execute(select(columns.name).where(columns.name == name)).first() is not None


def _new_name_taken(name: str) -> AlreadyExists:
    return AlreadyExists(
        f"Registered Model (name={name}) already exists, or a prompt of that name; choose another "
        "name."
    )

"""Tags of registered models and of their versions."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update

from tandem_metadata.database import tables
from tandem_metadata.database.tables.registry import model_version_tags, registered_model_tags
from tandem_metadata.messages.model_versions import ModelVersionTag
from tandem_metadata.messages.registered_models import RegisteredModelTag
from tandem_metadata.rules import limits
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.registry import prompts, rows
from tandem_metadata.store.webhooks import events


def check(tags: Sequence[RegisteredModelTag | ModelVersionTag], limit: int) -> dict[str, str]:
    """Values by key of a new model's or version's tags; the last value of a repeated key counts.

    Raises InvalidParameter, naming the index in `tags`, for an invalid tag.
    """
    limits.check_count("tags", tags)
    for index, tag in enumerate(tags):
        limits.check_key(f"tags[{index}].key", tag.key)
        limits.check_tag_value(f"tags[{index}].value", tag.key, tag.value, limit)
    return {tag.key: prompts.as_stored(tag.key, tag.value) for tag in tags}


def add(conn: Connection, table: Table, of: Mapping[str, Any], values: Mapping[str, str]) -> None:
    """Insert tags of a new model or version; `of` holds its key columns."""
    bulk.insert(conn, table, [{**of, "key": key, "value": value} for key, value in values.items()])


def set_on_model(
    conn: Connection, name: str, key: str, value: str, *, keep_kind: bool = False
) -> None:
    """Set a tag of a registered model.

    Raises NotFound, and InvalidParameter for an invalid tag, or one that makes a prompt of a model
    or the reverse if `keep_kind` forbids it.
    """
    limits.check_key("key", key)
    limits.check_tag_value("value", key, value, limits.MODEL_TAG_VALUE)
    rows.model(conn, name, lock=True)
    if keep_kind and key == prompts.TAG:
        _check_kept(conn, f"{name!r}", registered_model_tags, {"name": name}, value)
    value = prompts.as_stored(key, value)
    _set(conn, registered_model_tags, {"name": name, "key": key}, value)
    if prompts.is_prompt(conn, name):
        data = {"name": name, "key": key, "value": value}
        events.record(conn, "prompt_tag", "set", data)


def delete_from_model(conn: Connection, name: str, key: str, *, keep_kind: bool = False) -> None:
    """Delete a tag of a registered model, if it has it.

    Raises NotFound for an unknown model, and InvalidParameter for an invalid name or key, or for
    the mark of a prompt if `keep_kind` forbids to delete it.
    """
    limits.check_key("key", key)
    rows.model(conn, name, lock=True)
    if keep_kind and key == prompts.TAG:
        _check_kept(conn, f"{name!r}", registered_model_tags, {"name": name}, None)
    columns = registered_model_tags.c
    conn.execute(delete(registered_model_tags).where(columns.name == name, columns.key == key))
    if prompts.is_prompt(conn, name):
        events.record(conn, "prompt_tag", "deleted", {"name": name, "key": key})


def set_on_version(
    conn: Connection, name: str, version: str, key: str, value: str, *, keep_kind: bool = False
) -> None:
    """Set a tag of a model version.

    Raises NotFound, and InvalidParameter for an invalid name, version or tag, and as `set_on_model`
    does where `keep_kind`.
    """
    limits.check_key("key", key)
    limits.check_tag_value("value", key, value, limits.VERSION_TAG_VALUE)
    number = _locked_version(conn, name, version)
    if keep_kind and key == prompts.TAG:
        of = {"name": name, "version": number}
        _check_kept(conn, f"version {number} of {name!r}", model_version_tags, of, value)
    value = prompts.as_stored(key, value)
    _set(conn, model_version_tags, {"name": name, "version": number, "key": key}, value)
    data = {"name": name, "version": str(number), "key": key, "value": value}
    events.record(conn, _entity(conn, name), "set", data)


def delete_from_version(
    conn: Connection, name: str, version: str, key: str, *, keep_kind: bool = False
) -> None:
    """Delete a tag of a model version, if it has it.

    Raises NotFound for an unknown version, and InvalidParameter for an invalid name, version or
    key, and as `delete_from_model` does where `keep_kind`.
    """
    limits.check_key("key", key)
    number = _locked_version(conn, name, version)
    if keep_kind and key == prompts.TAG:
        of = {"name": name, "version": number}
        _check_kept(conn, f"version {number} of {name!r}", model_version_tags, of, None)
    columns = model_version_tags.c
    conn.execute(
        delete(model_version_tags).where(
            columns.name == name, columns.version == number, columns.key == key
        )
    )
    data = {"name": name, "version": str(number), "key": key}
    events.record(conn, _entity(conn, name), "deleted", data)


def _check_kept(
    conn: Connection, what: str, table: Table, of: Mapping[str, Any], value: str | None
) -> None:
    clauses = [table.c[column] == given for column, given in of.items()]
    stored = select(table.c.value).where(*clauses, table.c.key == prompts.TAG)
    prompts.check_kept(what, conn.execute(stored).scalar(), value)


def _entity(conn: Connection, name: str) -> str:
    return "prompt_version_tag" if prompts.is_prompt(conn, name) else "model_version_tag"


def _locked_version(conn: Connection, name: str, version: str) -> int:
    number: int = rows.locked_version(conn, name, version).version
    return number


def _set(conn: Connection, table: Table, of: Mapping[str, Any], value: str) -> None:
    """Update or insert a tag. No ON CONFLICT: unique columns differ between revisions.

    The caller has locked the model's row.
    """
    changed = conn.execute(
        update(table)
        .where(*(table.c[column] == given for column, given in of.items()))
        .values(value=value)
    )
    if not changed.rowcount:
        conn.execute(tables.insert(conn, table).values(**of, value=value))

"""Aliases: names of single versions of a registered model."""

import re
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row, insert, select

from tandem_metadata.database.tables.registry import registered_model_aliases
from tandem_metadata.messages.model_versions import ModelVersion
from tandem_metadata.rules import limits
from tandem_metadata.store.registry import model_versions, prompts, rows
from tandem_metadata.store.webhooks import events
from tandem_shared.errors import InvalidParameter

LATEST: Final = "latest"
"""The reserved alias, in any case, of the version with the highest number."""

_CHARACTERS: Final = re.compile(r"[\w\-]+")
_LIKE_A_VERSION: Final = re.compile(r"[vV]\d+")
_SHOWN: Final = 100


def set(conn: Connection, name: str, alias: str, version: str) -> None:  # noqa: A001 - their verb
    """Assign an alias to a version; an alias of another version is moved.

    Raises NotFound for an unknown version, and InvalidParameter for an invalid alias. `latest` and
    names such as `v1` are reserved.
    """
    _check(alias)
    if alias.lower() == LATEST:
        raise InvalidParameter(
            f"'{LATEST}' alias name (case insensitive) is reserved; choose another for parameter "
            "'alias'."
        )
    if _LIKE_A_VERSION.fullmatch(alias):
        raise InvalidParameter(
            f"Version alias name '{alias[:_SHOWN]}' is reserved; choose another for parameter "
            "'alias'."
        )
    number = rows.locked_version(conn, name, version).version
    columns = registered_model_aliases.c
    # No ON CONFLICT: unique columns differ between revisions. The model's row is locked instead.
    changed = conn.execute(
        sa.update(registered_model_aliases)
        .where(columns.name == name, columns.alias == alias)
        .values(version=number)
    )
    if not changed.rowcount:
        conn.execute(
            insert(registered_model_aliases).values(name=name, alias=alias, version=number)
        )
    data = {"name": name, "alias": alias, "version": str(number)}
    events.record(conn, _entity(conn, name), "created", data)


def delete(conn: Connection, name: str, alias: str) -> None:
    """Delete an alias, if the model has it.

    Raises NotFound for an unknown model, and InvalidParameter for an invalid name or alias.
    """
    _check(alias)
    rows.model(conn, name, lock=True)
    columns = registered_model_aliases.c
    conn.execute(
        sa.delete(registered_model_aliases).where(columns.name == name, columns.alias == alias)
    )
    events.record(conn, _entity(conn, name), "deleted", {"name": name, "alias": alias})


def get(conn: Connection, name: str, alias: str) -> ModelVersion:
    """The version of an alias; raises as `row` does."""
    return model_versions.from_rows(conn, [row(conn, name, alias)])[0]


def row(conn: Connection, name: str, alias: str) -> Row[Any]:
    """The row of the version of an alias, or of `latest`.

    Raises NotFound for an unknown model, and for `latest` of a model without versions. Raises
    InvalidParameter for an alias that the model does not have.
    """
    _check(alias)
    rows.model(conn, name)
    if alias.lower() == LATEST:
        return model_versions.highest(conn, name)
    columns = registered_model_aliases.c
    version = conn.execute(
        select(columns.version).where(columns.name == name, columns.alias == alias)
    ).scalar()
    if version is None:
        # MLflow's error code; its clients expect it for a missing alias.
        raise InvalidParameter(
            f"Registered model alias {alias[:_SHOWN]} not found. Model {name!r} has other aliases, "
            "or none."
        )
    return rows.version(conn, name, str(version))


def _check(alias: str) -> None:
    limits.check_length("alias", alias, limits.MODEL_ALIAS)
    if not _CHARACTERS.fullmatch(alias):
        raise InvalidParameter(
            f"Invalid alias name: {alias[:_SHOWN]!r}. Names may only contain letters, digits, "
            "underscores and dashes. It is parameter 'alias'."
        )


def _entity(conn: Connection, name: str) -> str:
    return "prompt_alias" if prompts.is_prompt(conn, name) else "model_version_alias"

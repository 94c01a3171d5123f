"""Prompts: registered models and versions that a tag marks as prompts.

A version of a prompt keeps its text in a tag and has no artifacts; its source is a placeholder.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from tandem_metadata.database.tables.registry import registered_model_tags, registered_models
from tandem_shared.errors import AlreadyExists, InvalidParameter

TAG: Final = "mlflow.prompt.is_prompt"
TEXT_TAG: Final = "mlflow.prompt.text"
TYPE_TAG: Final = "_mlflow_prompt_type"

_SOURCES: Final = ("dummy-source", "prompt-template")
"""The placeholder sources that MLflow's clients and its web UI send."""


def marked(tags: Mapping[str, str]) -> bool:
    """Whether tags mark a prompt."""
    return tags.get(TAG, "false").lower() == "true"


def as_stored(key: str, value: str) -> str:
    """The tag value to store. A prompt's mark becomes "true", which searches compare with."""
    return "true" if key == TAG and marked({key: value}) else value


def is_prompt(conn: Connection, name: str) -> bool:
    """Whether the registered model of that name is a prompt."""
    columns = registered_model_tags.c
    value = conn.execute(
        select(columns.value).where(columns.name == name, columns.key == TAG)
    ).scalar()
    return marked({TAG: value or ""})


def kind(conn: Connection, name: str) -> bool | None:
    """As `is_prompt`; None if there is neither a registered model nor a prompt of that name."""
    columns = registered_model_tags.c
    found = conn.execute(
        select(columns.value)
        .select_from(
            registered_models.outerjoin(
                registered_model_tags,
                (columns.name == registered_models.c.name) & (columns.key == TAG),
            )
        )
        .where(registered_models.c.name == name)
    ).first()
    return None if found is None else marked({TAG: found.value or ""})


def check_source(source: str) -> None:
    """Raise InvalidParameter for a prompt's source that is not a placeholder."""
    if source not in _SOURCES:
        raise InvalidParameter(
            f"Invalid prompt source: {source[:100]!r}. A prompt has no artifacts; parameter "
            f"'source' must be '{_SOURCES[0]}'."
        )


def check_kind(conn: Connection, model: Row[Any], *, as_prompt: bool) -> None:
    """Raise InvalidParameter for a prompt's version in a model, or a model's version in a prompt.

    Searches would list such a version among those of the other kind.
    """
    if is_prompt(conn, model.name) == as_prompt:
        return
    if as_prompt:
        raise InvalidParameter(
            f"{model.name!r} is a registered model, and a prompt cannot be a version of it; "
            "choose another name for the prompt."
        )
    raise InvalidParameter(
        f"{model.name!r} is a prompt, and a model cannot be a version of it; choose another name "
        f"for the model, or set the version's tag '{TAG}' to 'true' if it is a prompt."
    )


def check_kept(what: str, old: str | None, new: str | None) -> None:
    """Raise InvalidParameter if another value of `TAG` makes a prompt of a model, or the reverse.

    None stands for no such tag. Grants are on models or on prompts, so all on the name would cease
    to hold, and those on all of the other kind would begin to.
    """
    was, becomes = (marked({} if value is None else {TAG: value}) for value in (old, new))
    if was == becomes:
        return
    raise InvalidParameter(
        f"Tag '{TAG}' of {what} cannot be {'changed' if new is not None else 'deleted'}: with "
        "accounts, grants are on models or on prompts, and it says which this is. Leave the tag "
        "as it is, or create another one, with the tag, if it is a prompt."
    )


def name_taken(conn: Connection, name: str, *, as_prompt: bool) -> AlreadyExists:
    """The error for a new registered model or prompt whose name is taken."""
    found = "prompt" if is_prompt(conn, name) else "registered model"
    wanted = "prompt" if as_prompt else "registered model"
    if found == wanted:
        kind = found.title()
        return AlreadyExists(f"{kind} (name={name}) already exists; choose another name.")
    return AlreadyExists(
        f"Tried to create a {wanted} with name {name!r}, but the name is already taken by a "
        f"{found}: both share one space of names; choose another."
    )

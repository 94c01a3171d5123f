"""Look-ups of registered models and versions by name and number, and the checks of both.

Every change of a model, or of anything that belongs to it, locks the model's row first.
"""

from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from tandem_metadata.database.tables.registry import model_versions, registered_models
from tandem_metadata.rules import integers, limits
from tandem_metadata.store.dialect import integer_columns
from tandem_shared.errors import InvalidParameter, NotFound, invalid_value, missing_value

STAGES: Final = ("None", "Staging", "Production", "Archived")
DELETED: Final = "Deleted_Internal"
"""The stage of a deleted version. Its row stays, so that its number is never used again."""

_SHOWN: Final = 100


def check_new_name(field: str, name: str) -> None:
    """Raise InvalidParameter, naming the field, for an invalid name of a new model.

    MLflow may have stored longer names, and names with control characters. They can still be read
    and renamed.
    """
    _check_name(field, name)
    limits.check_text(field, name, limits.MODEL_NAME)


def _check_name(field: str, name: str) -> None:
    if not name.strip():
        raise missing_value(field)
    if "/" in name or ":" in name:
        raise InvalidParameter(
            f"Invalid model name {limits.quoted(name)}. Names cannot contain '/' or ':', which "
            f"separate the parts of a models:/ URI. It is parameter '{field}'."
        )
    if name == "." or name.startswith(".."):
        raise invalid_value(
            field, name, f"{limits.AS_FILES}. A name must not be '.' nor begin with '..'"
        )


def parse_version(conn: Connection, version: str) -> int | None:
    """A version's number; None for an integer that no version can have.

    Raises InvalidParameter for text that is not an integer.
    """
    try:
        return integers.parse(version, integer_columns.largest(conn))
    except ValueError:
        raise InvalidParameter(
            f"Parameter 'version' must be an integer, not {limits.quoted(version)}."
        ) from None


def stage(field: str, given: str) -> str:
    """A stage, given in any case, as it is stored; raises InvalidParameter for an unknown one."""
    for name in STAGES:
        if given.lower() == name.lower():
            return name
    raise InvalidParameter(
        f"Invalid Model Version stage: {given[:_SHOWN]}. In parameter '{field}' the value must be "
        f"one of {', '.join(STAGES)}."
    )


def model(conn: Connection, name: str, *, lock: bool = False) -> Row[Any]:
    """A registered model's row, locked until the end of the transaction if `lock`.

    Raises NotFound, and InvalidParameter for an invalid name.
    """
    _check_name("name", name)
    statement = select(registered_models).where(registered_models.c.name == name)
    row = conn.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise no_model(name)
    return row


def version(conn: Connection, name: str, given: str) -> Row[Any]:
    """The row of a version that is not deleted.

    Raises NotFound, and InvalidParameter for an invalid name or version.
    """
    _check_name("name", name)
    number = parse_version(conn, given)
    columns = model_versions.c
    row = (
        None
        if number is None
        else conn.execute(
            select(model_versions).where(
                columns.name == name, columns.version == number, columns.current_stage != DELETED
            )
        ).first()
    )
    if row is None:
        raise no_version(name, given)
    return row


def locked_version(conn: Connection, name: str, given: str) -> Row[Any]:
    """As `version`, with the model's row locked until the end of the transaction."""
    parse_version(conn, given)
    _check_name("name", name)
    models = registered_models.c
    conn.execute(select(models.name).where(models.name == name).with_for_update())
    return version(conn, name, given)


def touch(conn: Connection, name: str, moment: int) -> None:
    """Set a model's time of last change, in milliseconds since 1970."""
    conn.execute(
        update(registered_models)
        .where(registered_models.c.name == name)
        .values(last_updated_time=moment)
    )


def no_model(name: str) -> NotFound:
    """The error for a name that no registered model has."""
    return NotFound(
        f"Registered Model with name={name[:_SHOWN]} not found; names are compared letter by "
        "letter."
    )


def no_version(name: str, version: str) -> NotFound:
    """The error for a version that a model, or a name that no model has, does not have."""
    return NotFound(
        f"Model Version (name={name[:_SHOWN]}, version={version.strip()[:_SHOWN]}) not found; the "
        "registered model lists those that exist."
    )

"""Rows of registered models and their versions: named as MLflow lets them be named, and found.

Who changes a model, or anything that belongs to it, locks the model's row first.
"""

import re
import time
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from tandem_metadata.database.tables.registry import model_versions, registered_models
from tandem_metadata.rules import limits
from tandem_shared.errors import InvalidParameter, NotFound

STAGES: Final = ("None", "Staging", "Production", "Archived")
DELETED: Final = "Deleted_Internal"
"""The stage of a deleted version, whose row stays so that its number is never given again."""

_VERSION: Final = re.compile(r"\s*[+-]?[0-9]+\s*")
_MAX_VERSION: Final = 2**31 - 1
_SHOWN: Final = 100


def check_new_name(field: str, name: str) -> None:
    """Raise InvalidParameter, naming the field, for what must not become a model's name.

    What MLflow may have stored beyond that is still found: an over-long name, or one with control
    characters, can be read, and be renamed.
    """
    _check_name(field, name)
    limits.check_text(field, name, limits.MODEL_NAME)


def _check_name(field: str, name: str) -> None:
    if not name.strip():
        raise InvalidParameter(f"Missing value for required parameter '{field}'.")
    if "/" in name or ":" in name:
        raise InvalidParameter(
            f"Invalid value {_shown(name)} for parameter '{field}': a name must not hold '/' or "
            "':', which separate the parts of a models:/ URI."
        )
    if name == "." or name.startswith(".."):
        raise InvalidParameter(
            f"Invalid value {_shown(name)} for parameter '{field}': a name must not be '.' nor "
            "begin with '..'."
        )


def parse_version(version: str) -> int | None:
    """A version's number; None for an integer that no version can have.

    Raises InvalidParameter for what is no integer.
    """
    if not _VERSION.fullmatch(version):
        raise InvalidParameter(
            f"Invalid value {_shown(version)} for parameter 'version': a version is an integer."
        )
    # Before int(): it refuses thousands of digits with an error of its own.
    number = int(version) if len(version) <= 20 else -1
    return number if 0 <= number <= _MAX_VERSION else None


def stage(field: str, given: str) -> str:
    """A stage as it is stored, for one in any case; raises InvalidParameter for no stage."""
    for name in STAGES:
        if given.lower() == name.lower():
            return name
    raise InvalidParameter(
        f"Invalid value {_shown(given)} for parameter '{field}': use one of {', '.join(STAGES)}."
    )


def model(conn: Connection, name: str, *, lock: bool = False) -> Row[Any]:
    """A registered model's row; with `lock` nobody else changes the model until the end.

    Raises NotFound, and InvalidParameter for what cannot be a name.
    """
    _check_name("name", name)
    statement = select(registered_models).where(registered_models.c.name == name)
    row = conn.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise no_model(name)
    return row


def version(conn: Connection, name: str, given: str) -> Row[Any]:
    """The row of a version that is not deleted.

    Raises NotFound, and InvalidParameter for what cannot be a name or a version.
    """
    _check_name("name", name)
    number = parse_version(given)
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
        raise NotFound(f"Model {_shown(name)} has no version {given.strip()[:_SHOWN]}.")
    return row


def touch(conn: Connection, name: str, moment: int) -> None:
    """Note when a model was last changed."""
    conn.execute(
        update(registered_models)
        .where(registered_models.c.name == name)
        .values(last_updated_time=moment)
    )


def no_model(name: str) -> NotFound:
    """The error for a name that no registered model has."""
    return NotFound(f"No registered model has the name {_shown(name)}.")


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")

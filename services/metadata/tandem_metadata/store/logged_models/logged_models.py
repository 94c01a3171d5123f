"""Logged models: creating, reading, finalizing and deleting them, their tags and params."""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select, update

from tandem_metadata.database import tables
from tandem_metadata.database.tables.logged_models import (
    logged_model_params,
    logged_model_tags,
    logged_models,
)
from tandem_metadata.messages.logged_models import (
    CreateLoggedModel,
    LoggedModel,
    LoggedModelParameter,
    LoggedModelTag,
)
from tandem_metadata.rules import artifact_locations, limits, run_names
from tandem_metadata.rules.enums import LOGGED_MODEL_STATUS, name_of
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import among
from tandem_metadata.store.logged_models import load
from tandem_metadata.store.tracking import experiments
from tandem_shared.errors import InvalidParameter, NotFound

_NAME: Final = 500
_MODEL_TYPE: Final = 500
_RUN_ID: Final = 32
_KEY: Final = 255
_SHOWN: Final = 250
_NOT_IN_NAMES: Final = "/:.%\"'"
_STATUS_NUMBERS: Final = {name: number for number, name in LOGGED_MODEL_STATUS.items()}


def create(conn: Connection, request: CreateLoggedModel) -> LoggedModel:
    """Create a pending logged model in an active experiment; without a name it gets one.

    Its artifacts belong below the experiment's, at `models/<model id>/artifacts`. The source run
    is not looked up: it may be on another server. Raises NotFound for an unknown experiment, and
    InvalidParameter for a deleted one and for names, tags or params that cannot be stored.
    """
    _check_name(request.name)
    limits.check_text("model_type", request.model_type, _MODEL_TYPE)
    limits.check_text("source_run_id", request.source_run_id, _RUN_ID)
    params = _checked_params(request.params)
    tags = _checked_tags(request.tags, repeated=False)
    experiment = experiments.check_active(conn, request.experiment_id)
    model_id = f"m-{uuid.uuid4().hex}"
    now = _now()
    row = conn.execute(
        tables.insert(conn, logged_models)
        .values(
            model_id=model_id,
            experiment_id=experiment.experiment_id,
            name=request.name or run_names.generate(),
            artifact_location=artifact_locations.below(
                experiment.artifact_location or "", "models", model_id, "artifacts"
            ),
            creation_timestamp_ms=now,
            last_updated_timestamp_ms=now,
            status=_STATUS_NUMBERS["LOGGED_MODEL_PENDING"],
            lifecycle_stage="active",
            model_type=request.model_type,
            source_run_id=request.source_run_id,
        )
        .returning(logged_models)
    ).one()
    _add_params(conn, row, params)
    _put_tags(conn, row, tags)
    return load.load(conn, [row])[0]


def get(conn: Connection, model_id: str, *, allow_deleted: bool = False) -> LoggedModel:
    """A logged model; raises NotFound for an unknown one, and for a deleted one unless allowed."""
    return load.load(conn, [_row(conn, model_id, allow_deleted=allow_deleted)])[0]


def artifact_uri(conn: Connection, model_id: str) -> str:
    """Where a model that is not deleted keeps its artifacts; raises NotFound."""
    uri: str = _row(conn, model_id).artifact_location
    return uri


def finalize(conn: Connection, model_id: str, status: str | int) -> LoggedModel:
    """Set the status of a logged model, be it active or deleted, and return the model.

    Raises InvalidParameter for a status that is none, and NotFound.
    """
    name = name_of("status", status, LOGGED_MODEL_STATUS)
    return load.load(conn, [_change(conn, model_id, status=_STATUS_NUMBERS[name])])[0]


def mark_deleted(conn: Connection, model_id: str) -> None:
    """Mark a logged model as deleted; a deleted one stays so. Raises NotFound."""
    _change(conn, model_id, lifecycle_stage="deleted")


def set_tags(conn: Connection, model_id: str, tags: Sequence[LoggedModelTag]) -> None:
    """Set tags of a logged model, be it active or deleted; the last value of a key counts.

    Raises InvalidParameter for a tag that cannot be stored, and NotFound.
    """
    values = _checked_tags(tags, repeated=True)
    # A new model version locks the model before it changes one of its tags, too.
    _put_tags(conn, _row(conn, model_id, allow_deleted=True, lock=True), values)


def delete_tag(conn: Connection, model_id: str, key: str) -> None:
    """Delete a tag of a logged model, be it active or deleted.

    Raises NotFound for an unknown model or tag.
    """
    columns = logged_model_tags.c
    _row(conn, model_id, allow_deleted=True, lock=True)
    gone = conn.execute(
        delete(logged_model_tags).where(columns.model_id == model_id, columns.tag_key == key)
    )
    if not gone.rowcount:
        raise NotFound(f"Logged model {model_id} has no tag {key[:100]!r}.")


def log_params(conn: Connection, model_id: str, params: Sequence[LoggedModelParameter]) -> None:
    """Add params to a logged model, be it active or deleted.

    Logging the same value again changes nothing, so that a request may be repeated when its answer
    was lost. Raises NotFound, and InvalidParameter for a param that cannot be stored or has another
    value already; the transaction must then be rolled back.
    """
    values = _checked_params(params)
    row = _row(conn, model_id, allow_deleted=True)
    if not values:
        return
    _add_params(conn, row, values)
    columns = logged_model_params.c
    found = (
        select(columns.param_key, columns.param_value)
        .where(columns.model_id == model_id, among(conn, columns.param_key, sorted(values)))
        .order_by(columns.param_key)
    )
    changes = [
        f"{_shown(key)} is {_shown(old)}, not {_shown(values[key])}"
        for key, old in conn.execute(found)
        if old != values[key]
    ]
    if changes:
        raise InvalidParameter(
            f"Changing param values is not allowed. Already logged to model '{model_id}': "
            f"{'; '.join(changes)}. Log to another key or another model."
        )


def _check_name(name: str) -> None:
    limits.check_text("name", name, _NAME)
    if any(character in name for character in _NOT_IN_NAMES):
        raise InvalidParameter(
            f"Invalid value {_shown(name)} for parameter 'name': the name of a logged model must "
            f"not hold any of the characters {' '.join(_NOT_IN_NAMES)}."
        )


def _checked_params(params: Sequence[LoggedModelParameter]) -> dict[str, str]:
    limits.check_count("params", params)
    values: dict[str, str] = {}
    for index, param in enumerate(params):
        _check_key(f"params[{index}].key", param.key)
        if param.key in values:
            raise _repeated("params", param.key)
        values[param.key] = param.value
    return values


def _checked_tags(tags: Sequence[LoggedModelTag], *, repeated: bool) -> dict[str, str]:
    limits.check_count("tags", tags)
    values: dict[str, str] = {}
    for index, tag in enumerate(tags):
        _check_key(f"tags[{index}].key", tag.key)
        if tag.key in values and not repeated:
            raise _repeated("tags", tag.key)
        values[tag.key] = tag.value
    return values


def _check_key(field: str, key: str) -> None:
    if not key:
        raise InvalidParameter(f"Missing value for required parameter '{field}'.")
    limits.check_text(field, key, _KEY)


def _repeated(field: str, key: str) -> InvalidParameter:
    return InvalidParameter(f"Parameter '{field}' holds the key {_shown(key)} twice.")


def _add_params(conn: Connection, model: Row[Any], values: Mapping[str, str]) -> None:
    """Add params that are not there yet, in the order of their keys, as all requests do."""
    rows = [
        {
            "model_id": model.model_id,
            "experiment_id": model.experiment_id,
            "param_key": key,
            "param_value": values[key],
        }
        for key in sorted(values)
    ]
    bulk.insert(conn, logged_model_params, rows, bulk.UNLESS_THERE)


def _put_tags(conn: Connection, model: Row[Any], values: Mapping[str, str]) -> None:
    """Set tags, over what they were before, in the order of their keys, as all requests do."""
    rows = [
        {
            "model_id": model.model_id,
            "experiment_id": model.experiment_id,
            "tag_key": key,
            "tag_value": values[key],
        }
        for key in sorted(values)
    ]
    bulk.insert(
        conn,
        logged_model_tags,
        rows,
        "ON CONFLICT (model_id, tag_key) DO UPDATE SET tag_value = excluded.tag_value",
    )


def _row(
    conn: Connection, model_id: str, *, allow_deleted: bool = False, lock: bool = False
) -> Row[Any]:
    statement = select(logged_models).where(logged_models.c.model_id == model_id)
    if lock:
        statement = statement.with_for_update()
    if not allow_deleted:
        statement = statement.where(logged_models.c.lifecycle_stage == "active")
    row = conn.execute(statement).first()
    if row is None:
        raise _not_found(model_id)
    return row


def _change(conn: Connection, model_id: str, **values: object) -> Row[Any]:
    row = conn.execute(
        update(logged_models)
        .where(logged_models.c.model_id == model_id)
        .values(last_updated_timestamp_ms=_now(), **values)
        .returning(logged_models)
    ).first()
    if row is None:
        raise _not_found(model_id)
    return row


def _not_found(model_id: str) -> NotFound:
    return NotFound(f"No logged model has the ID {model_id[:100]!r}.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def _now() -> int:
    return time.time_ns() // 1_000_000

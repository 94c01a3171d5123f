"""Logged models: creating, reading, finalizing and deleting them, their tags and params."""

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row, select

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
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.logged_models import load
from tandem_metadata.store.tracking import experiments
from tandem_metadata.store.tracking import params as run_params
from tandem_shared.clock import now_ms
from tandem_shared.errors import InvalidParameter, NotFound, missing_value

_NAME: Final = 500
_MODEL_TYPE: Final = 500
_RUN_ID: Final = 32
_KEY: Final = 255
_quoted: Final = partial(limits.quoted, longest=250)
_NOT_IN_NAMES: Final = "/:.%\"'"
_STATUS_NUMBERS: Final = {name: number for number, name in LOGGED_MODEL_STATUS.items()}


def create(conn: Connection, request: CreateLoggedModel) -> LoggedModel:
    """Create a pending logged model in an active experiment, with a random name if it has none.

    Its artifact location is `models/<model id>/artifacts` below the experiment's. The source run is
    not looked up, because it may be on another server. Raises NotFound for an unknown experiment,
    and InvalidParameter for a deleted one and for invalid names, tags or params.
    """
    _check_name(request.name)
    limits.check_text("model_type", request.model_type, _MODEL_TYPE)
    limits.check_text("source_run_id", request.source_run_id, _RUN_ID)
    params = _checked_params(request.params)
    tags = _checked_tags(request.tags, repeated=False)
    experiment = experiments.check_active(conn, request.experiment_id)
    model_id = f"m-{uuid.uuid4().hex}"
    now = now_ms()
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
    _set_tags(conn, row, tags)
    return load.load(conn, [row])[0]


def get(conn: Connection, model_id: str, *, allow_deleted: bool = False) -> LoggedModel:
    """A logged model; raises NotFound if it is unknown, or deleted without `allow_deleted`."""
    return load.load(conn, [_row(conn, model_id, allow_deleted=allow_deleted)])[0]


def artifact_uri(conn: Connection, model_id: str) -> str:
    """The artifact location of an active logged model; raises NotFound."""
    uri: str = _row(conn, model_id).artifact_location
    return uri


def experiments_of(conn: Connection, model_ids: Sequence[str]) -> dict[str, str]:
    """The ids of the experiments of those logged models that exist, be they deleted or not."""
    columns = logged_models.c
    found = conn.execute(
        select(columns.model_id, columns.experiment_id).where(
            any_of(conn, columns.model_id, model_ids)
        )
    )
    return {model_id: str(experiment_id) for model_id, experiment_id in found}


def finalize(conn: Connection, model_id: str, status: str | int) -> LoggedModel:
    """Set the status of a logged model, active or deleted, and return the model.

    Raises InvalidParameter for an unknown status, and NotFound.
    """
    name = name_of("status", status, LOGGED_MODEL_STATUS)
    return load.load(conn, [_update(conn, model_id, status=_STATUS_NUMBERS[name])])[0]


def delete(conn: Connection, model_id: str) -> None:
    """Mark a logged model as deleted; a deleted one stays so. Raises NotFound."""
    _update(conn, model_id, lifecycle_stage="deleted")


def set_tags(conn: Connection, model_id: str, tags: Sequence[LoggedModelTag]) -> None:
    """Set tags of a logged model, active or deleted; the last value of a repeated key counts.

    Raises InvalidParameter for an invalid tag, and NotFound.
    """
    values = _checked_tags(tags, repeated=True)
    # Creating a model version takes the same lock before it changes a tag of the logged model.
    _set_tags(conn, _row(conn, model_id, allow_deleted=True, lock=True), values)


def delete_tag(conn: Connection, model_id: str, key: str) -> None:
    """Delete a tag of a logged model, active or deleted.

    Raises NotFound for an unknown model or tag.
    """
    columns = logged_model_tags.c
    _row(conn, model_id, allow_deleted=True, lock=True)
    gone = conn.execute(
        sa.delete(logged_model_tags).where(columns.model_id == model_id, columns.tag_key == key)
    )
    if not gone.rowcount:
        raise NotFound(f"No tag with key {key[:100]!r} found for model with ID {model_id!r}.")


def log_params(conn: Connection, model_id: str, params: Sequence[LoggedModelParameter]) -> None:
    """Add params to a logged model, active or deleted.

    Logging the same value again is accepted, so that clients can retry a lost request. Raises
    NotFound, and InvalidParameter for an invalid param or one that has another value already; the
    caller must then roll back.
    """
    values = _checked_params(params)
    row = _row(conn, model_id, allow_deleted=True)
    if not values:
        return
    _add_params(conn, row, values)
    columns = logged_model_params.c
    found = (
        select(columns.param_key, columns.param_value)
        .where(columns.model_id == model_id, any_of(conn, columns.param_key, sorted(values)))
        .order_by(columns.param_key)
    )
    changes = [(key, old, values[key]) for key, old in conn.execute(found) if old != values[key]]
    if changes:
        raise run_params.changed("model", model_id, changes)


def _check_name(name: str) -> None:
    limits.check_text("name", name, _NAME)
    if any(character in name for character in _NOT_IN_NAMES):
        raise InvalidParameter(
            f"Invalid model name ({_quoted(name)}) provided. It cannot contain the following "
            f"characters: {' '.join(_NOT_IN_NAMES)}. It is parameter 'name'."
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
        raise missing_value(field)
    limits.check_text(field, key, _KEY)


def _repeated(field: str, key: str) -> InvalidParameter:
    return InvalidParameter(f"Parameter '{field}' holds the key {_quoted(key)} twice.")


def _add_params(conn: Connection, model: Row[Any], values: Mapping[str, str]) -> None:
    """Insert new params, sorted by key, as all writers do, so that none deadlock."""
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


def _set_tags(conn: Connection, model: Row[Any], values: Mapping[str, str]) -> None:
    """Insert or update tags, sorted by key, as all writers do, so that none deadlock."""
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
        raise not_found(model_id)
    return row


def _update(conn: Connection, model_id: str, **values: object) -> Row[Any]:
    row = conn.execute(
        sa.update(logged_models)
        .where(logged_models.c.model_id == model_id)
        .values(last_updated_timestamp_ms=now_ms(), **values)
        .returning(logged_models)
    ).first()
    if row is None:
        raise not_found(model_id)
    return row


def not_found(model_id: str) -> NotFound:
    """The error for an ID that no logged model has."""
    return NotFound(
        f"Logged model with ID {model_id[:100]!r} not found; check the ID and the tracking URI."
    )

"""Checks of runs' tags, tags of experiments, and models that old clients record in a run's tag."""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.exc import DataError

from tandem_metadata.database import tables
from tandem_metadata.database.tables.tracking import experiment_tags, tags
from tandem_metadata.messages.runs import RunTag
from tandem_metadata.rules import limits
from tandem_metadata.store.tracking import experiments, runs
from tandem_shared.errors import InvalidParameter, NotFound
from tandem_shared.wire import json_values

MODEL_VALUES = 50_000
"""Most values in an `MLmodel` file; a signature's columns are one string."""

MODELS_TAG = "mlflow.log-model.history"
"""The tag that lists the models of a run, for clients before MLflow 3."""

_MODEL_FIELDS = ("artifact_path", "flavors", "run_id", "utc_time_created")
_RECORDED = ("run_id", "artifact_path", "utc_time_created", "model_uuid")


def check(given: Sequence[RunTag], *, truncate: bool) -> list[RunTag]:
    """Tags as they are stored: with `truncate`, over-long values are cut.

    Raises InvalidParameter, which names the place in `tags`, for a tag that cannot be stored.
    """
    return [
        RunTag(*_checked(f"tags[{index}].key", f"tags[{index}].value", tag, truncate=truncate))
        for index, tag in enumerate(given)
    ]


def check_one(given: RunTag, *, truncate: bool) -> RunTag:
    """A tag as it is stored, as `check` has it. Raises InvalidParameter."""
    return RunTag(*_checked("key", "value", given, truncate=truncate))


def delete_from_run(conn: Connection, run_id: str, key: str) -> None:
    """Delete a tag of an active run.

    Raises NotFound for an unknown run or tag, and InvalidParameter for a deleted run.
    """
    runs.check_active(conn, run_id)
    gone = conn.execute(delete(tags).where(tags.c.run_uuid == run_id, tags.c.key == key))
    if not gone.rowcount:
        raise NotFound(f"No tag with name: {key[:100]} in run with id {run_id}.")


def set_on_experiment(conn: Connection, experiment_id: str, key: str, value: str) -> None:
    """Set a tag of an active experiment.

    Raises NotFound, and InvalidParameter for a deleted experiment or a tag that cannot be stored.
    """
    limits.check_key("key", key)
    limits.check_tag_value("value", key, value, limits.EXPERIMENT_TAG_VALUE)
    is_view = limits.is_custom_view(key)
    # Views are counted under a lock, so that two requests do not both find room for the last one.
    number = experiments.check_active(conn, experiment_id, lock=is_view).experiment_id
    if is_view:
        limits.check_custom_views(_other_custom_views(conn, number, key) + 1)
    statement = tables.insert(conn, experiment_tags).values(
        experiment_id=number, key=key, value=value
    )
    try:
        conn.execute(
            statement.on_conflict_do_update(
                index_elements=[experiment_tags.c.key, experiment_tags.c.experiment_id],
                set_={"value": statement.excluded.value},
            )
        )
    except DataError:
        raise limits.narrow_experiment_tags() from None


def delete_from_experiment(conn: Connection, experiment_id: str, key: str) -> None:
    """Delete a tag of an active experiment.

    Raises NotFound for an unknown experiment or tag, and InvalidParameter for a deleted experiment.
    """
    number = experiments.check_active(conn, experiment_id).experiment_id
    gone = conn.execute(
        delete(experiment_tags).where(
            experiment_tags.c.experiment_id == number, experiment_tags.c.key == key
        )
    )
    if not gone.rowcount:
        raise NotFound(f"No tag with name: {key[:100]} in experiment with id {experiment_id}.")


def recorded(model_json: str) -> dict[str, Any]:
    """The record of a model: its origin, and its flavors without their config.

    Raises InvalidParameter for text that is no `MLmodel` file as JSON.
    """
    if json_values.more_than(model_json.encode(), MODEL_VALUES):
        raise InvalidParameter(
            f"Parameter 'model_json' holds more than {MODEL_VALUES} values; record the model "
            "without what is not its own, as input examples."
        )
    try:
        given = json.loads(model_json)
    except (ValueError, RecursionError):
        raise InvalidParameter(
            "Malformed model info: parameter 'model_json' is not a valid JSON text."
        ) from None
    if not isinstance(given, dict):
        raise InvalidParameter(
            "Malformed model info: parameter 'model_json' must be a JSON object."
        )
    if missing := [field for field in _MODEL_FIELDS if field not in given]:
        raise InvalidParameter(
            f"Model json is missing mandatory fields: {', '.join(missing)}. Parameter 'model_json' "
            "must hold them."
        )
    flavors = {} if given["flavors"] is None else given["flavors"]
    if not isinstance(flavors, dict):
        raise InvalidParameter("Field 'flavors' of parameter 'model_json' must be an object.")
    # MLflow records the same for a model that leaves these fields out.
    given.setdefault("model_uuid", None)
    given["utc_time_created"] = given["utc_time_created"] or str(
        datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    )
    return {
        **{field: given[field] for field in _RECORDED},
        "flavors": {name: _without_config(flavor) for name, flavor in flavors.items()},
    }


def record_model(conn: Connection, run_id: str, model: Mapping[str, Any]) -> None:
    """Add a model, as `recorded` has it, to the list in the run's tag.

    Raises NotFound, and InvalidParameter for a deleted run, and when the list grows over the length
    of a tag: a list that is cut could not be read again.
    """
    runs.check_active(conn, run_id, lock=True)
    value = conn.execute(
        select(tags.c.value).where(tags.c.run_uuid == run_id, tags.c.key == MODELS_TAG)
    ).scalar()
    history = json.dumps([*_history(value), model])
    if len(history) > limits.TAG_VALUE:
        raise InvalidParameter(
            f"The run's tag '{MODELS_TAG}' has no room for one more model: it holds at most "
            f"{limits.TAG_VALUE} characters."
        )
    runs.put_tags(conn, {(run_id, MODELS_TAG): history})


def _checked(key_field: str, value_field: str, tag: RunTag, *, truncate: bool) -> tuple[str, str]:
    limits.check_key(key_field, tag.key)
    if tag.key == runs.NAME_TAG:
        limits.check_tag_value(value_field, tag.key, tag.value, limits.RUN_NAME)
        limits.check_text(value_field, tag.value, limits.RUN_NAME)
    return tag.key, limits.tag_value(value_field, tag.key, tag.value, truncate=truncate)


def _other_custom_views(conn: Connection, number: int, key: str) -> int:
    columns = experiment_tags.c
    views = conn.execute(
        select(columns.key).where(columns.experiment_id == number, columns.key != key)
    )
    return sum(limits.is_custom_view(row.key) for row in views)


def _history(value: str | None) -> list[Any]:
    try:
        history = json.loads(value or "[]")
    except (ValueError, RecursionError):
        history = None
    if not isinstance(history, list):
        raise InvalidParameter(
            f"The run's tag '{MODELS_TAG}' is not a list in JSON; delete the tag to begin anew."
        )
    return history


def _without_config(flavor: object) -> object:
    if not isinstance(flavor, dict):
        return flavor
    return {key: value for key, value in flavor.items() if key != "config"}

"""What keys, names and values may be, and how many of them one request may hold.

Lengths count characters. They are MLflow's, and where MLflow's own tables hold less than MLflow
lets through, the tables': so a request is answered alike on every database.
"""

import posixpath
import re
from collections.abc import Sized
from functools import lru_cache

from tandem_shared.errors import InvalidParameter

KEY = 250
"""Keys of metrics, params and tags."""

PARAM_VALUE = 6000
TAG_VALUE = 8000
EXPERIMENT_TAG_VALUE = 20000
EXPERIMENT_NAME = 256
RUN_NAME = 250
USER_ID = 256

ARTIFACT_LOCATION = 157
"""A run's artifact URI, the location with `/<run id>/artifacts`, has 200 characters at most."""

MODEL_NAME = 256
MODEL_ALIAS = 255
MODEL_DESCRIPTION = 5000
"""Of registered models and of their versions."""
MODEL_TAG_VALUE = 5000
VERSION_TAG_VALUE = 100_000
"""The text of a prompt is a version's tag."""
VERSION_SOURCE = 500
VERSION_RUN_LINK = 500
VERSION_RUN_ID = 32

BATCH = 1000
BATCH_METRICS = 1000
BATCH_PARAMS = 100
BATCH_TAGS = 100
LISTED = 1000
"""Entries of any other list that a request writes, where MLflow takes any number."""
DATASET_TAGS = 100
"""Of one use of a dataset by a run."""
ALL_DATASET_TAGS = 10_000
"""Of all uses in a request."""
CUSTOM_VIEWS = 50
"""Views of the web UI that an experiment keeps in its tags."""

_CUSTOM_VIEW = "mlflow.customView.view"

_KEPT = {
    "mlflow.note.content": "The description",
    "mlflow.prompt.text": "The text of the prompt",
    "mlflow.runName": "The name of the run",
    "mlflow.source.name": "The name of the source",
    "mlflow.user": "The name of the user",
    "_mlflow_prompt_model_config": "The model config of the prompt",
    "_mlflow_prompt_response_format": "The response format of the prompt",
}
"""What people gave, where clients keep it in a tag that people never see."""

_KEY_CHARACTERS = re.compile(r"[/\w.\- :]+\n?")  # as MLflow's own pattern lets the last one pass
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_BUT_SPACE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_SHOWN = 100


def check_key(field: str, key: str) -> None:
    """Raise InvalidParameter, naming the field, for a key that cannot be logged.

    Clients of old kept a key as a file of that name, so a key may hold `/` but not be absolute,
    nor have an empty, `.` or `..` segment; MLflow also refuses every key that begins with `..`.
    """
    if _is_sound(key):
        return
    check_length(field, key, KEY)
    if not _KEY_CHARACTERS.fullmatch(key):
        raise InvalidParameter(
            f"Invalid value {_shown(key)} for parameter '{field}': use letters, digits, spaces "
            "and the characters _ - . : / only."
        )
    raise InvalidParameter(
        f"Invalid value {_shown(key)} for parameter '{field}': a key must not begin or end "
        "with '/', begin with '..', nor hold an empty, '.' or '..' segment."
    )


@lru_cache(maxsize=4096)
def _is_sound(key: str) -> bool:
    """Whether a key can be logged. A training loop logs the same few again and again."""
    if len(key) > KEY or not _KEY_CHARACTERS.fullmatch(key):
        return False
    normal = posixpath.normpath(key)
    return normal == key and normal != "." and not normal.startswith(("..", "/"))


def check_free_key(field: str, key: str) -> None:
    """Like `check_key`, for the tags a run begins with, where MLflow takes any character.

    Raises InvalidParameter for an empty or over-long key, or one with a control character.
    """
    if not key:
        raise InvalidParameter(f"Missing value for required parameter '{field}'.")
    check_text(field, key, KEY)


def check_text(field: str, text: str, limit: int) -> None:
    """Raise InvalidParameter for a name that is over-long or holds a control character.

    Tabs and line ends are kept, as MLflow keeps them: scripts name things by what commands print.
    """
    check_length(field, text, limit)
    if _CONTROL_BUT_SPACE.search(text):
        raise _control(field, text)


def check_uri(field: str, uri: str, limit: int) -> None:
    """Raise InvalidParameter for a URI that is over-long or holds any control character."""
    check_length(field, uri, limit)
    if _CONTROL.search(uri):
        raise _control(field, uri)


def check_tag_value(field: str, key: str, value: str, limit: int) -> None:
    """Raise InvalidParameter, naming what clients keep in that tag, for a value over `limit`."""
    if len(value) > limit:
        raise InvalidParameter(
            f"{_KEPT.get(key) or f'The value of the tag {_shown(key)}'} exceeds the maximum length "
            f"of {limit} characters: it has {len(value)}. It is parameter '{field}'."
        )


def _control(field: str, text: str) -> InvalidParameter:
    return InvalidParameter(
        f"Invalid value {_shown(text)} for parameter '{field}': it holds a control character; "
        "remove it."
    )


def check_length(field: str, text: str, limit: int) -> None:
    """Raise InvalidParameter when the text has more than `limit` characters."""
    if len(text) > limit:
        raise InvalidParameter(
            f"Parameter '{field}' exceeds the maximum length of {limit} characters: "
            f"{_shown(text)} has {len(text)}."
        )


def param_value(field: str, key: str, value: str, *, truncate: bool) -> str:
    """A param's value, cut or refused when it is too long."""
    if truncate:
        return value[:PARAM_VALUE]
    if len(value) > PARAM_VALUE:
        raise InvalidParameter(
            f"The value of the param {_shown(key)} exceeds the maximum length of {PARAM_VALUE} "
            f"characters: it has {len(value)}. It is parameter '{field}'."
        )
    return value


def tag_value(field: str, key: str, value: str, *, truncate: bool) -> str:
    """A run tag's value, cut or refused when it is too long."""
    if truncate:
        return value[:TAG_VALUE]
    check_tag_value(field, key, value, TAG_VALUE)
    return value


def check_batch(metrics: Sized, params: Sized, tags: Sized) -> None:
    """Raise InvalidParameter when a request logs more than one request may."""
    total = len(metrics) + len(params) + len(tags)
    for what, count, limit in (
        ("metrics", len(metrics), BATCH_METRICS),
        ("params", len(params), BATCH_PARAMS),
        ("tags", len(tags), BATCH_TAGS),
        ("metrics, params and tags", total, BATCH),
    ):
        if count > limit:
            raise InvalidParameter(
                f"A request can log at most {limit} {what}, not {count}; split it into several."
            )


def check_count(field: str, entries: Sized, limit: int = LISTED) -> None:
    """Raise InvalidParameter when a list in a request holds too many entries."""
    if len(entries) > limit:
        raise InvalidParameter(
            f"Parameter '{field}' holds {len(entries)} entries; a request can hold at most "
            f"{limit}: give the others in further ones."
        )


def is_custom_view(key: str) -> bool:
    """Whether an experiment's tag of that key holds a view of the web UI."""
    return key.startswith(_CUSTOM_VIEW)


def check_custom_views(count: int) -> None:
    """Raise InvalidParameter when an experiment would hold too many views of the web UI."""
    if count > CUSTOM_VIEWS:
        raise InvalidParameter(
            f"An experiment keeps at most {CUSTOM_VIEWS} custom views; delete one first."
        )


def narrow_experiment_tags() -> InvalidParameter:
    """The error for an experiment tag's value that the database, not the limit, is too narrow for.

    PostgreSQL's tables have 5,000 characters for it where an older MLflow made them.
    """
    return InvalidParameter(
        "Parameter 'value' is too long for this database, whose tables an older MLflow made: "
        "shorten it to 5000 characters, or have `tandem-metadata db upgrade` widen the column."
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")

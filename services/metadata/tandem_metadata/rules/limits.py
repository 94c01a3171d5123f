"""Limits of keys, names and values, and of the number of entries in a request.

Lengths count characters. They are MLflow's. Where MLflow's tables are narrower than its own checks,
the table's width counts, so that every database gives the same answer.
"""

import posixpath
import re
from collections.abc import Sized
from functools import lru_cache

from tandem_shared.errors import InvalidParameter, invalid_value, missing_value

KEY = 250
"""Keys of metrics, params and tags."""

PARAM_VALUE = 6000
TAG_VALUE = 8000
EXPERIMENT_TAG_VALUE = 20000
EXPERIMENT_NAME = 256
RUN_NAME = 250
USER_ID = 256

ARTIFACT_LOCATION = 157
"""The column of a run's artifact URI, `<location>/<run id>/artifacts`, holds 200 characters."""

MODEL_NAME = 256
MODEL_ALIAS = 255
MODEL_DESCRIPTION = 5000
"""For registered models and their versions."""
MODEL_TAG_VALUE = 5000
VERSION_TAG_VALUE = 100_000
"""Long, because a prompt's text is a tag of its version."""
VERSION_SOURCE = 500
VERSION_RUN_LINK = 500
VERSION_RUN_ID = 32

BATCH = 1000
BATCH_METRICS = 1000
BATCH_PARAMS = 100
BATCH_TAGS = 100
LISTED = 1000
"""Entries of any other list in a writing request; MLflow has no limit there."""
DATASET_TAGS = 100
"""Tags of one dataset input."""
ALL_DATASET_TAGS = 10_000
"""Tags of all dataset inputs in a request."""
CUSTOM_VIEWS = 50
"""Views of the web UI in an experiment's tags."""

_PROMPT_TEXT = "mlflow.prompt.text"
_CUSTOM_VIEW = "mlflow.customView.view"

AS_FILES = "Names may be treated as files in certain cases"
"""How MLflow's refusals of keys and names that are no names of files begin."""

_KEY_AS_FILE = (
    "A key must not begin or end with '/', begin with '..', nor hold an empty, '.' or '..' segment"
)

_KEPT = {
    "mlflow.note.content": "The description",
    "mlflow.runName": "The name of the run",
    "mlflow.source.name": "The name of the source",
    "mlflow.user": "The name of the user",
    "_mlflow_prompt_model_config": "The model config of the prompt",
    "_mlflow_prompt_response_format": "The response format of the prompt",
}
"""Tags that clients set for their users, and the name by which users know the value."""

_KEY_CHARACTERS = re.compile(r"[/\w.\- :]+\n?")  # MLflow's pattern accepts a final \n too
_REPLACEMENT = "\ufffd"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_BUT_SPACE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def check_key(field: str, key: str) -> None:
    """Raise InvalidParameter, naming the field, for an invalid key of a metric, param or tag.

    MLflow's file store keeps each key as a file of that name. A key may therefore hold `/`, but not
    be absolute, nor have an empty, `.` or `..` segment. MLflow also refuses a leading `..`.
    """
    if _is_sound(key):
        return
    check_length(field, key, KEY)
    if key and not _KEY_CHARACTERS.fullmatch(key):
        raise invalid_value(
            field,
            key,
            "Names may only contain letters, digits, spaces and any of _ - . : /",
        )
    raise invalid_value(field, key, f"{AS_FILES}. {_KEY_AS_FILE}")


@lru_cache(maxsize=4096)
def _is_sound(key: str) -> bool:
    """Whether a key is valid. Cached, because training loops log the same few keys."""
    if len(key) > KEY or not _KEY_CHARACTERS.fullmatch(key):
        return False
    normal = posixpath.normpath(key)
    return normal == key and normal != "." and not normal.startswith(("..", "/"))


def check_free_key(field: str, key: str) -> None:
    """Check a key of create-run's tags, where MLflow accepts other characters too.

    Raises InvalidParameter for a key that is empty, too long, or holds a control character.
    """
    if not key:
        raise missing_value(field)
    check_text(field, key, KEY)


def check_text(field: str, text: str, limit: int) -> None:
    """Raise InvalidParameter for a name that is too long or holds a control character.

    Tabs and line ends are accepted, as in MLflow: scripts use commands' output as names.
    """
    check_length(field, text, limit)
    if _CONTROL_BUT_SPACE.search(text):
        raise _control(field, text)


def check_id(field: str, id: str, limit: int) -> None:
    """Raise InvalidParameter for an id that is too long or holds U+FFFD.

    Where messages have replacement characters for what no database stores, an id with one may be
    another than was sent.
    """
    check_length(field, id, limit)
    if _REPLACEMENT in id:
        raise invalid_value(
            field,
            id,
            "it holds a NUL character, half a surrogate pair, or the U+FFFD that stands for them; "
            "remove it",
        )


def check_uri(field: str, uri: str, limit: int) -> None:
    """Raise InvalidParameter for a URI that is too long or holds any control character."""
    check_length(field, uri, limit)
    if _CONTROL.search(uri):
        raise _control(field, uri)


def check_tag_value(field: str, key: str, value: str, limit: int) -> None:
    """Raise InvalidParameter, with the tag's meaning to users, for a value longer than `limit`."""
    if len(value) > limit and key == _PROMPT_TEXT:
        raise InvalidParameter(
            f"Prompt text exceeds max length of {limit} characters: it has {len(value)}. It is "
            f"parameter '{field}'."
        )
    if len(value) > limit:
        raise InvalidParameter(
            f"{_KEPT.get(key) or f'The value of the tag {quoted(key)}'} exceeds the maximum length "
            f"of {limit} characters: it has {len(value)}. It is parameter '{field}'."
        )


def _control(field: str, text: str) -> InvalidParameter:
    return invalid_value(field, text, "it holds a control character; remove it")


def check_length(field: str, text: str, limit: int) -> None:
    """Raise InvalidParameter when the text has more than `limit` characters."""
    if len(text) > limit:
        raise InvalidParameter(
            f"Parameter '{field}' exceeds the maximum length of {limit} characters: "
            f"{quoted(text)} has {len(text)}."
        )


def param_value(field: str, key: str, value: str, *, truncate: bool) -> str:
    """A param's value, if too long cut with `truncate`, else refused by InvalidParameter."""
    if truncate:
        return value[:PARAM_VALUE]
    if len(value) > PARAM_VALUE:
        raise InvalidParameter(
            f"The value of the param {quoted(key)} exceeds the maximum length of {PARAM_VALUE} "
            f"characters: it has {len(value)}. It is parameter '{field}'."
        )
    return value


def tag_value(field: str, key: str, value: str, *, truncate: bool) -> str:
    """A run tag's value, if too long cut with `truncate`, else refused by InvalidParameter."""
    if truncate:
        return value[:TAG_VALUE]
    check_tag_value(field, key, value, TAG_VALUE)
    return value


def check_batch(metrics: Sized, params: Sized, tags: Sized) -> None:
    """Raise InvalidParameter if a log-batch request has too many entries."""
    total = len(metrics) + len(params) + len(tags)
    for what, count, limit in (
        ("metrics", len(metrics), BATCH_METRICS),
        ("params", len(params), BATCH_PARAMS),
        ("tags", len(tags), BATCH_TAGS),
        ("metrics, params, and tags", total, BATCH),
    ):
        if count > limit:
            raise InvalidParameter(
                f"A batch logging request can contain at most {limit} {what}, not {count}; split "
                "it into several."
            )


def check_count(field: str, entries: Sized, limit: int = LISTED) -> None:
    """Raise InvalidParameter if a list in a request has too many entries."""
    if len(entries) > limit:
        raise InvalidParameter(
            f"Parameter '{field}' holds {len(entries)} entries; a request can hold at most "
            f"{limit}: give the others in further ones."
        )


def is_custom_view(key: str) -> bool:
    """Whether an experiment tag with this key holds a view of the web UI."""
    return key.startswith(_CUSTOM_VIEW)


def check_custom_views(count: int) -> None:
    """Raise InvalidParameter if an experiment would have too many views of the web UI."""
    if count > CUSTOM_VIEWS:
        raise InvalidParameter(
            f"An experiment keeps at most {CUSTOM_VIEWS} custom views; delete one first."
        )


def narrow_experiment_tags() -> InvalidParameter:
    """The error for an experiment tag's value within the limit that the column cannot hold.

    The column holds 5,000 characters on PostgreSQL if an older MLflow created it.
    """
    return InvalidParameter(
        "Parameter 'value' is too long for this database, whose tables an older MLflow made: "
        "shorten it to 5000 characters, or have `tandem-metadata db upgrade` widen the column."
    )


def quoted(text: str, longest: int = 100) -> str:
    """The client's text in quotes for an error, cut to `longest` characters."""
    return repr(text if len(text) <= longest else f"{text[:longest]}...")

"""What may differ between two servers that answer alike: ids, times, generated names, hosts."""

import re
import time
from collections.abc import Mapping
from typing import Any

from tests.system.peer.ask import Answer

_ID = re.compile(r"\b(?:(?:m-)?[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
_GENERATED_NAME = re.compile(r"[a-z]+-[a-z]+-\d{1,4}")
_ARTIFACT_ROOT = re.compile(r"mlflow-artifacts://127\.0\.0\.1:\d+/")
_CREATED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
_SERVER = re.compile(r"127\.0\.0\.1:\d{4,5}\b")
_EXPERIMENT_NUMBER = re.compile(
    r"(?<=<root>/)\d+"
    r"|(?:(?<=xperiment )|(?<=xperiment with id )|(?<=xperiment with id=))\d+"
    r"""|(?<=Invalid value ")\d+(?=" for parameter 'experiment_ids')"""
)
_TIMES = frozenset({
    "creation_time", "last_update_time", "start_time", "end_time", "timestamp",
    "creation_timestamp", "last_updated_timestamp",
    "creation_timestamp_ms", "last_updated_timestamp_ms",
})  # fmt: skip
_CAPITAL = re.compile("[A-Z]")
_GROUPING = ("key", "run_id", "name", "digest", "current_stage")
_DAY_MS = 24 * 3600 * 1000
_UNORDERED = frozenset({"dataset_inputs", "latest_versions"})
"""Lists that are sets of groups: sorted by these, and in a group as they are."""
_LOGGED = frozenset({"metrics", "params", "tags"})
"""Lists in the order of logging, which PostgreSQL does not know of all of them."""


def comparable(answer: Answer, symbols: Mapping[str, str]) -> Answer:
    """The answer with everything replaced that depends on the server or on the moment."""
    names = {value: f"<{name}>" for name, value in sorted(symbols.items())}
    return Answer(answer.status, answer.kind, _normal(answer.body, "", names))


def grouped(answer: Answer) -> Answer:
    """A comparable answer without the order in which things were logged.

    A metric's history is one group for each run: its order is kept.
    """
    return Answer(answer.status, answer.kind, _grouped(answer.body, ""))


def _grouped(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _grouped(item, name) for name, item in value.items()}
    if isinstance(value, list):
        items = [_grouped(item, key) for item in value]
        return sorted(items, key=_group) if key in _LOGGED else items
    return value


def _normal(value: Any, key: str, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _normal(item, _snake(name), names) for name, item in value.items()}
    if key == "errors" and isinstance(value, list):
        return [_normal(item, "message", names) for item in value]
    if isinstance(value, list):
        items = [_normal(item, key, names) for item in value]
        if key in _UNORDERED:
            items.sort(key=_group)
        return items
    if isinstance(value, str):
        return _text(value, key, names)
    if key in _TIMES and isinstance(value, int) and _is_now(value):
        return "<now>"
    return value


def _text(value: str, key: str, names: Mapping[str, str]) -> str:
    if key == "next_page_token" and value:  # GraphQL has "" for none
        return "<token>"
    if key == "experiment_id":
        return _experiment(value, names)
    if key in _TIMES and value.isdecimal() and _is_now(int(value)):
        return "<now>"
    if key in ("run_name", "name", "value") and _GENERATED_NAME.fullmatch(value):
        return "<generated name>"
    value = _CREATED.sub("<created>", value)
    value = _SERVER.sub("<server>", _ARTIFACT_ROOT.sub("<root>/", value))
    value = _EXPERIMENT_NUMBER.sub(lambda match: _experiment(match[0], names), value)
    return _ID.sub(lambda match: names.get(match[0], "<id>"), value)


def _is_now(milliseconds: int) -> bool:
    return abs(milliseconds - time.time() * 1000) < _DAY_MS


def _snake(name: str) -> str:
    """A field's name in REST for its name in GraphQL."""
    return _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)


def _experiment(value: str, names: Mapping[str, str]) -> str:
    """Ids count experiments, also those that only one of the servers made."""
    return value if value == "0" else names.get(value, "<experiment>")


def _group(item: Any) -> tuple[str, ...]:
    """What items of one group have in common; sorting by it keeps the order inside a group."""
    fields = item.get("dataset", item)
    return tuple(str(fields.get(name, "")) for name in _GROUPING)

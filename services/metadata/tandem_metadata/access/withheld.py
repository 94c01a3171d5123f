"""What an answer tells of resources that are denied to its reader: their ids, and what they hold.

A version of a model names its run, a run the models that it used and made, a registered model its
latest versions. Who is denied all runs (or logged models, or versions) gets such answers without
these fields. He never gets an answer about a run itself, so a field that elsewhere is an answer's
own subject, as `run_id`, can be left out wherever it is.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tandem_metadata.rules import permissions
from tandem_metadata.store.registry import prompts
from tandem_shared.concurrency.threads import Threads

FIELDS: Final[Mapping[str, frozenset[str]]] = {
    permissions.RUN: frozenset({"run_id", "run_link", "source_run_id"}),
    permissions.LOGGED_MODEL: frozenset(
        {"model_id", "model_inputs", "model_outputs", "model_params", "model_metrics"}
    ),
}
"""The fields that tell of resources of a type."""

_RUN_IDS: Final = ("run_id", "source_run_id")
_OF_RUN: Final = frozenset({"run_id", "run_link", *FIELDS[permissions.LOGGED_MODEL]})
"""What a version tells of a run and of the logged model that the run has made."""

_NAMING: Final = (b'"model_version', b'"latest_versions"', b'"source_run_id"')
_LATEST: Final = "latest_versions"
_AT_ONCE: Final = 64 * 1024
"""Answers up to so many bytes are changed in the event loop."""

_changing = Threads("withheld", 1)


async def without(body: bytes, withheld: frozenset[str]) -> bytes:
    """An answer in JSON without what tells of resources of these types."""
    if len(body) <= _AT_ONCE:
        return _without(body, withheld)
    return await _changing.run(_without, body, withheld)


def tells_of_runs(body: bytes) -> bool:
    """Whether an answer may hold what names runs of other experiments: versions, logged models."""
    return any(each in body for each in _NAMING)


async def runs_in(body: bytes) -> frozenset[str]:
    """The ids of runs that an answer in JSON names."""
    if len(body) <= _AT_ONCE:
        return _runs_in(body)
    return await _changing.run(_runs_in, body)


async def without_runs(body: bytes, denied: frozenset[str]) -> bytes:
    """An answer in JSON without what tells of these runs, and of the models that they made."""
    if len(body) <= _AT_ONCE:
        return _without_runs(body, denied)
    return await _changing.run(_without_runs, body, denied)


def _runs_in(body: bytes) -> frozenset[str]:
    found: set[str] = set()
    _collect(msgspec.json.decode(body), found)
    return frozenset(found)


def _collect(value: Any, found: set[str]) -> None:
    if isinstance(value, list):
        for each in value:
            _collect(each, found)
    elif isinstance(value, dict):
        found.update(value[name] for name in _RUN_IDS if value.get(name))
        for each in value.values():
            _collect(each, found)


def _without_runs(body: bytes, denied: frozenset[str]) -> bytes:
    return msgspec.json.encode(_cleared_of_runs(msgspec.json.decode(body), denied))


def _cleared_of_runs(value: Any, denied: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_cleared_of_runs(each, denied) for each in value]
    if not isinstance(value, dict):
        return value
    fields: frozenset[str] = frozenset()
    if value.get("run_id") in denied:
        fields = _OF_RUN
    elif value.get("source_run_id") in denied:
        fields = frozenset({"source_run_id"})
    return {
        name: _cleared_of_runs(each, denied) for name, each in value.items() if name not in fields
    }


def _without(body: bytes, withheld: frozenset[str]) -> bytes:
    fields = frozenset(name for each in withheld for name in FIELDS.get(each, ()))
    return msgspec.json.encode(_cleared(msgspec.json.decode(body), fields, withheld))


def _cleared(value: Any, fields: frozenset[str], withheld: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_cleared(each, fields, withheld) for each in value]
    if not isinstance(value, dict):
        return value
    if _LATEST in value and _versions(value) in withheld:
        fields |= {_LATEST}
    return {
        name: _cleared(each, fields, withheld) for name, each in value.items() if name not in fields
    }


def _versions(registered: Mapping[str, Any]) -> str:
    """The type of the versions of a registered model or prompt."""
    tags = {tag.get("key"): tag.get("value", "") for tag in registered.get("tags", ())}
    return permissions.PROMPT_VERSION if prompts.marked(tags) else permissions.MODEL_VERSION

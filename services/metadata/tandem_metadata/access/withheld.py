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

_LATEST: Final = "latest_versions"
_AT_ONCE: Final = 64 * 1024
"""Answers up to so many bytes are changed in the event loop."""

_changing = Threads("withheld", 1)


async def without(body: bytes, withheld: frozenset[str]) -> bytes:
    """An answer in JSON without what tells of resources of these types."""
    if len(body) <= _AT_ONCE:
        return _without(body, withheld)
    return await _changing.run(_without, body, withheld)


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

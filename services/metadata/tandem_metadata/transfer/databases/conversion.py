"""Rows on their way: with new ids of experiments, and with what the target takes of their texts."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tandem_metadata.rules import permissions
from tandem_metadata.transfer.databases import identifiers
from tandem_metadata.transfer.databases.catalog import Kind, Shape
from tandem_metadata.transfer.databases.findings import NO_JSON, NUL, Finding
from tandem_metadata.transfer.databases.reading import Row

_Change = Callable[[list[Any]], None]

_REPLACEMENT: Final = "\ufffd"


class Conversion:
    """Changes rows of a table; does nothing, at no cost, where nothing is to be changed."""

    def __init__(
        self,
        shape: Shape,
        findings: Sequence[Finding],
        new_ids: Mapping[int, int],
    ) -> None:
        """`shape` has the target's lengths; `findings` are those of the table, and mended."""
        at = {name: i for i, name in enumerate(shape.names)}
        self._changes: list[_Change] = []
        # Texts are cut last: what replaces NaN is longer.
        for finding in sorted(findings, key=lambda each: each.problem not in (NUL, NO_JSON)):
            length = shape.column(finding.column).length
            self._changes += _mend(finding, at[finding.column], length)
        if new_ids:
            self._changes += _renumber(shape, at, new_ids)

    def apply(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, changed."""
        if not self._changes:
            yield from rows
            return
        for row in rows:
            values = list(row)
            for change in self._changes:
                change(values)
            yield tuple(values)


def _mend(finding: Finding, at: int, length: int | None) -> Iterator[_Change]:
    def replace_nul(values: list[Any]) -> None:
        if values[at] and "\0" in values[at]:
            values[at] = values[at].replace("\0", _REPLACEMENT)

    def cut(values: list[Any]) -> None:
        if values[at] is not None:
            values[at] = values[at][:length]

    def as_json(values: list[Any]) -> None:
        if values[at] is not None and ("NaN" in values[at] or "Infinity" in values[at]):
            values[at] = json.dumps(json.loads(values[at], parse_constant=lambda _: None))

    if finding.problem == NUL:
        yield replace_nul
    elif finding.problem == NO_JSON:
        yield as_json
    elif length is not None:
        yield cut


def _renumber(shape: Shape, at: Mapping[str, int], new: Mapping[int, int]) -> Iterator[_Change]:
    """Changes of every place where a row of this table names an experiment."""
    texts = {str(old): str(number) for old, number in new.items()}
    if identifiers.EXPERIMENT_ID in at:
        where = at[identifiers.EXPERIMENT_ID]
        ids: Mapping[Any, Any] = new
        if shape.column(identifiers.EXPERIMENT_ID).kind is Kind.TEXT:
            ids = texts
        yield lambda values: _map(values, where, ids)
    make = _IN_TEXTS.get(shape.name)
    if make:
        yield make(at, texts)


def _map(values: list[Any], at: int, ids: Mapping[Any, Any]) -> None:
    values[at] = ids.get(values[at], values[at])


def _of_associations(at: Mapping[str, int], ids: Mapping[str, str]) -> _Change:
    def change(values: list[Any]) -> None:
        for end in ("source", "destination"):
            if values[at[f"{end}_type"]] == "experiment":
                _map(values, at[f"{end}_id"], ids)

    return change


def _of_prompts(at: Mapping[str, int], ids: Mapping[str, str]) -> _Change:
    def change(values: list[Any]) -> None:
        if values[at["key"]] == identifiers.PROMPT_EXPERIMENTS and values[at["value"]]:
            found = values[at["value"]].split(",")
            values[at["value"]] = ",".join(ids.get(each.strip(), each) for each in found)

    return change


def _of_grants(at: Mapping[str, int], ids: Mapping[str, str]) -> _Change:
    def change(values: list[Any]) -> None:
        kind, pattern = values[at["resource_type"]], values[at["resource_pattern"]]
        if kind == permissions.EXPERIMENT:
            values[at["resource_pattern"]] = ids.get(pattern, pattern)
        elif kind == permissions.SCORER:  # the experiment's id, a slash and the name
            experiment, slash, name = pattern.partition("/")
            values[at["resource_pattern"]] = f"{ids.get(experiment, experiment)}{slash}{name}"

    return change


def _of_tokens(at: Mapping[str, int], ids: Mapping[str, str]) -> _Change:
    def change(values: list[Any]) -> None:
        if values[at["experiments"]]:
            found = json.loads(values[at["experiments"]])
            values[at["experiments"]] = json.dumps([ids.get(str(each), each) for each in found])

    return change


_IN_TEXTS: Final[Mapping[str, Callable[[Mapping[str, int], Mapping[str, str]], _Change]]] = {
    "entity_associations": _of_associations,
    "registered_model_tags": _of_prompts,
    "role_permissions": _of_grants,
    "tandem_tokens": _of_tokens,
}
"""Tables that name experiments within their texts."""

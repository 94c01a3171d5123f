"""Limits of a query's size, checked before it is validated, and of its answer's.

Validation compares all selections of a level with each other, and execution repeats a fragment at
every spread. A fragment therefore counts at every spread. A fragment that no operation spreads, or
that shares its name with another, is refused, because its size would not be limited.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionContext,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

MAX_CHARACTERS = 20_000
MAX_TOKENS = 2_000
MAX_SELECTIONS = 300
"""The web UI's largest query has 78, the usual introspection query 240."""
MAX_DEPTH = 16
"""Levels of fields; MLflow's schema has 6, the usual introspection query asks for 15."""

MAX_ROWS = 100_000
"""Rows (metrics, params, tags and others) read for an answer, counted for each alias."""
MAX_FIELDS = 250_000
"""Fields of an answer, about two seconds of work. The web UI's charts need up to 200,000."""
MAX_ANSWER_CHARACTERS = 32 * 1024 * 1024
"""Characters of all strings in an answer; one dataset's profile may have millions."""


class LimitExceeded(BaseException):
    """An answer exceeds a limit.

    A BaseException, because graphql-core turns an Exception into the error of one field.
    """


class Execution(ExecutionContext):
    """Executes a query; raises LimitExceeded as soon as the answer exceeds a limit."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._fields = 0
        self._characters = 0

    def execute_fields(self, parent_type: Any, source_value: Any, path: Any, fields: Any) -> Any:
        self._fields += len(fields)
        if self._fields > MAX_FIELDS:
            raise limit_exceeded(f"{MAX_FIELDS} fields")
        return super().execute_fields(parent_type, source_value, path, fields)

    def complete_leaf_value(self, return_type: Any, result: Any) -> Any:  # type: ignore[override]
        value = super().complete_leaf_value(return_type, result)
        if type(value) is str:
            self._characters += len(value)
            if self._characters > MAX_ANSWER_CHARACTERS:
                raise limit_exceeded(f"{MAX_ANSWER_CHARACTERS} characters")
        return value


def limit_exceeded(limit: str) -> LimitExceeded:
    """The exception for an answer that exceeds `limit`."""
    return LimitExceeded(
        f"The answer has more than {limit}; ask for fewer runs (maxResults), fields or aliases."
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings' limits of the costliest parts of a query."""

    root_fields: int
    """Root fields of all operations; each is a search or a look-up."""
    aliases: int
    """Aliases on one level of an operation."""


def check(document: DocumentNode, limits: Limits) -> str | None:
    """A sentence that names the limit a query exceeds; None if it exceeds none.

    `MAX_SELECTIONS` bounds the time that this takes, for any query.
    """
    fragments: dict[str, SelectionSetNode] = {}
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode):
            if definition.name.value in fragments:
                return f"The query has two fragments named '{definition.name.value}'."
            fragments[definition.name.value] = definition.selection_set
    spread: set[str] = set()
    root_fields = aliases = selections = 0
    for operation in document.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        levels = [(operation.selection_set, 1)]
        while levels:
            level, depth = levels.pop()
            if depth > MAX_DEPTH:
                return f"The query is nested deeper than {MAX_DEPTH} levels of fields."
            fields, met = _level(level, fragments, spread, MAX_SELECTIONS - selections)
            selections += met
            if selections > MAX_SELECTIONS:
                return f"The query has more than {MAX_SELECTIONS} selections."
            aliases = max(aliases, sum(field.alias is not None for field in fields))
            if depth == 1:
                root_fields += len(fields)
            levels += [(field.selection_set, depth + 1) for field in fields if field.selection_set]
    if root_fields > limits.root_fields:
        return _at_most(f"{limits.root_fields} root fields, not {root_fields}")
    if aliases > limits.aliases:
        return _at_most(f"{limits.aliases} aliases on one level, not {aliases}")
    if unused := sorted(fragments.keys() - spread):
        return f"Fragment '{unused[0]}' is never used by an operation; remove it."
    return None


def _at_most(limit: str) -> str:
    return f"GraphQL queries should have at most {limit}; split the query."


def _level(
    level: SelectionSetNode, fragments: Mapping[str, SelectionSetNode], spread: set[str], most: int
) -> tuple[list[FieldNode], int]:
    """The fields of a level with its fragments expanded, and the number of selections.

    Adds the fragments to `spread`. Stops at the first selection beyond `most`, because fragments
    may spread each other in a cycle.
    """
    fields: list[FieldNode] = []
    met = 0
    pending = [level]
    while pending:
        for selection in pending.pop().selections:
            met += 1
            if met > most:
                return fields, met
            if isinstance(selection, FieldNode):
                fields.append(selection)
            elif isinstance(selection, InlineFragmentNode):
                pending.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name in fragments:
                    spread.add(name)
                    pending.append(fragments[name])
    return fields, met

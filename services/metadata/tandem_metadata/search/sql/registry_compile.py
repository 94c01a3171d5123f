"""Conditions on registered models and model versions to SQLAlchemy Core; and what prompts are.

A prompt is a registered model with the tag `mlflow.prompt.is_prompt`. A search finds either:
prompts if its first condition on that tag asks for them, else models, whatever it says of the tag.

Tags are joined: newer revisions have no index that begins with a tag's key, and SQLite makes a
temporary one for a join, but not for EXISTS. A tag that a row may lack is joined by an outer join,
so that its value is null there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from sqlalchemy import BigInteger, ColumnElement, FromClause, Table, and_, or_, type_coerce

from tandem_metadata.database.tables.registry import (
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
)
from tandem_metadata.rules.permissions import Readable
from tandem_metadata.search.language.fields import Condition, Criterion, Entity
from tandem_metadata.search.language.groups import Group, leaves
from tandem_metadata.search.language.registered_model_fields import IS_PROMPT
from tandem_metadata.search.sql.compile import (
    Clause,
    Joins,
    Rows,
    check_lookups,
    holds,
    joined,
    of_row,
)

VERSION_NUMBER: Final = type_coerce(model_versions.c.version, BigInteger)
"""A client may name a number that is too large for the column's type."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A table of the registry, its columns by the names that clients know, and its tags."""

    table: Table
    columns: Mapping[str, ColumnElement[Any]]
    tags: Rows


@dataclass(frozen=True, slots=True)
class ReadableNames:
    """Which names a search may find, of models and of prompts."""

    models: Readable | None
    prompts: Readable | None

    def of(self, criteria: Sequence[Criterion]) -> Readable | None:
        """Those of the kind that a search with these criteria finds."""
        return self.prompts if _asks_for_prompts(criteria) else self.models


REGISTERED_MODEL_ROWS: Final = Searched(
    registered_models,
    {"name": registered_models.c.name},
    Rows(registered_model_tags, "key", "value", {"name": registered_models.c.name}),
)

MODEL_VERSION_ROWS: Final = Searched(
    model_versions,
    {
        "name": model_versions.c.name,
        "version_number": VERSION_NUMBER,
        "run_id": model_versions.c.run_id,
        "source_path": model_versions.c.source,
    },
    Rows(
        model_version_tags,
        "key",
        "value",
        {"name": model_versions.c.name, "version": model_versions.c.version},
    ),
)


def matching(
    searched: Searched, criteria: Sequence[Criterion], dialect: str
) -> tuple[FromClause, list[Clause]]:
    """The table with the tags that count joined to it, one row each, and what rows must satisfy.

    `dialect` is "sqlite" or "postgresql". Raises InvalidParameter for too many conditions.
    """
    check_lookups(each for each in leaves(criteria) if each.field.entity is Entity.TAG)
    for_prompts = _asks_for_prompts(criteria)
    counting = [each for each in criteria if for_prompts or not _is_of_kind(each)]

    def make(conditions: Sequence[Condition], joins: Joins | None) -> Clause:
        key = conditions[0].field.key
        if conditions[0].field.entity is Entity.ATTRIBUTE:
            return holds(searched.columns[key], conditions[0], dialect)
        return or_(*(of_row(searched.tags, key, each, joins, dialect) for each in conditions))

    needed = [each.field.key for each in counting if _needs_tag(each)]
    found = joined(_cheapest_first(counting), make, Joins(needed))
    source = found.joins.to(searched.table)
    if for_prompts:
        return source, [*found.clauses]
    # A tag of one version makes a prompt of all versions of that name, as in MLflow.
    prompt = searched.tags.table.alias()
    says_so = and_(prompt.c.key == IS_PROMPT, prompt.c.value == "true")
    source = source.outerjoin(prompt, and_(prompt.c.name == searched.table.c.name, says_so))
    return source, [*found.clauses, prompt.c.name.is_(None)]


def _cheapest_first(criteria: Sequence[Criterion]) -> list[Criterion]:
    """Attributes, then the tags of each key, then groups."""
    keys = [each.field.key for each in criteria if _is_tag(each)]

    def rank(criterion: Criterion) -> int:
        if isinstance(criterion, Group):
            return len(keys)
        return keys.index(criterion.field.key) if _is_tag(criterion) else -1

    return sorted(criteria, key=rank)


def _is_tag(criterion: Criterion) -> TypeGuard[Condition]:
    return isinstance(criterion, Condition) and criterion.field.entity is Entity.TAG


def _needs_tag(criterion: Criterion) -> TypeGuard[Condition]:
    """Whether only rows with the tag satisfy it."""
    return _is_tag(criterion) and criterion.operator != "IS NULL"


def _is_of_kind(criterion: Criterion) -> TypeGuard[Condition]:
    """Whether it is on the tag of prompts, which is on none of the sides of an OR."""
    return _is_tag(criterion) and criterion.field.key == IS_PROMPT


def _asks_for_prompts(criteria: Sequence[Criterion]) -> bool:
    for condition in filter(_is_of_kind, criteria):
        asked = (condition.operator, str(condition.value).lower())
        return asked in (("=", "true"), ("!=", "false"))
    return False

"""Conditions on registered models and model versions to SQLAlchemy Core; and what prompts are.

A prompt is a registered model with the tag `mlflow.prompt.is_prompt`. A search finds either:
prompts if its first condition on that tag asks for them, else models, whatever it says of the tag.

Tags are joined: newer revisions have no index that begins with a tag's key, and SQLite makes a
temporary one for a join, but not for EXISTS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, FromClause, Table, and_, type_coerce

from tandem_metadata.database.tables.registry import (
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
)
from tandem_metadata.search.language.fields import Condition, Entity
from tandem_metadata.search.sql.compile import Clause, check_lookups, compare, compare_mine

IS_PROMPT: Final = "mlflow.prompt.is_prompt"

VERSION_NUMBER: Final = type_coerce(model_versions.c.version, BigInteger)
"""A client may name a number that is too large for the column's type."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A table of the registry, its columns by the names that clients know, and its tags.

    A tag belongs to the row that has the same `identity`.
    """

    table: Table
    columns: Mapping[str, ColumnElement[Any]]
    tags: Table
    identity: tuple[str, ...]


REGISTERED_MODEL_ROWS: Final = Searched(
    registered_models, {"name": registered_models.c.name}, registered_model_tags, ("name",)
)

MODEL_VERSION_ROWS: Final = Searched(
    model_versions,
    {
        "name": model_versions.c.name,
        "version_number": VERSION_NUMBER,
        "run_id": model_versions.c.run_id,
        "source_path": model_versions.c.source,
    },
    model_version_tags,
    ("name", "version"),
)


def matching(
    searched: Searched, conditions: Sequence[Condition], dialect: str
) -> tuple[FromClause, list[Clause]]:
    """The table with the tags that count joined to it, one row each, and what rows must satisfy.

    `dialect` is "sqlite" or "postgresql". Raises InvalidParameter for too many conditions.
    """
    check_lookups(sum(condition.field.entity is Entity.TAG for condition in conditions))
    for_prompts = _asks_for_prompts(conditions)
    source: FromClause = searched.table
    clauses: list[Clause] = []
    tags: dict[str, list[Condition]] = {}
    for condition in conditions:
        key = condition.field.key
        if condition.field.entity is Entity.ATTRIBUTE:
            column = searched.columns[key]
            clauses.append(compare(column, condition.operator, condition.value, dialect))
        elif for_prompts or key != IS_PROMPT:
            tags.setdefault(key, []).append(condition)
    for key, wanted in tags.items():
        tag = searched.tags.alias()
        mine = and_(*(tag.c[name] == searched.table.c[name] for name in searched.identity))
        source = source.join(tag, and_(mine, tag.c.key == key))
        clauses += [
            compare_mine(mine, tag.c.value, it.operator, it.value, dialect) for it in wanted
        ]
    if for_prompts:
        return source, clauses
    # A tag of one version makes a prompt of all versions of that name, as in MLflow.
    prompt = searched.tags.alias()
    says_so = and_(prompt.c.key == IS_PROMPT, prompt.c.value == "true")
    source = source.outerjoin(prompt, and_(prompt.c.name == searched.table.c.name, says_so))
    return source, [*clauses, prompt.c.name.is_(None)]


def _asks_for_prompts(conditions: Sequence[Condition]) -> bool:
    for condition in conditions:
        if condition.field.entity is Entity.TAG and condition.field.key == IS_PROMPT:
            asked = (condition.operator, str(condition.value).lower())
            return asked in (("=", "true"), ("!=", "false"))
    return False

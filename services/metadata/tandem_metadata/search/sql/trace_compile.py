"""Conditions on traces to SQLAlchemy Core.

Each lookup is an EXISTS that is evaluated trace by trace, newest first, until the page is full. Its
rows are found by the trace's id: no column beside it may tempt the planner to another index, which
would read the spans of a whole experiment for each trace. On PostgreSQL `OFFSET 0` keeps it from
being turned into a join, which without statistics may compare all rows with all.
"""

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    type_coerce,
)

from tandem_metadata.database.tables.traces import COSTS, TOKENS, entity_associations
from tandem_metadata.database.trace_schema import TraceSchema
from tandem_metadata.rules.integers import INT64_MAX
from tandem_metadata.search.language.fields import (
    EQUALITY,
    PRESENCE,
    SIZES,
    Condition,
    Criterion,
    Entity,
)
from tandem_metadata.search.language.groups import Group, leaves
from tandem_metadata.search.language.lexer import shown
from tandem_metadata.search.language.trace_fields import COST, NAME, RUN, SESSION, TOKENS_USED
from tandem_metadata.search.sql.compile import Clause, holds
from tandem_metadata.search.sql.json_text import Json
from tandem_shared.errors import InvalidParameter

MAX_LOOKUPS: Final = 60
"""Conditions that need an EXISTS, as in other searches."""

ASSESSED: Final = frozenset({Entity.FEEDBACK, Entity.EXPECTATION})
_OF_SPANS: Final = frozenset({Entity.SPAN, Entity.SPAN_ATTRIBUTE})
_NUMBERS: Final[Mapping[str, Sequence[str]]] = {TOKENS_USED: TOKENS, COST: COSTS}
"""Metadata that a newer revision has columns for."""

_ON_NUMBERS: Final = EQUALITY | PRESENCE
_IN_SESSION: Final = f'"{SESSION}":'

Sessions = Mapping[Condition, Sequence[str]]
"""The sessions of which a condition on assessments holds as a whole; see `session_statement`."""

Among = Callable[[ColumnElement[Any], Sequence[str]], Clause]
"""That a column holds one of any number of values."""


def check_trace_criteria(criteria: Sequence[Criterion]) -> None:
    """Raise InvalidParameter for conditions on traces that no statement can be made of."""
    lookups = 0
    for each in leaves(criteria):
        field, operator = each.field, each.operator
        if field.entity is not Entity.ATTRIBUTE or field.key in ("name", "run_id", "prompt"):
            lookups += 2 if each.negated and field.kind.several else 1
        if field.entity is Entity.METADATA and field.key in _NUMBERS:
            if operator not in _ON_NUMBERS or each.negated:
                raise InvalidParameter(
                    f"Invalid comparator {operator!r} in the filter: {shown(field.key)} supports "
                    f"{', '.join(sorted(_ON_NUMBERS))} only."
                )
        if field.entity is Entity.ATTRIBUTE and field.key == "prompt":
            if str(each.value).count("/") != 1:
                raise InvalidParameter(
                    f"Invalid prompt {shown(str(each.value))} in the filter: write "
                    "prompt = 'name/version'."
                )
        if field.entity is Entity.SPAN_ATTRIBUTE and not _is_path(field.key):
            raise InvalidParameter(
                f"Invalid attribute {shown(field.key)} of spans in the filter: it has no name, or "
                "a double quote or a backslash in it."
            )
    if lookups > MAX_LOOKUPS:
        raise InvalidParameter(
            f"Invalid filter: it has {lookups} comparisons of tags, metadata, spans, feedback and "
            f"the like, at most {MAX_LOOKUPS} are accepted."
        )


def _is_path(key: str) -> bool:
    return bool(key) and not any(each in '"\\' or each < " " for each in key)


def needed_sessions(criteria: Sequence[Criterion]) -> Iterator[Condition]:
    """The conditions of which `matching_traces` needs to know the sessions."""
    for each in leaves(criteria):
        if each.field.entity in ASSESSED:
            if each.negated or each.operator == "IS NULL":
                yield _there(each)
            if each.operator != "IS NULL":
                yield replace(each, negated=False)


def _there(condition: Condition) -> Condition:
    """That the assessment is there at all."""
    return Condition(condition.field, "IS NOT NULL", None)


@dataclass(frozen=True)
class TraceClauses:
    """Makes the clauses of one statement."""

    schema: TraceSchema
    json: Json
    among: Among
    sessions: Sessions

    def matching(self, criteria: Sequence[Criterion]) -> list[Clause]:
        """What traces must satisfy to match all criteria.

        Comparisons of spans that AND joins hold of one span together.
        """
        of_spans = [each for each in criteria if _only_spans(each)]
        others = [self._clause(each) for each in criteria if not _only_spans(each)]
        if not of_spans:
            return others
        spans = self.schema.spans
        mine = spans.c.trace_id == self._id
        return [*others, self._exists(spans, mine, *map(self._span, of_spans))]

    def session_statement(self, condition: Condition, scope: Clause) -> Select[Any]:
        """The sessions of traces in the scope with an assessment of a session that satisfies it.

        Such an assessment counts for all traces of its session.
        """
        assessments, info = self.schema.assessments, self.schema.trace_info
        assessed = select(assessments.c.trace_id).where(
            assessments.c.assessment_type == condition.field.entity.value,
            *self._assessed(condition),
            assessments.c.assessment_metadata.contains(_IN_SESSION, autoescape=False),
            *self._value(condition),
        )
        source: FromClause = info
        session: ColumnElement[str]
        if self.schema.has_columns:
            session = info.c.session_id
        else:
            rows = self.schema.trace_request_metadata
            mine = and_(rows.c.request_id == info.c.request_id, rows.c.key == SESSION)
            source, session = info.join(rows, mine), rows.c.value
        return (
            select(session)
            .distinct()
            .select_from(source)
            .where(info.c.request_id.in_(assessed), session.is_not(None), scope)
        )

    @property
    def dialect(self) -> str:
        """The database, as `compare` knows it."""
        return self.json.dialect

    @property
    def _id(self) -> ColumnElement[str]:
        found: ColumnElement[str] = self.schema.trace_info.c.request_id
        return found

    def _clause(self, criterion: Criterion) -> Clause:
        if _only_spans(criterion):
            return self.matching([criterion])[0]
        if isinstance(criterion, Group):
            if criterion.any:
                return or_(*map(self._clause, criterion.parts))
            return and_(*self.matching(criterion.parts))
        match criterion.field.entity:
            case Entity.ATTRIBUTE:
                return self._attribute(criterion)
            case Entity.TAG:
                return self._of_key(self.schema.trace_tags, criterion.field.key, criterion)
            case Entity.METADATA:
                return self._metadata(criterion)
            case Entity.ISSUE:
                return self._issue(criterion)
        return self._assessment(criterion)

    def _attribute(self, condition: Condition) -> Clause:
        key = condition.field.key
        if key == "name":
            return self._name(condition)
        if key == "run_id":
            return self._run(condition)
        if key == "prompt":
            return self._linked("prompt_version", condition)
        return self._holds(attribute(self.schema, key), condition)

    def _name(self, condition: Condition) -> Clause:
        if self.schema.has_columns:
            return self._holds(self.schema.trace_info.c.trace_name, condition)
        return self._of_key(self.schema.trace_tags, NAME, condition)

    def _run(self, condition: Condition) -> Clause:
        """A trace is of the run that made it, and of those that it was linked to."""
        made = self._of_key(self.schema.trace_request_metadata, RUN, condition)
        if condition.negated or condition.operator not in ("=", "IN"):
            return made
        return or_(made, self._linked("run", condition))

    def _linked(self, what: str, condition: Condition) -> Clause:
        links = entity_associations
        mine = [
            links.c.source_type == "trace",
            links.c.source_id == self._id,
            links.c.destination_type == what,
        ]
        return self._any(links, mine, links.c.destination_id, condition)

    def _metadata(self, condition: Condition) -> Clause:
        key = condition.field.key
        if self.schema.has_columns:
            if key == SESSION:
                return self._holds(self.schema.trace_info.c.session_id, condition)
            if key in _NUMBERS:
                return self._numbers(condition)
        return self._of_key(self.schema.trace_request_metadata, key, condition)

    def _numbers(self, condition: Condition) -> Clause:
        """Of metadata in JSON, of which there are only numbers, in columns."""
        columns = {name: self.schema.trace_info.c[name] for name in _NUMBERS[condition.field.key]}
        there = or_(*(each.is_not(None) for each in columns.values()))
        if condition.operator in PRESENCE:
            return not_(there) if condition.operator == "IS NULL" else there
        given = _numbers_of(str(condition.value), columns)
        equal: Clause = false()
        if given:
            equal = and_(
                *(
                    column.is_not_distinct_from(given[name]) if name in given else column.is_(None)
                    for name, column in columns.items()
                )
            )
        return equal if condition.operator == "=" else and_(there, not_(equal))

    def _of_key(self, rows: FromClause, key: str, condition: Condition) -> Clause:
        mine = [rows.c.key == key, rows.c.request_id == self._id]
        if condition.operator in PRESENCE:
            there = self._exists(rows, *mine)
            return not_(there) if condition.operator == "IS NULL" else there
        return self._exists(rows, *mine, self._holds(rows.c.value, condition))

    def _span(self, criterion: Criterion) -> Clause:
        if isinstance(criterion, Group):
            joined = or_ if criterion.any else and_
            return joined(*map(self._span, criterion.parts))
        columns, key = self.schema.spans.c, criterion.field.key
        if criterion.field.entity is Entity.SPAN:
            return self._holds(columns[key], criterion)
        holds = self._holds(self.json.attribute(columns.content, key), criterion)
        return and_(self.json.may_say(columns.content, criterion), holds)

    def _issue(self, condition: Condition) -> Clause:
        assessments = self.schema.assessments
        tested: ColumnElement[str] = assessments.c.name
        if condition.field.key == "name":
            tested = self.json.member(assessments.c.value, "issue_name")
        mine = [
            assessments.c.trace_id == self._id,
            _unindexed(assessments.c.assessment_type) == "issue",
        ]
        return self._any(assessments, mine, tested, condition)

    def _assessment(self, condition: Condition) -> Clause:
        if condition.negated:
            holding = self._assessment(replace(condition, negated=False))
            return and_(self._assessment(_there(condition)), not_(holding))
        if condition.operator == "IS NULL":
            return not_(self._assessment(_there(condition)))
        found = self._exists(
            self.schema.assessments,
            self.schema.assessments.c.trace_id == self._id,
            *self._assessed(condition),
            *self._value(condition),
        )
        if sessions := self.sessions.get(condition):
            return or_(found, self._in_session(sessions))
        return found

    def _assessed(self, condition: Condition) -> list[Clause]:
        columns = self.schema.assessments.c
        return [
            _unindexed(columns.assessment_type) == condition.field.entity.value,
            columns.name == condition.field.key,
            columns.valid == true(),
        ]

    def _value(self, condition: Condition) -> list[Clause]:
        if condition.operator in PRESENCE:
            return []
        value = self.schema.assessments.c.value
        tested = self.json.number if condition.operator in SIZES else self.json.decoded
        return [self._holds(tested(value), condition)]

    def _in_session(self, sessions: Sequence[str]) -> Clause:
        if self.schema.has_columns:
            session = self.schema.trace_info.c.session_id
            return and_(session.is_not(None), self.among(session, sessions))
        rows = self.schema.trace_request_metadata
        return self._exists(
            rows,
            rows.c.key == SESSION,
            rows.c.request_id == self._id,
            self.among(rows.c.value, sessions),
        )

    def _holds(self, column: ColumnElement[Any], condition: Condition) -> Clause:
        return holds(column, condition, self.dialect)

    def _any(
        self,
        rows: FromClause,
        mine: Sequence[Clause],
        column: ColumnElement[Any],
        condition: Condition,
    ) -> Clause:
        """That it holds of one of some rows; negated, that there are some and it does of none."""
        plain = replace(condition, negated=False)
        holding = self._exists(rows, *mine, self._holds(column, plain))
        return and_(self._exists(rows, *mine), not_(holding)) if condition.negated else holding

    def _exists(self, table: FromClause, *clauses: Clause) -> Clause:
        found: Select[Any] = select(literal_column("1")).select_from(table).where(*clauses)
        if self.dialect == "postgresql":
            found = found.offset(literal_column("0", Integer))
        return found.correlate(self.schema.trace_info).exists()


def _unindexed(column: ColumnElement[str]) -> ColumnElement[str]:
    """The column, with its index hidden: it would find the assessments of all traces."""
    return func.coalesce(column, "")


def attribute(schema: TraceSchema, key: str) -> ColumnElement[Any]:
    """The column of a trace's attribute, or what is computed of some."""
    info = schema.trace_info.c
    if key == "end_time_ms":
        ended: ColumnElement[int] = info.timestamp_ms + func.coalesce(info.execution_time_ms, 0)
        return ended
    if key == "experiment_id":  # a client may name an id that is too large for the column's type
        return type_coerce(info.experiment_id, BigInteger)
    found: ColumnElement[Any] = info[key]
    return found


def _only_spans(criterion: Criterion) -> bool:
    return all(each.field.entity in _OF_SPANS for each in leaves([criterion]))


def _numbers_of(text: str, names: Collection[str]) -> dict[str, float]:
    """The numbers of a JSON object, if it is written as answers write it; else none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if (
        not isinstance(found, dict)
        or not all(name in names and type(found[name]) in (int, float) for name in found)
        or not all(map(_is_comparable, found.values()))
        or json.dumps({name: found[name] for name in names if name in found}) != text
    ):
        return {}
    return found


def _is_comparable(number: int | float) -> bool:
    """Whether every database can compare a column with the number."""
    if isinstance(number, int):
        return -INT64_MAX <= number <= INT64_MAX
    return math.isfinite(number)

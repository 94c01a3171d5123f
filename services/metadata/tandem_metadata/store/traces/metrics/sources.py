"""What is counted: one row for each value, with its bucket and its dimensions.

No row has a null, neither as its value nor as a dimension: MLflow counts no such.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
)

from tandem_metadata.database.tables.traces import COSTS
from tandem_metadata.database.trace_schema import TraceSchema
from tandem_metadata.search.language.fields import Condition, Entity
from tandem_metadata.search.language.trace_fields import COST, NAME, SESSION, TOKENS_USED
from tandem_metadata.search.sql.compile import Clause, holds
from tandem_metadata.search.sql.json_text import Json
from tandem_metadata.search.sql.trace_compile import TraceClauses
from tandem_metadata.spans import keys
from tandem_metadata.store.traces.metrics.question import (
    ASSESSMENTS,
    SPANS,
    TIME_BUCKET,
    TRACES,
    Question,
    in_nanoseconds,
)

VALUE: Final = "value"

_OUTSIDE_MS: Final = 3_600_000
"""How long before its trace begins, or after it ends, a span with a cost may begin to be found.

Where costs are in the spans' documents alone, the traces around a time are all that is read.
"""

_NS: Final = 1_000_000
_YES: Final = '"%'
_QUOTED: Final = '" '

Among = Callable[[ColumnElement[Any]], Clause]
"""That a column is the number of one of the experiments."""


@dataclass
class Source:
    """Makes the statement of one question."""

    question: Question
    clauses: TraceClauses
    among: Among
    _joined: list[tuple[FromClause, Clause]] = field(default_factory=list)
    _where: list[Clause] = field(default_factory=list)

    def rows(self) -> Select[Any]:
        """The statement whose rows are the values."""
        made = {TRACES: self._traces, SPANS: self._spans, ASSESSMENTS: self._assessments}
        source, value, time = made[self.question.view]()
        columns: list[ColumnElement[Any]] = []
        if self.question.interval:
            columns.append(self._bucket(time).label(TIME_BUCKET))
        for name in self.question.dimensions:
            dimension = self._dimension(name)
            self._where.append(dimension.is_not(None))
            columns.append(dimension.label(name))
        for table, on in self._joined:
            source = source.join(table, on)
        return select(*columns, value.label(VALUE)).select_from(source).where(*self._where)

    @property
    def _schema(self) -> TraceSchema:
        return self.clauses.schema

    @property
    def _json(self) -> Json:
        return self.clauses.json

    @property
    def _is_cost(self) -> bool:
        return self.question.metric in COSTS

    def _traces(self) -> tuple[FromClause, ColumnElement[Any], ColumnElement[Any]]:
        info = self._schema.trace_info
        self._in_experiments(info.c.experiment_id)
        self._within(info.c.timestamp_ms)
        self._where += self.clauses.matching(self.question.conditions)
        value = self._of_trace()
        if self.question.metric != "trace_count":
            self._where.append(value.is_not(None))
        return info, value, info.c.timestamp_ms

    def _of_trace(self) -> ColumnElement[Any]:
        info, metric = self._schema.trace_info, self.question.metric
        if metric == "trace_count":
            return literal_column("1")
        if metric == "session_count":
            return self._session()
        if metric == "latency":
            return _number(info.c.execution_time_ms)
        if self._schema.has_columns:
            return _number(info.c[metric])
        if (tokens := self._schema.trace_metrics) is not None:
            self._join(tokens, tokens.c.request_id == info.c.request_id, tokens.c.key == metric)
            return _number(tokens.c.value)
        usage = self._metadata(TOKENS_USED)
        return self._json.member_number(usage, metric)

    def _session(self) -> ColumnElement[Any]:
        if self._schema.has_columns:
            return self._schema.trace_info.c.session_id
        return self._metadata(SESSION)

    def _metadata(self, key: str) -> ColumnElement[Any]:
        rows = self._schema.trace_request_metadata.alias()
        mine = rows.c.request_id == self._schema.trace_info.c.request_id
        self._join(rows, mine, rows.c.key == key)
        return rows.c.value

    def _spans(self) -> tuple[FromClause, ColumnElement[Any], ColumnElement[Any]]:
        info, spans = self._schema.trace_info, self._schema.spans
        of_span = [each for each in self.question.conditions if each.field.entity is Entity.SPAN]
        of_trace = [each for each in self.question.conditions if each not in of_span]
        self._where += [self._holds(spans.c[each.field.key], each) for each in of_span]
        source: FromClause = spans
        if of_trace or not (self._is_cost and self._schema.has_columns):
            source = info.join(spans, spans.c.trace_id == info.c.request_id)
            self._in_experiments(info.c.experiment_id)
            self._where += self.clauses.matching(of_trace)
        else:  # all of it is in one index
            self._in_experiments(spans.c.experiment_id)
        if self._is_cost:
            self._within(spans.c.start_time_unix_nano, nanoseconds=True)
            value = self._cost()
        else:
            self._within(info.c.timestamp_ms)
            value = literal_column("1")
            if self.question.metric == "latency":
                lasted = spans.c.end_time_unix_nano - spans.c.start_time_unix_nano
                value = _number(lasted // literal_column(str(_NS), BigInteger))
        if self.question.metric != "span_count":
            self._where.append(value.is_not(None))
        return source, value, spans.c.start_time_unix_nano

    def _cost(self) -> ColumnElement[Any]:
        spans, metric = self._schema.spans, self.question.metric
        if self._schema.has_columns:
            return spans.c[metric]
        if (costs := self._schema.span_metrics) is not None:
            mine = and_(costs.c.trace_id == spans.c.trace_id, costs.c.span_id == spans.c.span_id)
            self._join(costs, mine, costs.c.key == metric)
            return costs.c.value
        self._metadata(COST)  # of a trace that has a span with a cost
        info = self._schema.trace_info
        if self.question.end is not None:
            self._where.append(info.c.timestamp_ms <= _limited(self.question.end + _OUTSIDE_MS))
        if self.question.start is not None:
            ends = info.c.timestamp_ms + info.c.execution_time_ms
            begin = _limited(self.question.start - _OUTSIDE_MS)
            self._where.append(or_(info.c.execution_time_ms.is_(None), ends >= begin))
        # First of all, so that few documents are read, each of them several times.
        self._where.insert(0, self._json.may_have(spans.c.content, keys.COST))
        whole = self._json.attribute_text(spans.c.content, keys.COST)
        return self._json.member_number(whole, metric)

    def _assessments(self) -> tuple[FromClause, ColumnElement[Any], ColumnElement[Any]]:
        info, assessments = self._schema.trace_info, self._schema.assessments
        own = [each for each in self.question.conditions if each.field.entity is Entity.ASSESSMENT]
        of_trace = [each for each in self.question.conditions if each not in own]
        names = {"type": assessments.c.assessment_type, "name": assessments.c.name}
        self._where += [assessments.c.valid == true()]
        self._where += [self._holds(names[each.field.key], each) for each in own]
        source: FromClause = assessments
        time: ColumnElement[Any]
        if of_trace or not self._schema.has_columns:
            source = info.join(assessments, assessments.c.trace_id == info.c.request_id)
            self._in_experiments(info.c.experiment_id)
            self._where += self.clauses.matching(of_trace)
            time = info.c.timestamp_ms
        else:
            self._in_experiments(assessments.c.experiment_id)
            time = assessments.c.trace_timestamp_ms
        self._within(time)
        if self.question.metric == "assessment_count":
            return source, literal_column("1"), time
        value = self._assessed()
        self._where.append(value.is_not(None))
        return source, value, time

    def _assessed(self) -> ColumnElement[Any]:
        """The number that an assessment counts as, of which newer generations have a column."""
        assessments = self._schema.assessments
        if self._schema.has_columns:
            return assessments.c.aggregate_value
        value = assessments.c.value
        word = case((value.like(_YES), func.lower(func.trim(value, _QUOTED))))
        return case(
            (value == "true", 1.0),
            (value == "false", 0.0),
            (word == "yes", 1.0),
            (word == "no", 0.0),
            else_=self._json.number(value),
        )

    def _dimension(self, name: str) -> ColumnElement[Any]:
        schema = self._schema
        info, spans, assessments = schema.trace_info, schema.spans, schema.assessments
        found: dict[str, Callable[[], ColumnElement[Any]]] = {
            "trace_name": self._trace_name,
            "trace_status": lambda: info.c.status,
            "span_name": lambda: spans.c.name,
            "span_type": lambda: spans.c.type,
            "span_status": lambda: spans.c.status,
            "span_model_name": lambda: self._model("model_name", keys.MODEL),
            "span_model_provider": lambda: self._model("model_provider", keys.PROVIDER),
            "assessment_name": lambda: assessments.c.name,
            "assessment_value": lambda: assessments.c.value,
        }
        return found[name]()

    def _trace_name(self) -> ColumnElement[Any]:
        info = self._schema.trace_info
        if self._schema.has_columns:
            return info.c.trace_name
        rows = self._schema.trace_tags.alias()
        self._join(rows, rows.c.request_id == info.c.request_id, rows.c.key == NAME)
        return rows.c.value

    def _model(self, column: str, key: str) -> ColumnElement[Any]:
        spans = self._schema.spans
        if self._schema.has_columns:
            return spans.c[column]
        if self._schema.has_dimensions:
            document = spans.c.dimension_attributes
            if self._json.dialect == "sqlite":
                return func.json_extract(document, f'$."{key}"', type_=String())
            return cast(document, JSON).op("->>", return_type=String())(key)
        self._where.append(self._json.may_have(spans.c.content, key))
        return self._json.attribute(spans.c.content, key)

    def _join(self, table: FromClause, *on: Clause) -> None:
        self._joined.append((table, and_(*on)))

    def _in_experiments(self, column: ColumnElement[Any]) -> None:
        # a client may name an id that is too large for the column's type
        self._where.append(self.among(type_coerce(column, BigInteger)))

    def _holds(self, column: ColumnElement[Any], condition: Condition) -> Clause:
        return holds(column, condition, self._json.dialect)

    def _within(self, time: ColumnElement[Any], *, nanoseconds: bool = False) -> None:
        start, end = self.question.start, self.question.end
        if start is not None:
            self._where.append(time >= (in_nanoseconds(start) if nanoseconds else start))
        if end is None:
            return
        if nanoseconds:  # to the end of the last millisecond
            self._where.append(time <= in_nanoseconds(end + 1) - 1)
        else:
            self._where.append(time <= end)

    def _bucket(self, time: ColumnElement[Any]) -> ColumnElement[Any]:
        """The milliseconds at which the bucket begins."""
        interval = self.question.interval
        assert interval
        unit = _NS if self.question.view == SPANS else 1
        width = literal_column(str(interval * unit), BigInteger)
        # Remainders of negative numbers are negative.
        begin = time - (time % width + width) % width
        return begin // literal_column(str(unit), BigInteger)


def _number(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """As a double: sums of integers may exceed 64 bits, at which SQLite fails."""
    return cast(value, Float(53))


def _limited(milliseconds: int) -> int:
    return max(-(2**63), min(milliseconds, 2**63 - 1))


def labels(question: Question) -> Sequence[str]:
    """The names of the columns by which values are grouped."""
    return [TIME_BUCKET, *question.dimensions] if question.interval else [*question.dimensions]

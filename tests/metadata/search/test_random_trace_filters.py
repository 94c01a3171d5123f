"""Random filters of traces find what an evaluator in Python finds, in each generation."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandem_metadata.database.database import Database
from tandem_metadata.store.traces import search
from tests.metadata.search import trace_data
from tests.metadata.search.evaluator import Comparison, Joined, Not, Tree, Values

_TEXT = ("=", "!=", "LIKE", "ILIKE", "RLIKE", "IN", "NOT IN", "NOT LIKE", "NOT ILIKE", "NOT RLIKE")
_PRESENCE = ("IS NULL", "IS NOT NULL")
_NUMBERS = ("=", "!=", "<", "<=", ">", ">=", "IN", "NOT IN", *_PRESENCE)
_SIZES = ("<", "<=", ">", ">=")

_TEXTS = ["a", "%o%", "agent", "prod", "r1", "gpt%", "%", "y_s", "OK", "root", "ÄPFEL%"]
_EXPRESSIONS = ["^[ar]", "o", "(?i)AGENT|ok", "[0-9]$", "^$"]

FIELDS: dict[str, Sequence[Any]] = {
    "status": ["OK", "ERROR"],
    "request_id": ["tr-a", "tr-b", "tr-%"],
    "client_request_id": ["creq-1"],
    "name": ["Agent", "äpfel"],
    "run_id": ["r1", "R1", "r2"],
    "timestamp": [1000, 1500, 900.5],
    "execution_time_ms": [0, 5, 100],
    "end_time": [1005, 1500],
    "tags.`env`": ["Prod", "it's"],
    "tags.x": ["1"],
    "metadata.`mlflow.trace.session`": ["s1", "s2"],
    "request_metadata.mlflow.trace.user": ["alice"],
    "feedback.correct": ["true", "yes"],
    "feedback.score": ["0.5", "0.7"],
    "feedback.polite": ["yes", "no"],
    "expectation.expected": ["Paris", "paris"],
    "span.name": ["root", "tool"],
    "span.type": ["LLM", "AGENT"],
    "span.status": ["OK", "ERROR", "UNSET"],
    "span.attributes.q": ["how", "HOW"],
    "span.attributes.`model`": ["gpt-4o", "claude"],
    "span.attributes.text": ["Grüße aus Köln"],
    "trace.text": ["%how%", "%KÖLN%"],
}
_BY_NUMBER = ("timestamp", "execution_time_ms", "end_time")


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _of_span(span: dict[str, Any]) -> Values:
    values = {f"span.{each}": [span[each]] for each in ("name", "type", "status") if span[each]}
    for key, value in span["attributes"].items():
        values |= {f"span.attributes.{key}": [_said(value)]}
        values |= {f"span.attributes.`{key}`": [_said(value)]}
    return {**values, "trace.text": [trace_data.content(span)]}


def _of_trace(trace: dict[str, Any]) -> Values:
    metadata = trace["metadata"]
    session = metadata.get(trace_data.SESSION)
    values: dict[str, list[Any]] = {
        "status": [trace.get("status", "OK")],
        "request_id": [trace["id"]],
        "client_request_id": [trace["client"]] if "client" in trace else [],
        "name": [trace["name"]] if trace["name"] else [],
        "run_id": [metadata["mlflow.sourceRun"]] if "mlflow.sourceRun" in metadata else [],
        "timestamp": [trace["time"]],
        "execution_time_ms": [trace["lasted"]] if trace["lasted"] is not None else [],
        "end_time": [trace["time"] + (trace["lasted"] or 0)],
        "tags.`env`": [trace["tags"]["env"]] if "env" in trace["tags"] else [],
        "tags.x": [trace["tags"]["x"]] if "x" in trace["tags"] else [],
        "metadata.`mlflow.trace.session`": [session] if session else [],
        "request_metadata.mlflow.trace.user": (
            [metadata["mlflow.trace.user"]] if "mlflow.trace.user" in metadata else []
        ),
    }
    for other in SEARCHED:
        for each in other["assessments"]:
            own = other is trace
            of_session = (
                session is not None
                and "metadata" in each
                and other["metadata"].get(trace_data.SESSION) == session
            )
            if each.get("valid", True) and (own or of_session):
                values.setdefault(f"{each['type']}.{each['name']}", []).append(each["value"])
    return values


SEARCHED = [each for each in trace_data.TRACES if each.get("experiment", 1) != 3]


class _OfTrace:
    """Whether filters hold of a trace."""

    def __init__(self, trace: dict[str, Any]) -> None:
        self._values = _of_trace(trace)
        self._runs = trace.get("runs", [])
        self._spans = [_of_span(each) for each in trace["spans"]]

    def holds(self, tree: Tree, *, negated: bool = False) -> bool:
        if isinstance(tree, Comparison):
            if _only_spans(tree):
                return self._of_one_span([(tree, negated)])
            return self._compared(tree) is (not negated) or self._is_linked(tree, negated)
        word, parts = _joined(tree, negated)
        if word == "OR":
            return any(self.holds(part, negated=no) for part, no in parts)
        of_spans = [each for each in parts if _only_spans(each[0])]
        others = [each for each in parts if not _only_spans(each[0])]
        return all(self.holds(part, negated=no) for part, no in others) and (
            not of_spans or self._of_one_span(of_spans)
        )

    def _of_one_span(self, parts: Sequence[tuple[Tree, bool]]) -> bool:
        return any(
            all(part.truth(span) is (not negated) for part, negated in parts)
            for span in self._spans
        )

    def _is_linked(self, comparison: Comparison, negated: bool) -> bool:
        """Whether it asks for a run that the trace is linked to."""
        asks = ("!=", "NOT IN") if negated else ("=", "IN")
        if comparison.field != "run_id" or comparison.operator not in asks:
            return False
        return comparison.truth({"run_id": self._runs}) is (not negated)

    def _compared(self, comparison: Comparison) -> bool | None:
        field, values = comparison.field, dict(self._values)
        if field.startswith(("feedback.", "expectation.")):
            found = values.get(field, [])
            if comparison.operator in _SIZES:
                numbers = [each for each in found if type(each) in (int, float)]
                # What is no number is smaller and larger than none.
                if found and not numbers:
                    return False
                values[field] = numbers
            else:
                values[field] = [_said(each) for each in found]
        return comparison.truth(values)


def _joined(tree: Tree, negated: bool) -> tuple[str, list[tuple[Tree, bool]]]:
    """The word that joins the parts of a tree without its NOTs, and the parts."""
    while isinstance(tree, Not):
        tree, negated = tree.part, not negated
    if isinstance(tree, Comparison):
        return "AND", [(tree, negated)]
    word = tree.word if not negated else {"AND": "OR", "OR": "AND"}[tree.word]
    parts: list[tuple[Tree, bool]] = []
    for each in tree.parts:
        inner, found = _joined(each, negated)
        parts += found if inner == word or len(found) == 1 else [(each, negated)]
    return word, parts


def _only_spans(tree: Tree) -> bool:
    if isinstance(tree, Comparison):
        return tree.field.startswith("span.") or tree.field == "trace.text"
    if isinstance(tree, Not):
        return _only_spans(tree.part)
    return all(map(_only_spans, tree.parts))


@st.composite
def _comparisons(draw: st.DrawFn) -> Comparison:
    field = draw(st.sampled_from(list(FIELDS)))
    operators: Sequence[str] = (*_TEXT, *_PRESENCE)
    if field in _BY_NUMBER:
        operators = _NUMBERS
    elif field == "trace.text":
        operators = ("LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE")
    elif field.startswith("span.") and "attributes" not in field:
        operators = _TEXT
    elif field.startswith(("feedback", "expectation")):
        operators = (*_TEXT, *_PRESENCE, *_SIZES)
    operator = draw(st.sampled_from(operators))
    if operator in _PRESENCE:
        return Comparison(field, operator)
    operands = [*FIELDS[field]]
    if field not in _BY_NUMBER:
        operands += _TEXTS
    if operator in _SIZES and field not in _BY_NUMBER:
        operands = [0, 0.5, 1, 3.0]
    if operator.endswith("RLIKE"):
        operands = _EXPRESSIONS
    if operator.endswith("IN"):
        values = st.lists(st.sampled_from(operands), min_size=1, max_size=3)
        return Comparison(field, operator, tuple(draw(values)))
    return Comparison(field, operator, draw(st.sampled_from(operands)))


def _trees() -> st.SearchStrategy[Tree]:
    def joined(parts: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        some = st.lists(parts, min_size=2, max_size=4).map(tuple)
        words = st.sampled_from(["AND", "AND", "OR"])
        return st.builds(Joined, words, some, st.booleans()) | st.builds(Not, parts, st.booleans())

    return st.recursive(_comparisons(), joined, max_leaves=8)


def test_random_filters_find_what_they_mean(traced: Database) -> None:
    @settings(
        max_examples=250,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(_trees(), st.integers(0, 3))
    def check(tree: Tree, way: int) -> None:
        text = tree.written()
        expected = {each["id"] for each in SEARCHED if _OfTrace(each).holds(tree)}
        found: list[str] = []
        token = None
        with traced.read() as conn:
            while token or not found:
                page = search.find(
                    conn,
                    experiment_ids=["1", "2"],
                    filter=text,
                    order_by=[[], ["timestamp ASC"], ["tags.env"], ["name DESC"]][way],
                    max_results=2,
                    page_token=token,
                )
                found += page.ids
                token = page.token
                if token is None:
                    break
        assert sorted(found) == sorted(expected), text

    check()

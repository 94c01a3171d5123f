"""What a trace used: the sums over its tree of spans."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracing.utils import (
    SpanAggregationNode,
    aggregate_cost_from_span_nodes,
    aggregate_usage_from_span_nodes,
)

from tandem_metadata.spans.usage import Row, Sums, sums


def used(input: int, output: int, **caches: int) -> dict[str, int]:
    tokens = {"input_tokens": input, "output_tokens": output, "total_tokens": input + output}
    return tokens | caches


def spent(input: float, output: float) -> dict[str, float]:
    return {"input_cost": input, "output_cost": output, "total_cost": input + output}


def of_mlflow(rows: list[Row]) -> Sums:
    def nodes(of: int) -> list[SpanAggregationNode]:
        return [SpanAggregationNode(str(row.id), _text(row.parent_id), row[of]) for row in rows]

    return Sums(aggregate_usage_from_span_nodes(nodes(2)), aggregate_cost_from_span_nodes(nodes(3)))


def _text(id: Any) -> str | None:
    return None if id is None else str(id)


def test_usage_of_a_parent_holds_that_of_all_below() -> None:
    rows = [
        Row(3, 2, used(1, 1), spent(1.0, 2.0)),
        Row(1, None, None, None),
        Row(2, 1, used(10, 5), None),
        Row(4, 1, used(100, 50, cache_read_input_tokens=7), spent(0.5, 0.25)),
        Row(5, 3, used(1000, 1000), spent(64.0, 64.0)),
    ]
    assert sums(rows) == Sums(used(110, 55, cache_read_input_tokens=7), spent(1.5, 2.25))
    assert sums(rows) == of_mlflow(rows)


def test_usage_of_spans_whose_parents_are_missing_or_a_circle() -> None:
    rows = [
        Row(1, 99, used(1, 2), None),
        Row(2, 3, used(10, 20), None),
        Row(3, 2, used(100, 200), None),
        Row(4, 4, used(1000, 2000), None),
    ]
    assert sums(rows) == Sums(used(1, 2), None) == of_mlflow(rows)


def test_usage_of_a_span_that_comes_twice_counts_once() -> None:
    assert sums([Row(1, None, used(5, 5), None), Row(1, None, used(1, 1), None)]).usage == used(
        1, 1
    )


@pytest.mark.parametrize("rows", [[], [Row(1, None, None, None)], [Row(1, None, {}, {})]])
def test_usage_of_spans_that_tell_none(rows: list[Row]) -> None:
    assert sums(rows) == Sums(None, None)


def test_usage_that_is_no_number_or_fits_no_column_is_left_out() -> None:
    usage = {"input_tokens": "5", "output_tokens": 2.0, "total_tokens": 2**63, "other": 1}
    cost = {"input_cost": True, "output_cost": float("nan"), "total_cost": 10**400}
    assert sums([Row(1, None, usage, cost)]) == Sums({"output_tokens": 2}, {})
    some = [{"input_tokens": 1.5, "output_tokens": 2}, {"input_tokens": 3, "output_tokens": None}]
    assert sums([Row(number, None, each, None) for number, each in enumerate(some)]).usage == {
        "input_tokens": 3,
        "output_tokens": 2,
        "total_tokens": 0,
    }
    huge = {"input_cost": 1e308, "output_cost": 1.0}
    assert sums([Row(1, None, None, huge), Row(2, None, None, huge)]).cost == {
        "output_cost": 2.0,
        "total_cost": 0.0,
    }


# Amounts that sum to the same in any order.
AMOUNTS = st.integers(0, 1000)


@given(
    st.dictionaries(
        st.integers(0, 12),
        st.tuples(
            st.none() | st.integers(0, 12),
            st.none() | st.builds(used, AMOUNTS, AMOUNTS),
            st.none() | st.builds(spent, AMOUNTS, AMOUNTS),
        ),
    )
)
def test_usage_of_any_tree_as_mlflow(
    spans: dict[int, tuple[int | None, dict[str, int] | None, dict[str, float] | None]],
) -> None:
    rows = [Row(each, *rest) for each, rest in spans.items()]
    assert sums(rows) == of_mlflow(rows)


def test_usage_of_a_deep_trace() -> None:
    """A chain deeper than Python's stack, with usage at its end."""
    rows = [Row(i, i - 1 if i else None, None, None) for i in range(100_000)]
    rows.append(Row("last", 99_999, used(1, 1), spent(1, 1)))
    assert sums(rows) == Sums(used(1, 1), spent(1, 1))

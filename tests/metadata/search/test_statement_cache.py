"""The statement cache: keyed by the shape of a search, without its values."""

from typing import Any

import pytest

from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.language.run_fields import RUNS
from tandem_metadata.search.sql import statement_cache
from tandem_metadata.search.sql.index_scans import Search
from tandem_metadata.search.sql.order import order_runs


def _search(text: str, order_by: tuple[str, ...] = (), **fields: Any) -> Search:
    given: dict[str, Any] = {"experiment_ids": [1], "end": None, "after": [], "limit": 11} | fields
    return Search(
        columns=(runs.c.run_uuid,),
        stages=("active",),
        criteria=RUNS.criteria(parse_filter(text)),
        order_by=order_by,
        ordering=order_runs(order_by),
        dialect="postgresql",
        **given,
    )


def test_statements_are_shared_by_searches_of_one_shape_without_their_values() -> None:
    text = "metrics.loss > {} and params.`p` != '{}' and attributes.start_time <= {}"
    first = statement_cache.find(_search(text.format("0.5", "a", 7)))
    second = statement_cache.find(_search(text.format("1.5", "b", 8), experiment_ids=[2]))
    assert first is not None
    assert second is not None
    assert first[0] is second[0]
    assert first[1] == {"given_ids": 1, "given_0": 0.5, "given_1": "a", "given_2": 7}
    assert second[1] == {"given_ids": 2, "given_0": 1.5, "given_1": "b", "given_2": 8}


def test_statements_of_groups_are_shared_with_their_values_in_the_order_of_the_text() -> None:
    text = "(params.a = '{}' or not metrics.b > {} and tags.c != '{}') and status = '{}'"
    first = statement_cache.find(_search(text.format("x", 1, "y", "RUNNING")))
    second = statement_cache.find(_search(text.format("z", 2, "w", "FAILED")))
    assert first is not None
    assert second is not None
    assert first[0] is second[0]
    assert list(second[1].values()) == [1, "z", 2, "w", "FAILED"]


def test_statements_are_shared_by_any_number_of_experiments() -> None:
    first = statement_cache.find(_search("", experiment_ids=[1, 2]))
    second = statement_cache.find(_search("", experiment_ids=[3, 4, 5]))
    assert first is not None
    assert second is not None
    assert first[0] is second[0]
    assert second[1] == {"given_ids": [3, 4, 5]}


@pytest.mark.parametrize(
    ("other", "fields"),
    [
        ("metrics.a > 1", {"experiment_ids": [1, 2]}),
        ("metrics.b > 1", {}),
        ("metrics.a >= 1", {}),
        ("params.a = '1'", {}),
        ("metrics.a > 1 and metrics.a > 1", {}),
        ("not metrics.a > 1", {}),
        ("metrics.a > 1 or metrics.a > 1", {}),
        ("metrics.a > 1", {"limit": 12}),
        ("metrics.a > 1", {"order_by": ("metrics.a",)}),
    ],
)
def test_statements_differ_between_shapes_of_searches(other: str, fields: dict[str, Any]) -> None:
    one = statement_cache.find(_search("metrics.a > 1"))
    another = statement_cache.find(_search(other, **fields))
    assert one is not None
    assert another is not None
    assert one[0] is not another[0]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("params.a LIKE '%a%'", {}),
        ("attributes.run_id IN ('a', 'b')", {}),
        ("tags.a IS NULL", {}),
        (" and ".join(["metrics.a > 1"] * 9), {}),
        (f"metrics.`{'a' * 1001}` > 1", {}),
        ("metrics.a > 1", {"order_by": (f"metrics.`{'a' * 1001}`",)}),
        ("metrics.a > 1", {"end": [(0, "1"), (0, "a")]}),
    ],
)
def test_statements_of_rare_or_large_searches_are_not_kept(
    text: str, fields: dict[str, Any]
) -> None:
    assert statement_cache.find(_search(text, **fields)) is None

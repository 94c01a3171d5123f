"""Searching logged models in real databases, by attributes, metrics, params and tags."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import event

from tandem_metadata.database.database import Database
from tandem_metadata.messages.logged_models import LoggedModel, SearchDataset, SearchOrderBy
from tandem_metadata.store.logged_models import search as logged_model_search
from tandem_shared.errors import InvalidParameter
from tests.metadata.search.logged_model_data import TEST, TEST_2, TRAIN

ALL = ["m-b", "m-c", "m-d", "m-a"]


def _order(*fields: str | dict[str, Any]) -> list[SearchOrderBy]:
    """Sort criteria; `-` before a field's name sorts descending."""
    spelled = [
        {"field_name": each.lstrip("-"), "ascending": not each.startswith("-")}
        if isinstance(each, str)
        else each
        for each in fields
    ]
    return msgspec.convert(spelled, list[SearchOrderBy])


def _datasets(*pairs: tuple[str, str | None]) -> list[SearchDataset]:
    return [SearchDataset(name, digest) for name, digest in pairs]


def _load(database: Database, **search: Any) -> tuple[list[LoggedModel], str | None]:
    search.setdefault("experiment_ids", ["1"])
    with database.read() as conn:
        return logged_model_search.search(conn, **search)


def _search(database: Database, **search: Any) -> tuple[list[str], str | None]:
    models, token = _load(database, **search)
    return [model.info.model_id for model in models], token


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "abcd"),
        ("name = 'alpha'", "a"),
        ("attributes.`name` = 'alpha'", "a"),
        ("name != 'alpha'", "bcd"),
        ("name LIKE 'g%'", ""),
        ("name like 'Gamma_1'", "c"),
        ("name ILIKE '%A%'", "abcd"),
        ("name IN ('alpha', 'beta')", "ab"),
        ("name NOT IN ('alpha')", "bcd"),
        ("model_id IN ('m-a', 'm-f')", "a"),
        ("model_type != 'agent'", "bd"),
        ("source_run_id = 'one'", "a"),
        ("experiment_id = '1'", "abcd"),
        ("experiment_id = 2", ""),
        ("status = 2", "d"),
        ("status != '2'", "abc"),
        ("artifact_location LIKE '%/m-a/%'", "a"),
        ("lifecycle_stage = 'deleted'", ""),
        ("status_message = 'x'", ""),
        ("creation_timestamp_ms > 100", "bcd"),
        ("creation_timestamp = 300", "bc"),
        ("creation_time < 200.5", "ad"),
        ("creation_time < 1e300", "abcd"),
        ("last_updated_timestamp >= 300", "bcd"),
        ("last_updated_timestamp_ms != 197", "bcd"),
        ("params.lr = '0.1'", "a"),
        ("params.lr = 0.1", "a"),
        ("params.lr = 0.10", ""),
        ("params.lr != '0.1'", "b"),
        ("params.word LIKE 'P%'", "a"),
        ("params.word ILIKE 'P%'", "ab"),
        ("params.word IN ('Plain', '100')", "ac"),
        ("params.`word` NOT IN ('Plain')", "bc"),
        ("params.none = ''", ""),
        ("tags.team = 'red'", "c"),
        ("tags.team ILIKE 'red'", "ac"),
        ("tags.k.dot = 'x'", "a"),
        ("tags.`and` = 'x AND y'", "c"),
        ("metrics.acc > 0.6", "ab"),
        ("metrics.acc >= 0.6", "abc"),
        ("metrics.acc != 0.6", "ab"),
        ("metrics.acc = 0.5", "a"),
        ("metrics.loss = 0", "b"),
        ("metrics.loss > 1e300", "c"),
        ("metrics.`val/acc x` = 2", "c"),
        ("metrics.acc > 0.6 AND metrics.acc < 0.2", "b"),
        ("metrics.acc > 0 AND params.lr = '0.1' AND tags.team = 'Red' AND name = 'alpha'", "a"),
    ],
)
def test_search_finds_models_by_filter(filled: Database, text: str, expected: str) -> None:
    found, _ = _search(filled, filter=text)
    assert sorted(found) == [f"m-{letter}" for letter in expected]


@pytest.mark.parametrize(
    ("pairs", "text", "expected"),
    [
        ([TRAIN], "", "abc"),
        ([TEST], "", "ac"),
        ([("test", None)], "", "abc"),
        ([("none", None)], "", ""),
        ([TRAIN, TEST_2], "", "abc"),
        ([TRAIN], "metrics.acc > 0.6", "b"),
        ([TEST], "metrics.acc > 0.6", "a"),
        ([("test", "")], "metrics.acc > 0", "ab"),
        ([TRAIN, TEST], "metrics.acc > 0.6", "ab"),
        ([TEST], "metrics.acc > 0.6 AND metrics.`val/acc x` > 0", ""),
        ([TEST], "params.lr = '0.1'", "a"),
        ([TEST], "params.lr = '0.2'", ""),
    ],
)
def test_datasets_restrict_the_metrics_that_count(
    filled: Database, pairs: list[tuple[str, str | None]], text: str, expected: str
) -> None:
    found, _ = _search(filled, filter=text, datasets=_datasets(*pairs))
    assert sorted(found) == [f"m-{letter}" for letter in expected]


def _metric(key: str, ascending: bool = True, **dataset: str) -> dict[str, Any]:
    return {"field_name": f"metrics.{key}", "ascending": ascending, **dataset}


ORDERS: list[tuple[list[str | dict[str, Any]], str]] = [
    ([], "bcda"),
    (["name"], "cabd"),
    (["-name"], "dbac"),
    (["creation_time"], "adbc"),
    (["-creation_timestamp", "-model_id"], "cbda"),
    (["creation_timestamp_ms", "-creation_timestamp"], "adbc"),
    (["last_updated_timestamp"], "adbc"),
    (["model_type"], "dbac"),
    (["-model_type"], "abdc"),
    (["status", "model_id"], "abcd"),
    (["experiment_id", "artifact_location", "lifecycle_stage", "status_message"], "abcd"),
    ([_metric("acc")], "bcad"),
    ([_metric("acc", ascending=False)], "acbd"),
    ([_metric("acc", dataset_name="train")], "abcd"),
    ([_metric("acc", dataset_name="test", dataset_digest="d2")], "bcda"),
    ([_metric("acc", dataset_digest="d1")], "bacd"),
    # The latest by time, then step, then the first run.
    ([_metric("two")], "bcad"),
    ([_metric("loss", ascending=False), _metric("acc")], "cbad"),
    ([_metric("`val/acc x`")], "bcda"),
    ([_metric("val/acc x")], "cbda"),
    ([_metric("")], "bcda"),
]


@pytest.mark.parametrize(("order", "expected"), ORDERS)
def test_search_sorts_models_by_order_by(
    filled: Database, order: list[str | dict[str, Any]], expected: str
) -> None:
    found, token = _search(filled, order_by=_order(*order))
    assert "".join(each[-1] for each in found) == expected
    assert token is None


@pytest.mark.parametrize("order", [order for order, _ in ORDERS])
def test_search_pages_join_to_the_whole(
    filled: Database, order: list[str | dict[str, Any]]
) -> None:
    search = {"order_by": _order(*order), "experiment_ids": ["1", "2"]}
    whole, _ = _search(filled, **search)
    pages, token = _search(filled, max_results=1, **search)
    while token is not None:
        page, token = _search(filled, max_results=1, page_token=token, **search)
        assert len(page) == 1
        pages += page
    assert len(whole) == 5
    assert pages == whole


def test_a_found_model_comes_with_all_that_was_logged(filled: Database) -> None:
    (found,), _ = _load(filled, filter="name = 'alpha'")
    assert [(tag.key, tag.value) for tag in found.info.tags] == [("k.dot", "x"), ("team", "Red")]
    assert [param.key for param in found.data.params] == ["lr", "word"]
    assert [(each.key, each.value) for each in found.data.metrics] == [
        ("acc", 0.5), ("acc", 0.9), ("two", 1.0), ("two", 9.0)
    ]  # fmt: skip


@pytest.mark.parametrize("number", [1, 4])
def test_search_takes_four_statements_for_any_number_of_models(
    filled: Database, number: int
) -> None:
    statements = []
    with filled.read() as conn:
        event.listen(conn, "before_cursor_execute", lambda *call: statements.append(call[2]))
        logged_model_search.search(
            conn,
            experiment_ids=["1"],
            filter="name != 'x' AND metrics.acc > 0" if number == 1 else "",
            max_results=number,
            order_by=_order(_metric("acc"), "name"),
        )
    assert len(statements) == 4


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], []),
        (["1", "1"], ALL),
        (["2", "77"], ["m-e"]),
        (["-1", "77", "9" * 15], []),
    ],
)
def test_search_finds_models_of_the_given_experiments_only(
    filled: Database, ids: list[str], expected: list[str]
) -> None:
    assert _search(filled, experiment_ids=ids)[0] == expected


def test_search_page_has_50_models_by_default() -> None:
    assert logged_model_search.DEFAULT_MAX_RESULTS == 50


@pytest.mark.parametrize("number", [None, 0, 4, 50_000, 2**31 - 1])
def test_search_cuts_the_page_size_to_the_largest(filled: Database, number: int | None) -> None:
    assert _search(filled, max_results=number) == (ALL, None)


@pytest.mark.parametrize(
    "other",
    [
        {"filter": "name != 'x'"},
        {"order_by": _order("name")},
        {"datasets": _datasets(TRAIN)},
        {"experiment_ids": ["1", "2"]},
    ],
)
def test_search_refuses_a_token_of_another_search(filled: Database, other: dict[str, Any]) -> None:
    _, token = _search(filled, max_results=1)
    with pytest.raises(InvalidParameter, match="belongs to another search"):
        _search(filled, page_token=token, **other)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("attribute.name = 'x'", "there is no entity `attribute`"),
        ("metric.a > 1", "there is no entity `metric`"),
        ("param.a = '1'", "there is no entity `param`"),
        ("nope = 'x'", "there is no attribute `nope`"),
        ("name > 'x'", "`name` does not support >"),
        ("params.a IN ('x', 1)", "near `1`: `params.a` is compared with a quoted string"),
        ("metrics.a LIKE '1'", "`metrics.a` does not support LIKE"),
        ("metrics.a > '1'", "`metrics.a` is compared with a number"),
        ("creation_time IN ('1')", "near `'1'`: `creation_time` is compared with a number"),
        ("name = alpha", "expected a number or a quoted string"),
        ("name = 'a' OR OR name = 'b'", "character 15, near `OR`: expected a key"),
        ("(name = 'a'", "at its end: expected AND, OR or the ) of the ( at character 1"),
        (" AND ".join(["metrics.a > 1"] * 61), "61 comparisons"),
    ],
)
def test_search_refuses_an_invalid_comparison(filled: Database, text: str, part: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        _search(filled, filter=text)
    assert part in caught.value.message


@pytest.mark.parametrize(
    "field",
    ["nope", "NAME", "name DESC", "`name`", "attributes.name", "params.lr", "metric.a", "a\0"],
)
def test_search_refuses_an_unknown_sort_field(filled: Database, field: str) -> None:
    with pytest.raises(InvalidParameter, match=r"order_by\[1\]"):
        _search(filled, order_by=_order("name", field))


@pytest.mark.parametrize(
    ("search", "part"),
    [
        ({"experiment_ids": ["1", "x"]}, "'x'"),
        ({"max_results": -1}, "'max_results'"),
        ({"page_token": "x"}, "page_token"),
        ({"order_by": _order(*["metrics.a"] * 33)}, "at most 32"),
        ({"datasets": _datasets(*[TRAIN] * 101)}, "at most 100"),
    ],
)
def test_search_refuses_invalid_datasets_ids_and_page_sizes(
    filled: Database, search: dict[str, Any], part: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        _search(filled, **search)
    assert part in caught.value.message


def test_search_answers_the_largest_request(filled: Database) -> None:
    largest = {
        "filter": " AND ".join(["metrics.acc > 0"] * 60),
        "datasets": _datasets(TRAIN, *[("none", str(number)) for number in range(99)]),
        "order_by": _order(*[_metric("acc", dataset_name=str(number)) for number in range(32)]),
    }
    _, token = _search(filled, max_results=1, **largest)
    assert _search(filled, page_token=token, **largest)[0] == ["m-a"]

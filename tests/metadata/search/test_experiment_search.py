"""Searching experiments in real databases; experiment 0 is `Default`."""

from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.store.tracking import experiment_search
from tandem_shared.errors import InvalidParameter


def _search(database: Database, **search: Any) -> tuple[list[str], str | None]:
    search.setdefault("max_results", 100)
    with database.read() as conn:
        experiments, token = experiment_search.search(conn, **search)
    return [experiment.experiment_id for experiment in experiments], token


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = 'alpha'", {"1"}),
        ("attribute.name != 'alpha'", {"0", "2", "3", "4"}),
        ("name LIKE 'beta'", set()),
        ("name ILIKE 'beta'", {"2"}),
        ("name ilike '%LPH%'", {"1"}),
        ("name LIKE '%[x]_'", {"4"}),
        ("`name` LIKE '%*%'", {"4"}),
        ('"name" = "Beta"', {"2"}),
        ("tags.team = 'red'", {"1", "3"}),
        ("tag.team != 'red'", {"2"}),
        ("tags.team ILIKE 'BLUE'", {"2"}),
        ("tags.k.dot LIKE 'x'", {"1"}),
        ("tags.`with space` = 'a b'", {"4"}),
        ("tags.team IS NULL", {"0", "4"}),
        ("tags.`team` IS NOT NULL", {"1", "2", "3"}),
        ("name ILIKE '%a%' AND tags.`hidden` IS NULL", {"0", "1", "2", "4"}),
        ("experiment_id = '1'", {"1"}),
        ("experiment_id != '1'", {"0", "2", "3", "4"}),
        ("attribute.experiment_id IN ('1', '2', '77', '99999999999')", {"1", "2"}),
        ("experiment_id NOT IN ('0', '1')", {"2", "3", "4"}),
        ("last_update_time >= 30 AND last_update_time < 100", {"3", "4"}),
        ("creation_time = 100", {"1"}),
        ("creation_time != 100 AND creation_time <= 300", {"2", "3"}),
    ],
)
def test_search_finds_experiments_by_filter(
    filled: Database, text: str, expected: set[str]
) -> None:
    assert set(_search(filled, filter=text)[0]) == expected


ORDERS = [
    ([], ["0", "2", "3", "1", "4"]),
    (["name"], None),
    (["name DESC", "experiment_id"], None),
    (["experiment_id"], ["0", "1", "2", "3", "4"]),
    (["experiment_id DESC", "experiment_id ASC"], ["4", "3", "2", "1", "0"]),
    (["creation_time ASC"], ["4", "1", "3", "2", "0"]),
    (["creation_time DESC"], ["0", "3", "2", "1", "4"]),
    (["attribute.creation_time DESC", "`last_update_time`"], ["0", "2", "3", "1", "4"]),
]


@pytest.mark.parametrize(("order_by", "expected"), [it for it in ORDERS if it[1] is not None])
def test_search_sorts_experiments_by_order_by(
    filled: Database, order_by: list[str], expected: list[str]
) -> None:
    assert _search(filled, order_by=order_by)[0] == expected


@pytest.mark.parametrize("order_by", [order_by for order_by, _ in ORDERS])
def test_search_pages_join_to_the_whole(filled: Database, order_by: list[str]) -> None:
    search = {"order_by": order_by, "view_type": "ALL"}
    whole, _ = _search(filled, **search)
    pages, token = _search(filled, max_results=1, **search)
    while token is not None:
        page, token = _search(filled, max_results=1, page_token=token, **search)
        pages += page
    assert len(whole) == 6
    assert pages == whole


def test_search_gives_a_full_last_page_no_token(filled: Database) -> None:
    assert _search(filled, max_results=5)[1] is None


@pytest.mark.parametrize(
    ("view_type", "expected"),
    [("ACTIVE_ONLY", {"0", "1", "2", "3", "4"}), ("DELETED_ONLY", {"5"}), (3, set("012345"))],
)
def test_search_view_type_selects_lifecycle_stages(
    filled: Database, view_type: str | int, expected: set[str]
) -> None:
    assert set(_search(filled, view_type=view_type)[0]) == expected


@pytest.mark.parametrize("number", [None, 0, -1, 50_001])
def test_search_refuses_a_page_size_outside_1_to_50000(
    filled: Database, number: int | None
) -> None:
    with pytest.raises(InvalidParameter, match="'max_results'"):
        _search(filled, max_results=number)


@pytest.mark.parametrize(
    "other", [{"filter": "name != 'x'"}, {"order_by": ["name"]}, {"view_type": "ALL"}]
)
def test_search_refuses_a_token_of_another_search(filled: Database, other: dict[str, Any]) -> None:
    _, token = _search(filled, max_results=1)
    with pytest.raises(InvalidParameter, match="belongs to another search"):
        _search(filled, page_token=token, **other)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("attributes.name = 'x'", "there is no entity `attributes`"),
        ("metrics.a > 1", "there is no entity `metrics`"),
        ("lifecycle_stage = 'active'", "there is no attribute `lifecycle_stage`"),
        ("name IN ('x', 5)", "near `5`: `name` is compared with a quoted string"),
        ("name > 'x'", "`name` does not support >"),
        ("NOT (name = 'x' OR name > 'x')", "near `>`: `name` does not support >"),
        ("name = 5", "`name` is compared with a quoted string"),
        ("tags.a IN (1)", "near `1`: `tags.a` is compared with a quoted string"),
        ("experiment_id = 1", "near `1`: expected a quoted whole number"),
        ("experiment_id IN ('1', 'x')", "near `'x'`: expected a quoted whole number"),
        ("experiment_id LIKE '1'", "`experiment_id` does not support LIKE"),
        ("creation_time > 1.5", "`creation_time` is compared with a whole number"),
        ("creation_time > '1'", "`creation_time` is compared with a whole number"),
    ],
)
def test_search_refuses_an_invalid_comparison(filled: Database, text: str, part: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        _search(filled, filter=text)
    assert part in caught.value.message


@pytest.mark.parametrize("clause", ["tags.team", "attributes.name", "foo", "name UP", ""])
def test_search_refuses_an_invalid_order_by(filled: Database, clause: str) -> None:
    with pytest.raises(InvalidParameter, match="order_by"):
        _search(filled, order_by=[clause])

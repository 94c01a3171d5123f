"""Searching registered models and prompts in real databases."""

from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.store.registry import registered_model_search
from tandem_shared.errors import InvalidParameter

MODELS = {"fraud", "Fraud_2", "churn 100%", "delta*[x]?"}
PROMPTS = {"greet", "hello"}
PROMPT = "tags.`mlflow.prompt.is_prompt`"


def _search(database: Database, **search: Any) -> tuple[list[str], str | None]:
    with database.read() as conn:
        models, token = registered_model_search.search(conn, **search)
    return [model.name for model in models], token


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, MODELS),
        ("", MODELS),
        ("name = 'fraud'", {"fraud"}),
        ("attribute.name != 'fraud'", MODELS - {"fraud"}),
        ("name LIKE 'fraud%'", {"fraud"}),
        ("name ilike '%FRAUD%'", {"fraud", "Fraud_2"}),
        ('name LIKE "%d_2"', {"Fraud_2"}),
        ("name LIKE '%*[x]?'", {"delta*[x]?"}),
        ("name IN ('fraud', 'churn 100%', 'none')", {"fraud", "churn 100%"}),
        ("name NOT IN ('fraud', 'greet')", MODELS - {"fraud"}),
        ("tags.team = 'red'", {"fraud"}),
        ("tag.team != 'red'", {"Fraud_2", "churn 100%"}),
        ("tags.team ILIKE 'R%'", {"fraud", "Fraud_2"}),
        ("tags.team != 'red' AND tags.team != 'blue'", {"Fraud_2"}),
        ("tags.k.dot = 'x' AND tags.team LIKE 'r%'", {"fraud"}),
        ("tags.`my key` = 'v'", {"Fraud_2"}),
        ("tags.'my key' = 'v' AND name LIKE 'F%'", {"Fraud_2"}),
        ("name = 'fraud' AND name = 'Fraud_2'", set()),
    ],
)
def test_search_finds_models_by_filter(
    filled: Database, text: str | None, expected: set[str]
) -> None:
    found, _ = _search(filled, filter=text)
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{PROMPT} = 'true'", PROMPTS),
        (f"{PROMPT} = 'true' AND name LIKE 'gre%'", {"greet"}),
        (f"name LIKE 'h%' AND {PROMPT} = 'true' AND tags._ids LIKE '%,1,%'", {"hello"}),
        (f"{PROMPT} != 'false'", PROMPTS),
        (f"{PROMPT} = 'True'", set()),
        (f"{PROMPT} = 'true' AND {PROMPT} != 'true'", set()),
        (f"{PROMPT} != 'true'", MODELS),
        (f"{PROMPT} = 'false'", MODELS),
        (f"{PROMPT} = 'no'", MODELS),
        (f"{PROMPT} LIKE 'tr%'", MODELS),
        (f"{PROMPT} != 'true' AND {PROMPT} = 'true'", MODELS),
        (f"{PROMPT} != 'true' AND tags.team = 'red'", {"fraud"}),
        (f"name = 'greet' OR tags._ids LIKE '%12%' AND {PROMPT} = 'true'", PROMPTS),
        (f"{PROMPT} = 'true' AND name = 'greet' OR name = 'fraud'", {"greet"}),
        (f"name = 'fraud' OR name = 'greet' AND {PROMPT} != 'true'", {"fraud"}),
        (f"name = 'x' OR NOT (name = 'fraud' OR {PROMPT} = 'true')", MODELS - {"fraud"}),
        ("name = 'greet'", set()),
    ],
)
def test_prompts_and_models_are_never_found_together(
    filled: Database, text: str, expected: set[str]
) -> None:
    assert set(_search(filled, filter=text)[0]) == expected


def test_a_model_comes_with_its_tags_aliases_and_latest_versions(filled: Database) -> None:
    with filled.read() as conn:
        (model,), _ = registered_model_search.search(conn, filter="name = 'fraud'")
    assert {tag.key for tag in model.tags} == {"k.dot", "team"}
    assert [(alias.alias, alias.version) for alias in model.aliases] == [("best", "2")]
    assert [version.version for version in model.latest_versions] == ["2", "10"]


BY_NAME = ["Fraud_2", "churn 100%", "delta*[x]?", "fraud"]
ORDERS = [
    ([], BY_NAME),
    (["name"], BY_NAME),
    (["`name` DESC"], BY_NAME[::-1]),
    (["last_updated_timestamp"], ["delta*[x]?", "Fraud_2", "churn 100%", "fraud"]),
    (["timestamp DESC"], ["churn 100%", "fraud", "Fraud_2", "delta*[x]?"]),
    (["timestamp DESC", "name DESC"], ["fraud", "churn 100%", "Fraud_2", "delta*[x]?"]),
]


@pytest.mark.parametrize(("order_by", "expected"), ORDERS)
def test_search_sorts_models_by_order_by(
    filled: Database, order_by: list[str], expected: list[str]
) -> None:
    assert _search(filled, order_by=order_by)[0] == expected


@pytest.mark.parametrize("order_by", [order_by for order_by, _ in ORDERS])
def test_search_pages_join_to_the_whole(filled: Database, order_by: list[str]) -> None:
    search: dict[str, Any] = {"order_by": order_by, "filter": "tags.team LIKE '%'"}
    whole, _ = _search(filled, **search)
    pages, token = _search(filled, max_results=1, **search)
    while token is not None:
        page, token = _search(filled, max_results=1, page_token=token, **search)
        pages += page
    assert len(whole) == 3
    assert pages == whole


@pytest.mark.parametrize("number", [0, -1, 1001])
def test_search_refuses_a_page_size_outside_1_to_1000(filled: Database, number: int) -> None:
    with pytest.raises(InvalidParameter, match="'max_results'"):
        _search(filled, max_results=number)


@pytest.mark.parametrize("other", [{"filter": "name != 'x'"}, {"order_by": ["name"]}])
def test_search_refuses_a_token_of_another_search(filled: Database, other: dict[str, Any]) -> None:
    _, token = _search(filled, max_results=1)
    assert token
    with pytest.raises(InvalidParameter, match="belongs to another search"):
        _search(filled, page_token=token, **other)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("attributes.name = 'x'", "there is no entity `attributes`"),
        ("run_id = 'x'", "there is no attribute `run_id`, only name"),
        ("last_updated_timestamp > 5", "there is no attribute `last_updated_timestamp`"),
        ("name > 'x'", "`name` does not support >"),
        ("tags.team IN ('x', 2)", "near `2`: `tags.team` is compared with a quoted string"),
        (f"name = 'x' OR {PROMPT} = 'true'", "so it cannot be one side of an OR"),
        (f"NOT (name = 'x' AND {PROMPT} = 'true')", "so it cannot be one side of an OR"),
        (f"name = 'x' OR name = 'y' AND {PROMPT} IN ('true')", "takes ="),
        (f"{PROMPT} IN ('true')", "takes =, !=, LIKE and ILIKE only"),
        (f"{PROMPT} IS NOT NULL", "takes =, !=, LIKE and ILIKE only"),
        ("name = 5", "near `5`: `name` is compared with a quoted string"),
        ("name = 'x' OR", "at its end: expected a key"),
        (" AND ".join(["tags.a = '1'"] * 61), "it has 61 comparisons"),
    ],
)
def test_search_refuses_an_invalid_comparison(filled: Database, text: str, part: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        _search(filled, filter=text)
    assert part in caught.value.message


def test_search_accepts_the_largest_number_of_tags(filled: Database) -> None:
    text = " AND ".join(f"tags.k{number} = 'x'" for number in range(60))
    assert _search(filled, filter=text)[0] == []


@pytest.mark.parametrize(
    ("clauses", "part"),
    [
        (["creation_timestamp"], "there is no attribute `creation_timestamp`"),
        (["tags.team"], "results cannot be sorted by a tag"),
        (["name UP"], "expected ASC, DESC"),
        ([""], "at its end"),
        (["name", "name DESC"], "it names `name` twice"),
        (["timestamp", "last_updated_timestamp"], "it names `last_updated_timestamp` twice"),
    ],
)
def test_search_refuses_an_invalid_order_by(
    filled: Database, clauses: list[str], part: str
) -> None:
    with pytest.raises(InvalidParameter, match="order_by") as caught:
        _search(filled, order_by=clauses)
    assert part in caught.value.message

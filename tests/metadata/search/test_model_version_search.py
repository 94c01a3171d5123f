"""Searching the versions of models and prompts in real databases."""

from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.search.sql import page_token
from tandem_metadata.store.registry import model_version_search
from tandem_shared.errors import InvalidParameter

MODELS = {"fraud 1", "fraud 2", "fraud 10", "Fraud_2 1", "Fraud_2 2"}
GREET = {"greet 1", "greet 2"}
PROMPT = "tag.`mlflow.prompt.is_prompt`"


def _search(database: Database, **search: Any) -> tuple[list[str], str | None]:
    with database.read() as conn:
        versions, token = model_version_search.search(conn, **search)
    return [f"{version.name} {version.version}" for version in versions], token


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, MODELS),
        ("name='fraud'", {"fraud 1", "fraud 2", "fraud 10"}),
        ("name ILIKE 'FRAUD%' AND name != 'fraud'", {"Fraud_2 1", "Fraud_2 2"}),
        ("name IN ('Fraud_2', 'greet')", {"Fraud_2 1", "Fraud_2 2"}),
        ("name NOT IN ('Fraud_2')", {"fraud 1", "fraud 2", "fraud 10"}),
        ("run_id = 'r1'", {"fraud 1", "Fraud_2 2"}),
        ("run_id != 'r1'", {"fraud 2"}),
        ("run_id IN ('r1', 'r2') AND name LIKE 'fr%'", {"fraud 1", "fraud 2"}),
        ("attribute.run_id NOT IN ('r1')", {"fraud 2"}),
        ("source_path = 's3://b/Two'", {"fraud 2"}),
        ("source_path LIKE '%two'", set()),
        ("source_path ILIKE '%two'", {"fraud 2"}),
        ("version_number = 2", {"fraud 2", "Fraud_2 2"}),
        ("version_number = '2'", {"fraud 2", "Fraud_2 2"}),
        ("version_number >= 2 AND version_number < 11", {"fraud 2", "fraud 10", "Fraud_2 2"}),
        ("version_number != 1 AND name='fraud'", {"fraud 2", "fraud 10"}),
        ("version_number < 99999999999", MODELS),
        ("version_number = 3", set()),
        ("tags.ok = 'yes'", {"fraud 1"}),
        ("tags.ok != 'yes'", {"fraud 10", "Fraud_2 1"}),
        ("tags.ok ILIKE 'Y%' AND tags.\"my key\" = 'v'", {"Fraud_2 1"}),
    ],
)
def test_search_finds_versions_by_filter(
    filled: Database, text: str | None, expected: set[str]
) -> None:
    found, _ = _search(filled, filter=text)
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{PROMPT} = 'true'", GREET),
        (f"name = 'greet' AND {PROMPT} = 'true'", GREET),
        (f"{PROMPT} = 'true' AND tags.ok = 'yes'", {"greet 1"}),
        (f"{PROMPT} != 'false'", GREET),
        (f"{PROMPT} != 'true'", MODELS),
        (f"{PROMPT} LIKE '%'", MODELS),
        ("name = 'greet'", set()),
        ("name = 'greet' AND version_number = 3", set()),
    ],
)
def test_versions_of_prompts_and_models_are_never_found_together(
    filled: Database, text: str, expected: set[str]
) -> None:
    assert set(_search(filled, filter=text)[0]) == expected


def test_a_version_comes_with_its_tags_and_without_aliases(filled: Database) -> None:
    with filled.read() as conn:
        (version,), _ = model_version_search.search(conn, filter="tags.ok = 'no'")
        (second,), _ = model_version_search.search(conn, filter="run_id = 'r2'")
    assert [(tag.key, tag.value) for tag in version.tags] == [("ok", "no")]
    assert version.current_stage == "Production"
    assert second.aliases == []


NATURAL = ["Fraud_2 1", "fraud 2", "fraud 10", "fraud 1", "Fraud_2 2"]
ORDERS = [
    ([], NATURAL),
    (["last_updated_timestamp DESC"], NATURAL),
    (["attribute.last_updated_timestamp"], [NATURAL[4], NATURAL[3], NATURAL[2], *NATURAL[:2]]),
    (["name ASC"], ["Fraud_2 2", "Fraud_2 1", "fraud 10", "fraud 2", "fraud 1"]),
    (["name DESC", "version_number"], ["fraud 1", "fraud 2", "fraud 10", "Fraud_2 1", "Fraud_2 2"]),
    (["version_number DESC"], ["fraud 10", "Fraud_2 2", "fraud 2", "Fraud_2 1", "fraud 1"]),
    (["creation_timestamp"], ["fraud 10", "Fraud_2 2", "fraud 2", "Fraud_2 1", "fraud 1"]),
]


@pytest.mark.parametrize(("order_by", "expected"), ORDERS)
def test_search_sorts_versions_by_order_by(
    filled: Database, order_by: list[str], expected: list[str]
) -> None:
    assert _search(filled, order_by=order_by)[0] == expected


@pytest.mark.parametrize(("order_by", "whole"), ORDERS)
@pytest.mark.parametrize("size", [1, 2])
def test_search_pages_join_to_the_whole(
    filled: Database, order_by: list[str], whole: list[str], size: int
) -> None:
    pages, token = _search(filled, max_results=size, order_by=order_by)
    while token is not None:
        page, token = _search(filled, max_results=size, order_by=order_by, page_token=token)
        pages += page
    assert pages == whole


@pytest.mark.parametrize("number", [0, -1, 200_001])
def test_search_refuses_a_page_size_outside_1_to_200000(filled: Database, number: int) -> None:
    with pytest.raises(InvalidParameter, match="'max_results'"):
        _search(filled, max_results=number)


def test_search_refuses_a_token_of_another_search(filled: Database) -> None:
    _, token = _search(filled, max_results=1)
    with pytest.raises(InvalidParameter, match="belongs to another search"):
        _search(filled, page_token=token, filter="name = 'fraud'")


@pytest.mark.parametrize("rank", [-1, 1, 2])
def test_search_refuses_a_token_with_null_in_a_not_null_column(filled: Database, rank: int) -> None:
    search = page_token.fingerprint("model versions", "", ["name"])
    token = page_token.write(search, [(rank, None), (0, "1")])
    with pytest.raises(InvalidParameter, match="not a token of this server"):
        _search(filled, order_by=["name"], page_token=token)


def test_search_accepts_a_token_with_a_large_number(filled: Database) -> None:
    search = page_token.fingerprint("model versions", "", ["name"])
    token = page_token.write(search, [(0, "fraud"), (0, str(2**62))])
    assert _search(filled, order_by=["name"], page_token=token)[0] == [
        "fraud 10", "fraud 2", "fraud 1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("attributes.name = 'x'", "there is no entity `attributes`"),
        ("current_stage = 'None'", "there is no attribute `current_stage`"),
        ("creation_timestamp > 5", "there is no attribute `creation_timestamp`"),
        ("name > 'x'", "`name` does not support >"),
        ("source_path IN ('x', 1)", "near `1`: `source_path` is compared with a quoted string"),
        ("version_number IN (1, '2', 'x')", "near `'x'`: `version_number` is compared with"),
        ("version_number LIKE '1'", "`version_number` does not support LIKE"),
        ("version_number = 1.5", "near `1.5`: `version_number` is compared with a whole number"),
        ("version_number = 'one'", "`version_number` is compared with a whole number"),
        ("version_number = 99999999999999999999", "is compared with a whole number"),
        ("run_id = 5", "`run_id` is compared with a quoted string"),
        ("tags.ok IS NULL OR tags.ok < 'x'", "near `<`: `tags.ok` does not support <"),
    ],
)
def test_search_refuses_an_invalid_comparison(filled: Database, text: str, part: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        _search(filled, filter=text)
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("clauses", "part"),
    [
        (["run_id"], "there is no attribute `run_id`"),
        (["tags.name"], "results cannot be sorted by a tag"),
        (["version_number", "version_number DESC"], "it names `version_number` twice"),
    ],
)
def test_search_refuses_an_invalid_order_by(
    filled: Database, clauses: list[str], part: str
) -> None:
    with pytest.raises(InvalidParameter, match="order_by") as caught:
        _search(filled, order_by=clauses)
    assert part in caught.value.message

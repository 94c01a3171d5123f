"""OR, NOT, parentheses and lists in real databases: what they find, and their largest filters."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tandem_metadata.database.database import Database
from tandem_metadata.messages.logged_models import SearchDataset
from tandem_metadata.search.language import parser
from tandem_metadata.store.logged_models import search as logged_model_search
from tandem_metadata.store.registry import model_version_search, registered_model_search
from tandem_metadata.store.tracking import experiment_search, run_search
from tandem_shared.errors import InvalidParameter
from tests.metadata.conftest import only_postgresql
from tests.metadata.search.logged_model_data import TEST, TRAIN


def _runs(conn: Connection, text: str, **search: Any) -> list[str]:
    search.setdefault("experiment_ids", ["1"])
    return [*run_search.find_ids(conn, filter=text, **search).ids]


def _experiments(conn: Connection, text: str) -> list[str]:
    return [each.name for each in experiment_search.search(conn, filter=text, max_results=9)[0]]


def _logged_models(conn: Connection, text: str, **search: Any) -> list[str]:
    found, _ = logged_model_search.search(conn, experiment_ids=["1"], filter=text, **search)
    return [each.info.model_id for each in found]


def _registered_models(conn: Connection, text: str) -> list[str]:
    return [each.name for each in registered_model_search.search(conn, filter=text)[0]]


def _model_versions(conn: Connection, text: str) -> list[str]:
    found, _ = model_version_search.search(conn, filter=text)
    return [f"{each.name} {each.version}" for each in found]


RUNS = [
    # precedence
    ("status = 'FAILED' OR status = 'FINISHED' AND user_id = 'none'", {"three"}),
    ("(status = 'FAILED' OR status = 'FINISHED') AND run_id LIKE 't%'", {"three"}),
    ("NOT status = 'FAILED' AND run_id LIKE 't%'", {"two"}),
    ("NOT (status = 'FAILED' AND run_id LIKE 't%') AND run_id ILIKE 'T%'", {"two"}),
    ("params.word = 'plain' OR tags.label = 'red' OR metrics.loss < -1", {"one", "two", "five"}),
    # what is missing satisfies neither a comparison nor its negation
    ("params.lr.rate = '0.1'", {"one", "five"}),
    ("params.lr.rate != '0.1'", {"two"}),
    ("NOT params.lr.rate = '0.1'", {"two"}),
    ("NOT (params.lr.rate = '0.1')", {"two"}),
    ("params.lr.rate NOT IN ('0.1', '0.3')", {"two"}),
    ("params.lr.rate NOT LIKE '%1'", {"two"}),
    ("NOT params.lr.rate = '0.1' OR params.lr.rate IS NULL", {"two", "three", "four", "six"}),
    ("params.none = 'x' OR NOT params.none = 'x'", set()),
    ("NOT (params.none = 'x' AND params.word = 'plain')", {"two", "three", "four", "five", "six"}),
    ("NOT user_id = 'ann'", {"two"}),
    ("user_id IS NULL OR user_id = 'Bob'", {"two", "five"}),
    ("start_time IS NULL", {"six"}),
    ("end_time IS NULL AND NOT status = 'FINISHED'", {"two", "five"}),
    ("NOT tags.label LIKE 'R%' AND tags.label IS NOT NULL", {"two", "four", "five"}),
    # NaN is a value, which differs from every number and is neither smaller nor larger
    ("metrics.loss IS NULL", {"three"}),
    ("metrics.loss > 0 OR metrics.loss <= 0", {"one", "four", "five", "six"}),
    ("NOT metrics.loss > 0", {"two", "five", "six"}),
    ("NOT metrics.loss > 0 AND NOT metrics.loss <= 0", {"two"}),
    ("metrics.loss IN (0, 0.5)", {"one", "six"}),
    ("metrics.loss NOT IN (0, 0.5)", {"two", "four", "five"}),
    ("NOT metrics.loss IN (0, 0.5)", {"two", "four", "five"}),
    ("NOT metrics.loss NOT IN (0, 0.5)", {"one", "six"}),
    # lists
    ("run_name IN ('first run', 'fifth', 'other')", {"one", "five"}),
    ("params.word IN ('plain', 'PLAIN', 'a*b')", {"one", "two", "four"}),
    ("tags.label IN ('it\\'s', \"x AND y\")", {"four", "five"}),
    ("status NOT IN ('FINISHED', 'KILLED')", {"two", "three"}),
    ("start_time IN (1000, 3000)", {"one", "three"}),
    ("start_time IN (1000, 2000.5, 2999.9)", {"one"}),
    ("start_time IN (2000.5, 2999.9, 1e3)", {"one"}),
    ("end_time NOT IN (4000.4, 99999999999999999999, 6000)", {"one", "three"}),
    # one of several datasets
    ("dataset.name = 'common' OR dataset.name = 'ds2'", {"one", "three"}),
    ("dataset.name != 'ds1'", {"one", "three"}),
    ("NOT dataset.name = 'ds1'", {"three"}),
    ("dataset.name = 'ds1' AND NOT dataset.name = 'common'", {"two"}),
    ("NOT dataset.name NOT IN ('ds1', 'common')", {"one", "two"}),
    ("dataset.name IS NULL", {"four", "five", "six"}),
    ("NOT dataset.context = 'train'", {"two", "three"}),
    ("dataset.context IS NULL AND dataset.name IS NOT NULL", set()),
]


@pytest.mark.parametrize(("text", "expected"), RUNS)
def test_runs_are_found_by_or_not_and_lists(
    filled: Database, text: str, expected: set[str]
) -> None:
    with filled.read() as conn:
        found = _runs(conn, text)
        by_metric = _runs(conn, text, order_by=["metrics.loss DESC"])
        many = _runs(conn, text, experiment_ids=["1", "3"])
    assert set(found) == set(by_metric) == set(many) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("find", "text", "expected"),
    [
        (_experiments, "name = 'alpha' OR tags.team = 'Blue'", {"alpha", "Beta"}),
        (_experiments, "NOT tags.team IN ('red') OR creation_time IS NULL", {"Beta", "delta*[x]?"}),
        (_experiments, "NOT (name LIKE '%a%' OR experiment_id IN ('0', '2'))", set()),
        (_registered_models, "tags.team = 'red' OR tags.team = 'blue'", {"fraud", "churn 100%"}),
        (_registered_models, "NOT tags.team = 'red'", {"Fraud_2", "churn 100%"}),
        (_registered_models, "tags.k.dot IS NULL AND name LIKE '%raud%'", {"Fraud_2"}),
        (_registered_models, "tags.`my key` = 'v' OR tags.k.dot = 'x'", {"fraud", "Fraud_2"}),
        (
            _registered_models,
            "tags.mlflow.prompt.is_prompt = 'true' AND (name = 'greet' OR tags._ids LIKE '%12%')",
            {"greet", "hello"},
        ),
        (_registered_models, "NOT tags.mlflow.prompt.is_prompt != 'true'", {"greet", "hello"}),
        (_registered_models, "NOT name = 'x' AND NOT name LIKE 'f%'", {"Fraud_2", "churn 100%"}),
        (_model_versions, "run_id = 'r2' OR tags.ok = 'no'", {"fraud 2", "fraud 10"}),
        (_model_versions, "NOT version_number IN (1, '2')", {"fraud 10"}),
        (_model_versions, "tags.ok IS NULL AND run_id IS NOT NULL", {"fraud 2", "Fraud_2 2"}),
        (_model_versions, "NOT (tags.ok = 'yes' OR version_number = 10)", {"Fraud_2 1"}),
        (_logged_models, "name = 'alpha' OR tags.team = 'blue'", {"m-a", "m-b"}),
        (_logged_models, "NOT params.lr = '0.1'", {"m-b"}),
        (_logged_models, "params.lr IS NULL AND NOT name = 'delta 5'", {"m-c"}),
        (_logged_models, "metrics.acc > 0.8 OR params.lr = '0.2'", {"m-a", "m-b"}),
        (_logged_models, "metrics.acc <= 0.6", {"m-a", "m-b", "m-c"}),
        (_logged_models, "NOT metrics.acc > 0.6", {"m-c"}),
        (_logged_models, "metrics.acc IS NULL", {"m-d"}),
        (_logged_models, "metrics.loss NOT IN (0)", {"m-c"}),
        (_logged_models, "NOT metrics.acc IN (0.5, 0.1)", {"m-c"}),
    ],
)
def test_others_are_found_by_or_not_and_lists(
    filled: Database, find: Callable[[Connection, str], list[str]], text: str, expected: set[str]
) -> None:
    with filled.read() as conn:
        found = find(conn, text)
    assert set(found) - {"delta*[x]?"} == expected - {"delta*[x]?"}
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("pairs", "text", "expected"),
    [
        ([TRAIN], "metrics.acc > 0.6 OR name = 'alpha'", {"m-a", "m-b"}),
        ([TRAIN], "NOT metrics.acc > 0.6", {"m-a"}),
        ([TEST], "metrics.acc IS NULL", {"m-c"}),
        ([TEST], "metrics.acc IS NULL OR name = 'beta'", {"m-c"}),
        ([TEST], "metrics.acc > 0 OR name = 'delta 5'", {"m-a"}),
    ],
)
def test_logged_models_with_datasets_have_a_metric_of_these_on_each_side_of_an_or(
    filled: Database, pairs: list[tuple[str, str]], text: str, expected: set[str]
) -> None:
    with filled.read() as conn:
        datasets = [SearchDataset(name, digest) for name, digest in pairs]
        assert set(_logged_models(conn, text, datasets=datasets)) == expected


def test_a_token_belongs_to_its_filter_with_all_its_parentheses(filled: Database) -> None:
    text = "status = 'FINISHED' OR status = 'FAILED' AND user_id = 'ann'"
    search: dict[str, Any] = {"experiment_ids": ["1"], "max_results": 3}
    with filled.read() as conn:
        first = run_search.find_ids(conn, filter=text, **search)
        rest = run_search.find_ids(conn, filter=text, page_token=first.token, **search)
        assert [*first.ids, *rest.ids] == ["three", "four", "one", "six"]
        other = text.replace("status = 'FINISHED' OR status = 'FAILED'", "({})").format(
            "status = 'FINISHED' OR status = 'FAILED'"
        )
        with pytest.raises(InvalidParameter, match="belongs to another search"):
            run_search.find_ids(conn, filter=other, page_token=first.token, **search)


@only_postgresql
def test_a_search_with_an_or_is_planned_for_its_values_each_time(database: Database) -> None:
    """A plan for all values looks up each run, however few there are to be found."""
    said = text("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%param%'")
    with database.read() as conn:
        for number in range(9):
            _runs(conn, f"params.a = '{number}' OR params.b = 'x'", experiment_ids=["0"])
        assert conn.execute(said).all() == []
        for number in range(9):
            _runs(conn, f"params.a = '{number}' AND params.b = 'x'", experiment_ids=["0"])
        assert len(conn.execute(said).all()) == 1


def _nested(comparisons: list[str]) -> str:
    """All of them, each with a NOT or none, below parentheses as deep as is accepted."""
    levels = parser.MAX_DEPTH - 2
    some = max(1, len(comparisons) // levels)
    text = " OR ".join(comparisons[: len(comparisons) - some * (levels - 1)])
    rest = comparisons[len(comparisons) - some * (levels - 1) :]
    for level in range(levels - 1):
        word = " AND " if level % 2 else " OR "
        text = word.join([*rest[some * level : some * (level + 1)], f"({text})"])
    return f"NOT ({text})"


def _numbered(texts: list[str], count: int) -> list[str]:
    return [texts[number % len(texts)].format(n=number) for number in range(count)]


LARGEST = [
    ("run_id = 'x{n}'", "run_name = 'x{n}'", "params.p{n} = 'x'", "tags.t{n} LIKE 'x%'"),
    ("metrics.m{n} > 1", "NOT metrics.m{n} < 1", "params.p{n} IS NULL", "tags.t NOT LIKE '{n}'"),
]


@pytest.mark.parametrize("texts", LARGEST)
@pytest.mark.parametrize("join", [" OR ".join, _nested])
def test_the_largest_filters_of_runs_are_answered(
    filled: Database, texts: list[str], join: Callable[[list[str]], str]
) -> None:
    attributes = _numbered(["run_id = 'x{n}'", "NOT start_time > {n}", "status IS NULL"], 440)
    logged = _numbered([text for text in texts if "run_id" not in text], 60)
    order_by = [f"metrics.m{n}" for n in range(32)]
    with filled.read() as conn:
        for experiment_ids in (["1", "2"], [str(n) for n in range(10_000)]):
            search = {"experiment_ids": experiment_ids, "order_by": order_by}
            _runs(conn, join([*attributes, *logged]), **search)
            _runs(conn, join([*logged, *attributes]), experiment_ids=experiment_ids)


@pytest.mark.parametrize("join", [" OR ".join, _nested])
def test_the_largest_filters_of_others_are_answered(
    filled: Database, join: Callable[[list[str]], str]
) -> None:
    tags = ["tags.t{n} = 'x'", "NOT tags.t{n} LIKE 'x%'", "tags.t{n} IS NULL"]
    names = _numbered(["name = 'x{n}'", "NOT name LIKE 'x{n}%'"], 440)
    datasets = [SearchDataset("none", str(number)) for number in range(10)]
    with filled.read() as conn:
        _experiments(conn, join([*names, *_numbered(tags, 60)]))
        _registered_models(conn, join([*names, *_numbered(tags, 60)]))
        _model_versions(conn, join([*names, *_numbered(tags, 60)]))
        logged = _numbered([*tags, "params.p{n} IN ('x')"], 60)
        _logged_models(conn, join([*names, *logged]), datasets=datasets)
        metrics = _numbered(["NOT metrics.m{n} > 1", "metrics.m{n} < 1"], 30)
        _logged_models(conn, join([*names, *metrics]), datasets=datasets)


@pytest.mark.parametrize("experiment_ids", [["1"], ["1", "2"], [str(n) for n in range(10_000)]])
def test_the_longest_lists_are_answered(filled: Database, experiment_ids: list[str]) -> None:
    words = ",".join(f"'{number}'" for number in range(4_998))
    numbers = ",".join(str(number + 0.5) for number in range(5_000))
    for word in ("OR", "AND"):
        text = f"params.word IN ({words},'plain','x') {word} metrics.loss IN ({numbers})"
        with filled.read() as conn:
            found = run_search.find_ids(
                conn, experiment_ids=experiment_ids, filter=text, max_results=1
            )
            assert found.ids[0] == ("one" if len(experiment_ids) == 1 or word == "AND" else "other")
            if found.token:
                run_search.find_ids(
                    conn, experiment_ids=experiment_ids, filter=text, page_token=found.token
                )


@pytest.mark.parametrize(
    ("find", "comparison", "count"),
    [
        (_runs, "(params.a{n} = '1' OR run_name = 'x')", 31),
        (_runs, "NOT dataset.name = 'x{n}'", 31),
        (_experiments, "(tags.a{n} = '1' OR tags.b{n} IS NULL)", 31),
        (_registered_models, "(tags.a{n} = '1' OR tags.b{n} IS NULL)", 31),
        (_model_versions, "(tags.a{n} = '1' OR tags.b{n} IS NULL)", 31),
        (_logged_models, "NOT metrics.a{n} > 1", 31),
    ],
)
def test_lookups_are_counted_through_all_groups(
    filled: Database, find: Callable[[Connection, str], Any], comparison: str, count: int
) -> None:
    with filled.read() as conn, pytest.raises(InvalidParameter, match="it has 62 comparisons"):
        find(conn, " AND ".join(_numbered([comparison], count)))

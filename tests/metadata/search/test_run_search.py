"""Searching runs in real databases."""

from typing import Any

import pytest
from sqlalchemy import delete, insert

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.store.tracking import load, run_search
from tandem_shared.errors import InvalidParameter

DEFAULT_ORDER = ["three", "five", "four", "two", "one", "six"]
"""Runs of experiment 1, latest start first, ties by id, without a start time last."""


def _search(database: Database, **search: Any) -> tuple[list[str], str | None]:
    search.setdefault("experiment_ids", ["1"])
    with database.read() as conn:
        page = run_search.find_ids(conn, **search)
    return [*page.ids], page.token


def _found(database: Database, text: str, **search: Any) -> set[str]:
    return set(_search(database, filter=text, **search)[0])


ALL = set(DEFAULT_ORDER)

METRICS = [
    ("metrics.loss > 0", {"one", "four"}),
    ("metrics.loss >= 0", {"one", "four", "six"}),
    ("metrics.loss < 0.5", {"five", "six"}),
    ("metrics.loss <= 0.5", {"one", "five", "six"}),
    ("metrics.loss = 0", {"six"}),
    ("metric.loss = -2", {"five"}),
    ("metrics.loss != 0", {"one", "two", "four", "five"}),
    ("metrics.loss > 1e308", {"four"}),
    ("metrics.loss < 1e999", {"one", "four", "five", "six"}),
    ("metrics.`val/acc top-5` > 0.5", {"one"}),
    ('metrics."m.dots" = 1', {"one", "five"}),
    ("metrics.m.dots = 1", {"one", "five"}),
    ("metrics.none != 1", set()),
    ("metrics.loss > -9 AND metrics.loss < 9 AND metrics.m.dots = 1", {"one", "five"}),
]
TEXTS = [
    ("params.word = 'plain'", {"one"}),
    ("param.word != 'plain'", {"two", "three", "four", "five", "six"}),
    ("parameter.lr.rate = '0.1'", {"one", "five"}),
    ("parameters.`lr.rate` != '0.1'", {"two"}),
    ('params."my key" = "v"', {"one"}),
    ("params.lr.rate IS NULL", {"three", "four", "six"}),
    ("params.lr.rate IS NOT NULL", {"one", "two", "five"}),
    ("tags.label = 'Red'", {"one"}),
    ("tag.label != 'Red'", {"two", "four", "five"}),
    ("tags.label = 'x AND y'", {"four"}),
    ('tags.label = "it\'s"', {"five"}),
    ("tags.label IS NULL", {"three"}),
    ("tags.label IS NOT NULL", ALL - {"three"}),
    ("tags.label ilike 'RED' and params.word LIKE 'plain'", {"one"}),
    ("tags.mlflow.runName = 'fifth'", {"five"}),
]
ATTRIBUTES = [
    ("status = 'FINISHED'", {"one", "four", "six"}),
    ("attributes.status != 'FINISHED'", {"two", "three", "five"}),
    ("attribute.status LIKE '%I%'", {"one", "two", "three", "four", "five", "six"}),
    ("attr.status ILIKE 'f%'", {"one", "three", "four", "six"}),
    ("run.status = 'finished'", set()),
    ("start_time = 2000", {"two", "four", "five"}),
    ("start_time != 2000", {"one", "three"}),
    ("start_time > 2000", {"three"}),
    ("created >= 2000.5", {"three"}),
    ("attributes.Created < 2000", {"one"}),
    ("end_time <= 5000", {"one", "three"}),
    ("end_time < 99999999999999999999", {"one", "three", "four"}),
    ("run_id = 'one'", {"one"}),
    ("run_id != 'one'", ALL - {"one"}),
    ("run_id IN ('one', 'two', 'other')", {"one", "two"}),
    ("run_id IN ('one',)", {"one"}),
    ("attributes.run_id NOT IN ('one', 'two')", ALL - {"one", "two"}),
    ("run_id LIKE 't%'", {"two", "three"}),
    ("run_name = 'first run'", {"one"}),
    ("attributes.`Run name` LIKE '% run'", {"one", "two"}),
    ("`run name` ILIKE 'third_run'", {"three"}),
    ("attributes.\"Run Name\" != 'fifth'", ALL - {"five"}),
    ("user_id = 'ann'", {"one", "three", "four", "six"}),
    ("user_id != 'ann'", {"two"}),
    ("user_id ILIKE 'BOB'", {"two"}),
    ("artifact_uri LIKE '%/one/artifacts'", {"one"}),
    ("lifecycle_stage = 'active'", ALL),
    ("lifecycle_stage = 'deleted'", set()),
]
DATASETS = [
    ("dataset.name = 'ds1'", {"one", "two"}),
    ("datasets.name != 'ds1'", {"one", "three"}),
    ("dataset.name LIKE 'DS%'", set()),
    ("dataset.name ILIKE 'DS%'", {"one", "two", "three"}),
    ("dataset.name IN ('ds1', 'ds2') AND dataset.digest IN ('d1')", {"one", "three"}),
    ("dataset.name NOT IN ('ds1', 'common')", {"three"}),
    ("dataset.digest = 'd2'", {"two"}),
    ("dataset.context = 'train'", {"one"}),
    ("dataset.`context` IN ('train', 'Eval')", {"one", "two", "three"}),
    ("dataset.context != 'train'", {"two", "three"}),
    ("dataset.context ILIKE 'eval'", {"two", "three"}),
]
PATTERNS = [
    ("LIKE 'plain'", {"one"}),
    ("LIKE 'PL%'", {"two"}),
    ("ILIKE 'pL%'", {"one", "two"}),
    ("LIKE '%'", ALL),
    ("LIKE ''", set()),
    ("LIKE 'a_b'", {"four", "five", "six"}),
    ("ILIKE 'A_B'", {"four", "five", "six"}),
    ("LIKE '____'", {"three"}),
    ("LIKE '%*%'", {"four"}),
    ("LIKE 'a?b'", set()),
    ("LIKE 'a[*_]b'", set()),
    ("LIKE 'a\\b'", {"six"}),
    ("ILIKE 'A\\B'", {"six"}),
    ("LIKE '%\\'", set()),
    ("ILIKE '%\\'", set()),
    ("LIKE '%\\%'", {"six"}),
    ("LIKE '100%'", {"three"}),
    ("LIKE '%in%'", {"one"}),
]


@pytest.mark.parametrize(("text", "expected"), METRICS + TEXTS + DATASETS)
def test_search_finds_runs_by_metrics_params_and_tags(
    filled: Database, text: str, expected: set[str]
) -> None:
    assert _found(filled, text) == expected


@pytest.mark.parametrize(("text", "expected"), ATTRIBUTES)
def test_search_finds_runs_by_attributes(filled: Database, text: str, expected: set[str]) -> None:
    assert _found(filled, text) == expected


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS)
def test_search_patterns_mean_the_same_on_every_database(
    filled: Database, pattern: str, expected: set[str]
) -> None:
    assert _found(filled, f"params.word {pattern}") == expected


def test_search_patterns_take_brackets_and_question_marks_literally(filled: Database) -> None:
    assert _found(filled, "params.word LIKE '[ab]_'", experiment_ids=["2"]) == {"other"}
    assert _found(filled, "params.word LIKE '[%]?'", experiment_ids=["2"]) == {"other"}
    assert _found(filled, "params.word LIKE '[ab]'", experiment_ids=["1", "2"]) == set()


ORDERS = [
    ([], DEFAULT_ORDER),
    (["start_time ASC"], ["one", "five", "four", "two", "three", "six"]),
    (["metrics.loss"], ["five", "six", "one", "four", "two", "three"]),
    (["metrics.loss DESC"], ["four", "one", "six", "five", "two", "three"]),
    (["metrics.none DESC"], DEFAULT_ORDER),
    (["metrics.`m.dots` DESC"], ["five", "one", "three", "four", "two", "six"]),
    (["params.`lr.rate` DESC", "run_id"], ["two", "five", "one", "four", "six", "three"]),
    (["param.lr.rate", "metrics.loss"], ["five", "one", "two", "six", "four", "three"]),
    (["end_time"], ["three", "one", "four", "five", "two", "six"]),
    (["end_time DESC"], ["four", "one", "three", "five", "two", "six"]),
    (["status DESC", "created"], ["two", "five", "one", "four", "six", "three"]),
    (["run_id DESC"], ["two", "three", "six", "one", "four", "five"]),
    (["tags.none", "attributes.run_name ASC"], None),
    (["`metrics.loss` DESC", "tags.label"], ["four", "one", "six", "five", "two", "three"]),
]


@pytest.mark.parametrize(("order_by", "expected"), [it for it in ORDERS if it[1] is not None])
def test_search_sorts_runs_by_order_by(
    filled: Database, order_by: list[str], expected: list[str]
) -> None:
    assert _search(filled, order_by=order_by)[0] == expected


def test_search_pages_of_the_longest_order_by_follow_each_other(filled: Database) -> None:
    order_by = ["metrics.loss", *(f"metrics.none{number}" for number in range(31))]
    first, token = _search(filled, order_by=order_by, max_results=2)
    second, _ = _search(filled, order_by=order_by, max_results=2, page_token=token)
    whole, _ = _search(filled, order_by=order_by)
    assert len(whole) > 4
    assert first + second == whole[:4]


@pytest.mark.parametrize("order_by", [order_by for order_by, _ in ORDERS])
@pytest.mark.parametrize("size", [1, 4])
def test_search_pages_join_to_the_whole_without_a_gap_or_repetition(
    filled: Database, order_by: list[str], size: int
) -> None:
    whole, token = _search(filled, order_by=order_by, experiment_ids=["1", "2"])
    assert token is None
    pages: list[str] = []
    while True:
        page, token = _search(
            filled,
            order_by=order_by,
            experiment_ids=["2", "1"],
            max_results=size,
            page_token=token,
        )
        assert len(page) == size or token is None
        pages += page
        if token is None:
            break
    assert pages == whole


def test_search_gives_a_full_last_page_no_token(filled: Database) -> None:
    assert _search(filled, max_results=6) == (DEFAULT_ORDER, None)
    assert _search(filled, max_results=5)[1] is not None


def test_search_pages_do_not_shift_when_runs_come_and_go(database: Database) -> None:
    def store(run_id: str, start_time: int) -> None:
        values = {"status": "RUNNING", "lifecycle_stage": "active", "experiment_id": 0}
        with database.write() as conn:
            conn.execute(insert(runs).values(run_uuid=run_id, start_time=start_time, **values))

    for number in range(6):
        store(f"run{number}", number)
    first, token = _search(database, experiment_ids=["0"], max_results=2)
    store("newer", 99)
    with database.write() as conn:
        conn.execute(delete(runs).where(runs.c.run_uuid.in_(["run5", "run4"])))
    second, _ = _search(database, experiment_ids=["0"], max_results=2, page_token=token)
    assert (first, second) == (["run5", "run4"], ["run3", "run2"])


def test_search_page_size_may_change_between_pages(filled: Database) -> None:
    first, token = _search(filled, max_results=1)
    rest, _ = _search(filled, max_results=9, page_token=token)
    assert first + rest == DEFAULT_ORDER


@pytest.mark.parametrize(
    "other",
    [
        {"filter": "metrics.loss > -5"},
        {"order_by": ["start_time ASC"]},
        {"experiment_ids": ["1", "2"]},
        {"run_view_type": "ALL"},
    ],
)
def test_search_refuses_a_token_of_another_search(filled: Database, other: dict[str, Any]) -> None:
    _, token = _search(filled, max_results=1)
    with pytest.raises(InvalidParameter, match="belongs to another search"):
        _search(filled, max_results=1, page_token=token, **other)


@pytest.mark.parametrize(
    "token", ["abc", "!!!", "bm90IGpzb24=", "e30=", "eyJvZmZzZXQiOiAxfQ==", "é"]
)
def test_search_refuses_a_malformed_token(filled: Database, token: str) -> None:
    with pytest.raises(InvalidParameter, match="not a token of this server"):
        _search(filled, page_token=token)


@pytest.mark.parametrize(
    ("view_type", "expected"),
    [
        (None, DEFAULT_ORDER),
        ("ACTIVE_ONLY", DEFAULT_ORDER),
        ("DELETED_ONLY", ["gone"]),
        ("ALL", ["gone", *DEFAULT_ORDER]),
        (2, ["gone"]),
    ],
)
def test_search_view_type_selects_lifecycle_stages(
    filled: Database, view_type: str | int | None, expected: list[str]
) -> None:
    assert _search(filled, run_view_type=view_type)[0] == expected


def test_search_refuses_an_unknown_view_type(filled: Database) -> None:
    with pytest.raises(InvalidParameter, match="'run_view_type'"):
        _search(filled, run_view_type="SOME")


@pytest.mark.parametrize("number", [0, -1, 50_001])
def test_search_refuses_a_page_size_outside_1_to_50000(filled: Database, number: int) -> None:
    with pytest.raises(InvalidParameter, match=f"Invalid value {number} for .*'max_results'"):
        _search(filled, max_results=number)
    assert len(_search(filled, max_results=50_000)[0]) == 6


def test_search_finds_runs_of_the_given_experiments_only(filled: Database) -> None:
    assert _search(filled, experiment_ids=["2"])[0] == ["other"]
    assert _search(filled, experiment_ids=["2", "1", "2"])[0] == ["other", *DEFAULT_ORDER]
    assert _search(filled, experiment_ids=["999", str(10**15)])[0] == []
    assert _search(filled, experiment_ids=[])[0] == []


@pytest.mark.parametrize("experiment_id", ["abc", "", "1.5", "1" * 30])
def test_search_refuses_an_experiment_id_that_is_no_integer(
    filled: Database, experiment_id: str
) -> None:
    with pytest.raises(InvalidParameter, match="it must be a valid integer"):
        _search(filled, experiment_ids=["1", experiment_id])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("foo = 'x'", "near `foo`: there is no attribute `foo`"),
        ("attributes.experiment_id = '1'", "there is no attribute `experiment_id`"),
        ("METRICS.a > 1", "there is no entity `METRICS`"),
        ("dataset.source = 'x'", "there is no dataset `source`"),
        ("metrics.a LIKE 'x'", "character 11, near `LIKE`: `metrics.a` does not support LIKE"),
        ("metrics.a IN (1, '1')", "near `'1'`: `metrics.a` is compared with a number"),
        ("metrics.a NOT LIKE 'x'", "character 11, near `NOT`: `metrics.a` does not support LIKE"),
        ("status = 'x' OR (a.b = 'c')", "character 18, near `a.b`: there is no entity `a`"),
        ("metrics.a = '1'", "character 13, near `'1'`: `metrics.a` is compared with a number"),
        ("start_time > '1'", "`start_time` is compared with a number"),
        ("status IN ('FINISHED', 1)", "character 24, near `1`: `status` is compared with a"),
        ("params.a = 5", "near `5`: `params.a` is compared with a quoted string"),
        ("params.a > 'b'", "`params.a` does not support >"),
        ("tags.a NOT IN ('b') OR tags.a < 'b'", "`tags.a` does not support <"),
        (f"params.a LIKE '{'%' * 1_001}'", "a pattern has at most 1000 characters"),
    ],
)
def test_search_refuses_an_invalid_comparison(filled: Database, text: str, part: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        _search(filled, filter=text)
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("order_by", "part"),
    [
        (["foo"], "there is no attribute `foo`"),
        (["`run name`"], "there is no attribute `run name`"),
        (["dataset.name"], "near `dataset.name`: results cannot be sorted by a dataset"),
        (["foo.bar DESC"], "there is no entity `foo`"),
        (["metrics.a", "metric.a DESC"], "it names the metric `a` twice"),
        (["start_time", "created"], "it names the attribute `start_time` twice"),
        ([f"metrics.m{n}" for n in range(33)], "at most 32 clauses"),
        (["(", *(f"metrics.m{n}" for n in range(32))], "at most 32 clauses"),
    ],
)
def test_search_refuses_an_invalid_order_by(
    filled: Database, order_by: list[str], part: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        _search(filled, order_by=order_by)
    assert part in caught.value.message


def test_search_accepts_the_longest_filter_and_order_by(filled: Database) -> None:
    ids = ",".join(f"'{number:032}'" for number in range(9_990))
    many = " AND ".join(
        [f"run_id IN ({ids},'one','two')"]
        + ["metrics.loss > -1", "tags.label LIKE '%'"] * 30
        + ["run_id != 'two'"] * 439
    )
    order_by = [f"metrics.m{n}" for n in range(32)]
    found, _ = _search(
        filled, filter=many, order_by=order_by, experiment_ids=[str(n) for n in range(10_000)]
    )
    assert found == ["one"]
    pattern = "%" + "[" * 999
    assert _found(filled, f"params.word LIKE '{pattern}'") == set()


@pytest.mark.parametrize("comparison", ["metrics.loss > -1", "run_name = 'x'"])
def test_search_refuses_a_filter_with_too_many_lookups(filled: Database, comparison: str) -> None:
    with pytest.raises(InvalidParameter, match="it has 61 comparisons"):
        _search(filled, filter=" AND ".join([comparison] * 61))


def test_search_returns_runs_with_all_logged_data(filled: Database) -> None:
    with filled.read() as conn:
        (run_id,) = run_search.find_ids(conn, experiment_ids=["1"], filter="run_id = 'one'").ids
        run = load.get(conn, [run_id])[run_id]
    assert {(metric.key, metric.value) for metric in run.data.metrics} >= {("loss", 0.5)}
    assert {param.key for param in run.data.params} == {"word", "lr.rate", "my key"}
    assert {used.dataset.name for used in run.inputs.dataset_inputs} == {"ds1", "common"}

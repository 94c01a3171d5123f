"""The examples and limits of docs/search.md, over the data that the page describes."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tandem_metadata.database.database import Database
from tandem_metadata.search.language import fields, lexer, limits, parser
from tandem_metadata.search.language.experiment_fields import EXPERIMENTS
from tandem_metadata.search.language.fields import Resource
from tandem_metadata.search.language.logged_model_fields import LOGGED_MODELS
from tandem_metadata.search.language.model_version_fields import MODEL_VERSIONS
from tandem_metadata.search.language.registered_model_fields import REGISTERED_MODELS
from tandem_metadata.search.language.run_fields import RUNS
from tandem_metadata.search.sql import order
from tandem_metadata.search.sql.compile import MAX_LOOKUPS
from tandem_metadata.store.logged_models import search as logged_model_search
from tandem_metadata.store.registry import model_version_search, registered_model_search
from tandem_metadata.store.traces import search as trace_search
from tandem_metadata.store.tracking import experiment_search, run_search
from tandem_shared.errors import InvalidParameter
from tests.metadata.search import data, logged_model_data, registry_data

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "search.md").read_text()
BLOCKS = {
    kind: "\n".join(re.findall(rf"```\w+ {kind}\n(.*?)```", PAGE, re.DOTALL))
    for kind in (
        "runs",
        "experiments",
        "logged models",
        "registered models",
        "model versions",
        "order_by",
        "refused",
    )
}
EXAMPLES = [
    (kind, *map(str.strip, line.split("--")))
    for kind, block in BLOCKS.items()
    for line in block.splitlines()
    if line and kind != "refused"
]
REFUSED = re.findall("(.+)\n(.+)\n", BLOCKS["refused"])


def _pairs(cell: str) -> dict[str, str]:
    return dict(re.findall(r"([\w ]+)=([^,]+)", cell.replace(", ", ",")))


def _documented_runs() -> list[dict[str, Any]]:
    """The runs of the page's first table."""
    rows = re.findall(r"^\| ([abc]) \| (.*) \|$", PAGE, re.MULTILINE)
    found = []
    for start, (name, cells) in enumerate(rows):
        status, params, metrics, tags, datasets = (cell.strip() for cell in cells.split(" |"))
        numbers = {key: value.lower() for key, value in _pairs(metrics).items()}
        run: dict[str, Any] = {
            "id": name,
            "status": status,
            "user": "ann",
            "start": start + 1,
            "params": _pairs(params),
            "metrics": {key: it if it == "nan" else float(it) for key, it in numbers.items()},
            "tags": {"mlflow.runName": name, **_pairs(tags)},
            "datasets": [
                (dataset, "d1", context)
                for dataset, context in re.findall(r"(\w+) \((\w+)\)", datasets)
            ],
        }
        found.append(run if status == "RUNNING" else run | {"end": start + 2})
    return found


def _fill(conn: Connection) -> None:
    late = 1_700_000_000_000
    for number, name, tags in ((1, "vision", {"team": "red"}), (2, "text", {})):
        data.store_experiment(
            conn, {"id": number, "name": name, "made": late + number, "tags": tags}
        )
    runs = _documented_runs()
    for run in runs:
        data.store_run(conn, run)
    data.store_datasets(conn, runs)
    logged = [("acc", 0.8, 1, 1, "a", ("train", "d1")), ("acc", 0.6, 2, 2, "a", None)]
    common = {"type": "", "run": ""}
    for model in (
        {"id": "tree", "name": "tree", "made": 1, "params": {"depth": "3"}, "metrics": logged},
        {"id": "net", "name": "net", "made": 2, "tags": {"stage": "draft"}},
    ):
        logged_model_data.store_logged_model(conn, common | model)
    registry_data.store_model(conn, {"name": "fraud", "updated": 1, "tags": {"task": "tabular"}})
    registry_data.store_model(conn, {"name": "churn", "updated": 2, "tags": {}})
    for version in (
        {"name": "fraud", "version": 1, "run": "a"},
        {"name": "fraud", "version": 2, "tags": {"checked": "yes"}},
        {"name": "churn", "version": 1},
    ):
        registry_data.store_version(conn, {"updated": 1, **version})


def _runs(conn: Connection, text: str) -> Sequence[str]:
    return run_search.find_ids(conn, experiment_ids=["1"], filter=text).ids


def _ordered(conn: Connection, text: str) -> Sequence[str]:
    clauses = text.split(", ")
    return run_search.find_ids(conn, experiment_ids=["1"], order_by=clauses).ids


def _experiments(conn: Connection, text: str) -> Sequence[str]:
    found, _ = experiment_search.search(conn, filter=text, max_results=9)
    return [each.name for each in found if each.name != "Default"]


def _logged_models(conn: Connection, text: str) -> Sequence[str]:
    found, _ = logged_model_search.search(conn, experiment_ids=["1"], filter=text)
    return [each.info.name for each in found]


def _registered_models(conn: Connection, text: str) -> Sequence[str]:
    return [each.name for each in registered_model_search.search(conn, filter=text)[0]]


def _model_versions(conn: Connection, text: str) -> Sequence[str]:
    found, _ = model_version_search.search(conn, filter=text)
    return [f"{each.name} {each.version}" for each in found]


FIND: dict[str, Callable[[Connection, str], Sequence[str]]] = {
    "runs": _runs,
    "experiments": _experiments,
    "logged models": _logged_models,
    "registered models": _registered_models,
    "model versions": _model_versions,
    "order_by": _ordered,
}


def test_the_page_has_examples_of_everything() -> None:
    assert {kind for kind, *_ in EXAMPLES} == set(FIND)
    assert len(EXAMPLES) > 50
    assert len(REFUSED) > 5


def test_documented_examples_find_what_the_page_says(database: Database) -> None:
    with database.write() as conn:
        _fill(conn)
    wrong = []
    with database.read() as conn:
        for kind, text, said in EXAMPLES:
            found = list(FIND[kind](conn, text))
            if kind != "order_by":
                found.sort()
            if ", ".join(found) != said.replace("none", ""):
                wrong.append((kind, text, said, found))
    assert wrong == []


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_documented_errors_are_what_the_page_says(text: str, message: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        RUNS.criteria(parser.parse_filter(text))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("what", "numbers"),
    [
        ("characters of a filter", (lexer.FILTER_LENGTH, lexer.CLAUSE_LENGTH)),
        ("comparisons in a filter", (parser.MAX_COMPARISONS,)),
        ("of these, of what is logged", (MAX_LOOKUPS,)),
        ("parentheses and `NOT`s", (parser.MAX_DEPTH,)),
        ("values in all lists", (parser.MAX_LISTED,)),
        ("words, values and signs", (parser.MAX_WORDS,)),
        ("characters of a `LIKE` pattern", (fields.MAX_PATTERN,)),
        ("clauses of `order_by`", (order.MAX_CLAUSES,)),
        ("experiments in a search", (run_search.MAX_EXPERIMENTS,)),
        ("experiments in a search", (logged_model_search.MAX_EXPERIMENTS,)),
        (
            "runs, experiments or logged models on a page",
            (limits.MAX_RESULTS, trace_search.MAX_RESULTS),
        ),
        (
            "registered models on a page",
            (registered_model_search.MAX_RESULTS, model_version_search.MAX_RESULTS),
        ),
    ],
)
def test_documented_limits_are_the_limits(what: str, numbers: Sequence[int]) -> None:
    (row,) = re.findall(rf"^\| {re.escape(what)}.*\| (.*) \|$", PAGE, re.MULTILINE)
    assert row == "; ".join(f"{number:,}" for number in numbers)


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("runs", RUNS),
        ("experiments", EXPERIMENTS),
        ("logged models", LOGGED_MODELS),
        ("registered models", REGISTERED_MODELS),
        ("model versions", MODEL_VERSIONS),
    ],
)
def test_documented_fields_are_all_there_are(kind: str, resource: Resource) -> None:
    section = PAGE.partition("## What is searched")[2]
    (row,) = re.findall(rf"^\| {kind} \| (.*)$", section.partition("\n\n#")[0], re.MULTILINE)
    entities, attributes = (set(re.findall("`([^`]+)`", cell)) for cell in row.split(" | "))
    assert entities == set(resource.entities)
    known = {key for keys in resource.keys.values() for key in keys} | set(resource.aliases)
    entity = {"dataset"} if kind == "runs" else set()
    assert attributes == {key for key in known if " " not in key and key.islower()} | entity

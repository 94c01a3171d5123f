"""Random filters find on both databases what an evaluator in Python finds (hypothesis)."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from tandem_metadata.database.database import Database
from tandem_metadata.store.logged_models import search as logged_model_search
from tandem_metadata.store.registry import model_version_search, registered_model_search
from tandem_metadata.store.tracking import experiment_search, run_search
from tests.metadata.search import data, logged_model_data, registry_data
from tests.metadata.search.evaluator import Comparison, Joined, Not, Tree, Values

_TEXT = ("=", "!=", "LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE", "IN", "NOT IN")
_NUMBERS = ("=", "!=", "<", "<=", ">", ">=", "IN", "NOT IN")
_PRESENCE = ("IS NULL", "IS NOT NULL")


@dataclass(frozen=True, repr=False)
class Kind:
    """What is searched: all there is by its name, with its values, and how to find it."""

    things: Mapping[str, Values]
    fields: Mapping[str, Sequence[Any]]
    """What each field is compared with."""
    find: Callable[[Connection, str, int], Sequence[str]]
    """Finds names by a filter; the number chooses another way to search that finds the same."""


def _runs() -> Kind:
    things = {}
    for run in data.RUNS:
        if run.get("stage") == "deleted":
            continue
        values: dict[str, list[Any]] = {
            "run_id": [run["id"]],
            "status": [run["status"]],
            "user_id": [run["user"]] if run["user"] else [],
            "start_time": [run["start"]] if run["start"] else [],
            "end_time": [run["end"]] if "end" in run else [],
            "run_name": [run["tags"]["mlflow.runName"]],
            "dataset.name": [name for name, _, _ in run["datasets"]],
            "dataset.digest": [digest for _, digest, _ in run["datasets"]],
            "dataset.context": [context for _, _, context in run["datasets"] if context],
        }
        for key, value in run["metrics"].items():
            values[f"metrics.`{key}`"] = [math.nan if value == "nan" else value]
        for entity in ("params", "tags"):
            for key, value in run[entity].items():
                values[f"{entity}.`{key}`"] = [value]
        things[run["id"]] = values
    fields = {
        "run_id": ["one", "two", "other", "x"],
        "run_name": ["first run", "% run", "Third_run", "T%"],
        "status": ["FINISHED", "F%", "RUNNING"],
        "user_id": ["ann", "Bob", "b%"],
        "start_time": [1000, 2000, 2000.5],
        "end_time": [4000, 5000],
        "metrics.`loss`": [0, 0.5, -2.0, 1e308],
        "metrics.`val/acc top-5`": [0.1, 0.5],
        "metrics.`m.dots`": [1, 2],
        "metrics.`none`": [0],
        "params.`word`": ["plain", "PLAIN", "a_b", "100%", "%", "[ab]?"],
        "params.`lr.rate`": ["0.1", "0.2"],
        "tags.`label`": ["Red", "it's", "x AND y", "r%"],
        "dataset.name": ["ds1", "common", "ds_"],
        "dataset.digest": ["d1", "d2"],
        "dataset.context": ["train", "Eval", "e%"],
    }

    def find(conn: Connection, text: str, way: int) -> Sequence[str]:
        order_by = [[], ["metrics.loss DESC"], ["params.word", "metrics.`m.dots`"]][way % 3]
        size = 50 if way < 3 else 2
        found: list[str] = []
        token = None
        while token or not found:
            page = run_search.find_ids(
                conn,
                experiment_ids=["1", "2"],
                filter=text,
                order_by=order_by,
                max_results=size,
                page_token=token,
            )
            found += page.ids
            token = page.token
            if token is None:
                break
        return found

    return Kind(things, fields, find)


def _experiments() -> Kind:
    things = {
        each["name"]: {
            "name": [each["name"]],
            "experiment_id": [str(each["id"])],
            "creation_time": [each["made"]] if each["made"] else [],
            "last_update_time": [each["id"] * 10],
            **{f"tags.`{key}`": [value] for key, value in each["tags"].items()},
        }
        for each in data.EXPERIMENTS
        if each.get("stage") != "deleted"
    }
    late = [10**15]
    things["Default"] = {
        "name": ["Default"],
        "experiment_id": ["0"],
        "creation_time": late,
        "last_update_time": late,
    }
    fields = {
        "name": ["alpha", "Beta", "%a", "Default", "gamma_100%"],
        "experiment_id": ["0", "1", "3", "77"],
        "creation_time": [100, 300],
        "last_update_time": [10, 30],
        "tags.`team`": ["red", "Blue", "RED", "%e%"],
        "tags.`k.dot`": ["x"],
        "tags.`with space`": ["a b"],
    }

    def find(conn: Connection, text: str, way: int) -> Sequence[str]:
        found, _ = experiment_search.search(
            conn, filter=text, max_results=50, order_by=["name"] if way % 2 else []
        )
        return [each.name for each in found]

    return Kind(things, fields, find)


def _logged_models() -> Kind:
    things = {}
    for model in logged_model_data.MODELS:
        if model.get("stage") == "deleted" or model.get("experiment", 1) != 1:
            continue
        values: dict[str, list[Any]] = {
            "name": [model["name"]],
            "model_type": [model["type"]] if model["type"] is not None else [],
            "creation_time": [model["made"]],
            "status": [str(model.get("status", 1))],
        }
        for key, value, *_ in model.get("metrics", []):
            values.setdefault(f"metrics.`{key}`", []).append(value)
        for entity in ("params", "tags"):
            for key, value in model.get(entity, {}).items():
                values[f"{entity}.`{key}`"] = [value]
        things[model["id"]] = values
    fields = {
        "name": ["alpha", "beta", "%a", "Gamma_1"],
        "model_type": ["agent", "", "t%"],
        "creation_time": [100, 300],
        "status": ["1", "2"],
        "metrics.`acc`": [0.5, 0.6, 0.7, 0.9],
        "metrics.`two`": [1, 5, 9],
        "metrics.`loss`": [0],
        "params.`lr`": ["0.1", "0.2"],
        "params.`word`": ["Plain", "plain", "PL%"],
        "tags.`team`": ["Red", "red", "r%"],
        "tags.`and`": ["x AND y"],
    }

    def find(conn: Connection, text: str, way: int) -> Sequence[str]:
        found, _ = logged_model_search.search(conn, experiment_ids=["1"], filter=text)
        return [each.info.model_id for each in found]

    return Kind(things, fields, find)


def _registered_models() -> Kind:
    things = {
        each["name"]: {
            "name": [each["name"]],
            **{f"tags.`{key}`": [value] for key, value in each["tags"].items()},
        }
        for each in registry_data.MODELS
        if each["tags"].get(registry_data.IS_PROMPT) != "true"
    }
    fields = {
        "name": ["fraud", "F%", "churn 100%", "delta*[x]?"],
        "tags.`team`": ["red", "Red", "r%"],
        "tags.`k.dot`": ["x"],
        "tags.`my key`": ["v"],
        "tags.`none`": ["v"],
    }

    def find(conn: Connection, text: str, way: int) -> Sequence[str]:
        found, _ = registered_model_search.search(conn, filter=text)
        return [each.name for each in found]

    return Kind(things, fields, find)


def _model_versions() -> Kind:
    things = {
        f"{each['name']} {each['version']}": {
            "name": [each["name"]],
            "version_number": [each["version"]],
            "run_id": [each["run"]] if "run" in each else [],
            "source_path": [each.get("source", "s3://b/one")],
            **{f"tags.`{key}`": [value] for key, value in each.get("tags", {}).items()},
        }
        for each in registry_data.VERSIONS
        if "Deleted" not in each.get("stage", "") and each["name"] != "greet"
    }
    fields = {
        "name": ["fraud", "F%"],
        "version_number": [1, 2, 10],
        "run_id": ["r1", "r2", "R%"],
        "source_path": ["s3://b/Two", "%one"],
        "tags.`ok`": ["yes", "y%", "no"],
        "tags.`my key`": ["v"],
    }

    def find(conn: Connection, text: str, way: int) -> Sequence[str]:
        found, _ = model_version_search.search(conn, filter=text)
        return [f"{each.name} {each.version}" for each in found]

    return Kind(things, fields, find)


KINDS = {
    "runs": _runs(),
    "experiments": _experiments(),
    "logged models": _logged_models(),
    "registered models": _registered_models(),
    "model versions": _model_versions(),
}


@st.composite
def _comparisons(draw: st.DrawFn, kind: Kind) -> Comparison:
    field = draw(st.sampled_from(list(kind.fields)))
    operands = kind.fields[field]
    operators: Sequence[str] = _TEXT if isinstance(operands[0], str) else _NUMBERS
    if field == "experiment_id":
        operators = ("=", "!=", "IN", "NOT IN")
    operator = draw(st.sampled_from([*operators, *_PRESENCE]))
    if operator in _PRESENCE:
        return Comparison(field, operator)
    if operator.endswith("IN"):
        values = st.lists(st.sampled_from(operands), min_size=1, max_size=3)
        return Comparison(field, operator, tuple(draw(values)))
    return Comparison(field, operator, draw(st.sampled_from(operands)))


def _trees(kind: Kind) -> st.SearchStrategy[Tree]:
    def joined(parts: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        some = st.lists(parts, min_size=2, max_size=4).map(tuple)
        words = st.sampled_from(["AND", "OR", "OR"])
        return st.builds(Joined, words, some, st.booleans()) | st.builds(Not, parts, st.booleans())

    return st.recursive(_comparisons(kind), joined, max_leaves=8)


@pytest.mark.parametrize("name", KINDS)
def test_random_filters_find_what_they_mean(filled: Database, name: str) -> None:
    kind = KINDS[name]

    @settings(
        max_examples=80,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(_trees(kind), st.integers(0, 5))
    def check(tree: Tree, way: int) -> None:
        text = tree.written()
        expected = {thing for thing, values in kind.things.items() if tree.truth(values)}
        with filled.read() as conn:
            found = kind.find(conn, text, way)
        assert sorted(found) == sorted(expected), text

    check()

"""Scorers of one database: MLflow's own server and Tandem answer the same of them."""

import json
import uuid
from typing import Any

import pytest
import requests

from tests.system.beside_mlflow import Beside

Urls = tuple[str, str]
"""Of MLflow's server and of Tandem."""


@pytest.fixture
def urls(beside: Beside) -> Urls:
    return beside.mlflow, beside.tandem


def _ask(url: str, method: str, what: str, **fields: Any) -> tuple[int, Any]:
    given: dict[str, Any] = {"params" if method == "GET" else "json": fields}
    path = what if "/" in what else f"3.0/mlflow/scorers/{what}"
    answer = requests.request(method, f"{url}/api/{path}", timeout=60, **given)
    return answer.status_code, answer.json()


def _told(answer: tuple[int, Any]) -> Any:
    """An answer; of an error the code, since Tandem has words of its own.

    MLflow writes the JSON of a scorer anew in each answer, with escapes for letters.
    """
    status, body = answer
    for each in [*body.get("scorers", []), body.get("scorer")]:
        if each:
            each["serialized_scorer"] = json.loads(each["serialized_scorer"])
    return (status, body) if status == 200 else (status, body["error_code"])


def _experiment(url: str) -> str:
    name = uuid.uuid4().hex
    return str(_ask(url, "POST", "2.0/mlflow/experiments/create", name=name)[1]["experiment_id"])


_CONTENT = {"name": "é", "builtin_scorer_class": "Guidelines", "n": [1, None, "\\"]}


@pytest.mark.parametrize("writer", [0, 1], ids=["mlflow", "tandem"])
def test_scorers_of_one_are_those_of_the_other(urls: Urls, writer: int) -> None:
    url = urls[writer]
    first, second = sorted((_experiment(url), _experiment(url)), key=int)
    for experiment, name in ((first, "b/é"), (first, "b/é"), (first, "a"), (second, "b/é")):
        text = json.dumps(_CONTENT, ensure_ascii=False)
        status, made = _ask(
            url, "POST", "register", experiment_id=experiment, name=name, serialized_scorer=text
        )
        assert (status, made["serialized_scorer"]) == (200, text)
    questions: list[tuple[str, dict[str, Any]]] = [
        ("list", {"experiment_id": first}),
        ("list", {"experiment_ids": [second, first, first, "999999"]}),
        ("list", {"experiment_id": first, "experiment_ids": [first]}),
        ("list", {"experiment_id": "999999"}),
        ("list", {"experiment_id": "x"}),
        ("list", {"experiment_ids": ["x"]}),
        ("list", {}),
        ("versions", {"experiment_id": first, "name": "b/é"}),
        ("versions", {"experiment_id": first, "name": "c"}),
        ("versions", {"experiment_id": first}),
        ("get", {"experiment_id": first, "name": "b/é"}),
        ("get", {"experiment_id": first, "name": "b/é", "version": 1}),
        ("get", {"experiment_id": first, "name": "b/é", "version": 3}),
        ("get", {"experiment_id": first, "name": "b/é", "version": "x"}),
        ("get", {"experiment_id": first, "name": "c"}),
        ("get", {"experiment_id": "999999", "name": "a"}),
        ("get", {"name": "a"}),
        ("online-configs", {"scorer_ids": ["x"]}),
        ("online-configs", {}),
    ]

    def agree() -> None:
        for what, query in questions:
            theirs, ours = (_told(_ask(each, "GET", what, **query)) for each in urls)
            assert ours == theirs, (what, query)

    agree()
    of = {"experiment_id": first, "name": "b/é"}
    assert _told(_ask(url, "DELETE", "delete", **of, version=2)) == (200, {})
    agree()
    assert _told(_ask(urls[1 - writer], "DELETE", "delete", **of)) == (200, {})
    agree()
    for each in urls:
        assert _told(_ask(each, "DELETE", "delete", **of)) == (404, "RESOURCE_DOES_NOT_EXIST")
    _ask(url, "POST", "2.0/mlflow/experiments/delete", experiment_id=first)
    agree()


@pytest.mark.parametrize(
    "given",
    [
        {"serialized_scorer": "{"},
        {"serialized_scorer": ""},
        {"name": " "},
        {"name": ""},
        {"experiment_id": "999999"},
        {"experiment_id": "x"},
        {"serialized_scorer": json.dumps({"call_source": "return 1"})},
        {"serialized_scorer": json.dumps({"a": [{"call_source": ""}]})},
        {"serialized_scorer": json.dumps({"a": [{"call_source": None}]})},
        {"serialized_scorer": json.dumps({"third_party_scorer_data": {"kwargs": {"a": 1}}})},
        {"serialized_scorer": json.dumps({"third_party_scorer_data": {"kwargs": [1]}})},
        {
            "serialized_scorer": json.dumps(
                {"third_party_scorer_data": {"kwargs": {"o": [["model_list", 1]]}}}
            )
        },
        {
            "serialized_scorer": json.dumps(
                {"instructions_judge_pydantic_data": {"model": "gateway:/nobody"}}
            )
        },
        {"serialized_scorer": json.dumps({"builtin_scorer_pydantic_data": {"model": ""}})},
        {"serialized_scorer": json.dumps({"builtin_scorer_pydantic_data": {"model": 5}})},
    ],
    ids=str,
)
def test_both_refuse_the_same_scorers(urls: Urls, given: dict[str, Any]) -> None:
    body = {"experiment_id": _experiment(urls[0]), "name": "s", "serialized_scorer": "{}", **given}
    theirs, ours = (_ask(each, "POST", "register", **body) for each in urls)
    if theirs[0] == 200:
        assert ours[0] == 200
        assert ours[1]["version"] == theirs[1]["version"] + 1
    else:
        assert _told(ours) == _told(theirs)

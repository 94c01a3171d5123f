"""Scorers: registered, read and deleted, on both databases and in every generation."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx
import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.routes import experiments, scorers
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tests.metadata import in_process
from tests.metadata.api import INVALID
from tests.metadata.conftest import ARTIFACT_ROOT

_PATH = "/api/3.0/mlflow/scorers"
_EXPERIMENTS = "/api/2.0/mlflow/experiments"
_MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
_numbers = count()


class _Scorers:
    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.experiment = self.new_experiment()

    def new_experiment(self) -> str:
        return str(
            self._post(f"{_EXPERIMENTS}/create", name=f"of {next(_numbers)}")["experiment_id"]
        )

    def delete_experiment(self, experiment_id: str) -> None:
        self._post(f"{_EXPERIMENTS}/delete", experiment_id=experiment_id)

    def _post(self, path: str, **body: Any) -> Any:
        return _json(self.http.post(path, json=body))

    def register(self, name: str = "s", experiment: str | None = None, **scorer: Any) -> Any:
        body = {"experiment_id": experiment or self.experiment, "name": name}
        return self._post(f"{_PATH}/register", serialized_scorer=json.dumps(scorer), **body)

    def get(self, what: str, **query: Any) -> httpx.Response:
        return self.http.get(f"{_PATH}/{what}", params=query)

    def listed(self, **query: Any) -> Any:
        return _json(self.get("list", **query)).get("scorers", [])

    def names(self, **query: Any) -> list[tuple[str, int]]:
        return [(each["scorer_name"], each["scorer_version"]) for each in self.listed(**query)]

    def delete(self, **body: Any) -> httpx.Response:
        given = {"experiment_id": self.experiment, "name": "s", **body}
        return self.http.request("DELETE", f"{_PATH}/delete", json=given)


def _json(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def _error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


@pytest.fixture
def api(written: Database) -> _Scorers:
    settings = Settings(backend_store_uri="sqlite://", default_artifact_root=ARTIFACT_ROOT)
    context = Context(settings, written)
    routes = bind(context, [*scorers.ENDPOINTS, *experiments.ENDPOINTS])
    return _Scorers(in_process.client(context, routes))


def test_scorer_is_kept_in_versions(api: _Scorers) -> None:
    first = api.register(name="é/1", n=1)
    second = api.register(name="é/1", n=2)
    assert (first["version"], second["version"]) == (1, 2)
    assert first["scorer_id"] == second["scorer_id"]
    assert len(first["scorer_id"]) == 36
    of = {"experiment_id": api.experiment, "name": "é/1"}
    expected = [
        {
            "experiment_id": int(api.experiment),
            "scorer_name": "é/1",
            "scorer_version": number,
            "serialized_scorer": json.dumps({"n": number}),
            "creation_time": made["creation_time"],
            "scorer_id": first["scorer_id"],
        }
        for number, made in ((1, first), (2, second))
    ]
    assert _json(api.get("versions", **of)) == {"scorers": expected}
    assert _json(api.get("get", **of)) == {"scorer": expected[1]}
    assert _json(api.get("get", **of, version=1)) == {"scorer": expected[0]}
    assert api.listed(experiment_id=api.experiment) == expected[1:]


def test_scorers_are_listed_by_experiment_and_name(api: _Scorers) -> None:
    other, gone = api.new_experiment(), api.new_experiment()
    for name, experiment in (("b", other), ("Z", None), ("a", None), ("a", None), ("x", gone)):
        api.register(name=name, experiment=experiment)
    api.delete_experiment(gone)
    assert api.names(experiment_id=api.experiment) == [("Z", 1), ("a", 2)]
    some = {"experiment_ids": [other, api.experiment, gone, "999999"]}
    assert api.names(**some) == [("Z", 1), ("a", 2), ("b", 1)]
    whole = [each for each in api.listed() if str(each["experiment_id"]) in (api.experiment, other)]
    assert whole == api.listed(**some)
    assert not [each for each in api.listed() if str(each["experiment_id"]) == gone]


def test_scorer_deleted_by_version_leaves_the_others(api: _Scorers) -> None:
    for number in range(3):
        api.register(n=number)
    assert _json(api.delete(version=3)) == {}
    assert api.names(experiment_id=api.experiment) == [("s", 2)]
    assert api.register()["version"] == 3
    assert _error(api.delete(version=7)) == _MISSING
    assert _json(api.delete()) == {}
    assert api.names(experiment_id=api.experiment) == []
    assert _error(api.delete()) == _MISSING
    assert api.register()["version"] == 1


def test_scorer_without_versions_is_not_there(api: _Scorers) -> None:
    api.register()
    assert _json(api.delete(version=1)) == {}
    assert _error(api.get("get", experiment_id=api.experiment, name="s")) == _MISSING
    assert _error(api.get("versions", experiment_id=api.experiment, name="s")) == _MISSING
    assert api.names(experiment_id=api.experiment) == []
    assert api.register()["version"] == 1


def test_scorers_registered_at_once_get_versions_of_their_own(api: _Scorers) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [*pool.map(lambda number: api.register(name="r", n=number), range(16))]
    assert sorted(each["version"] for each in made) == [*range(1, 17)]
    assert len({each["scorer_id"] for each in made}) == 1


def test_scorer_that_is_not_there_is_not_found(api: _Scorers) -> None:
    of = {"experiment_id": api.experiment, "name": "nobody"}
    for what in ("get", "versions"):
        assert _error(api.get(what, **of)) == _MISSING
        assert _error(api.get(what, **{**of, "experiment_id": "999999"})) == _MISSING
    api.register()
    assert _error(api.get("get", experiment_id=api.experiment, name="s", version=2)) == _MISSING
    assert _error(api.get("list", experiment_id="999999")) == _MISSING


def test_scorers_of_a_deleted_experiment_are_refused(api: _Scorers) -> None:
    api.register()
    of = {"experiment_id": api.experiment, "name": "s"}
    api.delete_experiment(api.experiment)
    for what in ("get", "versions", "list"):
        assert _error(api.get(what, **of)) == INVALID
    assert _error(api.delete()) == INVALID
    body = {**of, "serialized_scorer": "{}"}
    assert _error(api.http.post(f"{_PATH}/register", json=body)) == INVALID


@pytest.mark.parametrize(
    ("what", "query"),
    [
        ("list", {"experiment_id": "1", "experiment_ids": ["1"]}),
        ("list", {"experiment_ids": ["x"]}),
        ("list", {"experiment_id": "x"}),
        ("get", {"experiment_id": "1"}),
        ("get", {"name": "s"}),
        ("get", {"experiment_id": "1", "name": "s", "version": "one"}),
        ("versions", {"experiment_id": "1"}),
        ("online-configs", {}),
    ],
)
def test_queries_that_are_wrong_are_refused(
    api: _Scorers, what: str, query: dict[str, Any]
) -> None:
    assert _error(api.get(what, **query)) == INVALID


def test_no_scorer_runs_by_itself(api: _Scorers) -> None:
    made = api.register()["scorer_id"]
    assert _json(api.get("online-configs", scorer_ids=[made, "x"])) == {"configs": []}


_CODE = {"call_source": "return 1", "call_signature": "()"}


@pytest.mark.parametrize(
    ("name", "serialized", "reason"),
    [
        (" ", "{}", "blank"),
        ("n" * 257, "{}", "256"),
        ("", "{}", "name"),
        ("s", "", "serialized_scorer"),
        ("s", "{", "valid JSON"),
        ("s", "[" * 100_000, "valid JSON"),
        ("s", "[]", "JSON object"),
        ("s", json.dumps(_CODE), "@scorer"),
        ("s", json.dumps({"ensemble_scorer_data": {"scorers": [{"a": _CODE}]}}), "@scorer"),
        ("s", json.dumps({"third_party_scorer_data": {"kwargs": [1]}}), "kwargs"),
        (
            "s",
            json.dumps({"a": [{"third_party_scorer_data": {"kwargs": {"o": {"base_url": "h"}}}}]}),
            "base_url",
        ),
        (
            "s",
            json.dumps({"third_party_scorer_data": {"kwargs": {"o": [["api_base", "h"]]}}}),
            "api_base",
        ),
        ("s", json.dumps({"builtin_scorer_pydantic_data": {"model": 5}}), "model"),
        (
            "s",
            json.dumps(
                {
                    "memory_augmented_judge_data": {
                        "base_judge": {"instructions_judge_pydantic_data": {"model": " "}}
                    }
                }
            ),
            "model",
        ),
    ],
)
def test_scorer_that_cannot_be_kept_is_refused(
    api: _Scorers, name: str, serialized: str, reason: str
) -> None:
    body = {"experiment_id": api.experiment, "name": name, "serialized_scorer": serialized}
    answer = api.http.post(f"{_PATH}/register", json=body)
    assert _error(answer) == INVALID
    assert reason in answer.json()["message"]
    assert api.names(experiment_id=api.experiment) == []


def test_scorer_with_a_model_of_the_gateway_is_refused(api: _Scorers) -> None:
    data = {"instructions_judge_pydantic_data": {"model": "gateway:/mine"}}
    body = {"experiment_id": api.experiment, "name": "s", "serialized_scorer": json.dumps(data)}
    answer = api.http.post(f"{_PATH}/register", json=body)
    assert _error(answer) == _MISSING
    assert "'mine'" in answer.json()["message"]
    assert api.register(instructions_judge_pydantic_data={"model": "openai:/gpt-4o"})

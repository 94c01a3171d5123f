"""Searches of traces as clients and the web UI send them, in every generation."""

from typing import Any

import httpx
import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.routes import trace_search
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tests.metadata import in_process
from tests.metadata.api import INVALID
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.traces.content import BARE, FULL, INFOS, LONG

_V3 = "/api/3.0/mlflow/traces/search"
_V2 = "/api/2.0/mlflow/traces"


def _in(*experiments: str) -> list[dict[str, Any]]:
    return [
        {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": each}}
        for each in experiments
    ]


@pytest.fixture
def http(traced: Database, traced_uri: str) -> httpx.Client:
    settings = Settings(backend_store_uri=traced_uri, default_artifact_root=ARTIFACT_ROOT)
    context = Context(settings, traced)
    return in_process.client(context, bind(context, trace_search.ENDPOINTS))


def _found(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_search_answers_with_infos(http: httpx.Client) -> None:
    answer = _found(http.post(_V3, json={"locations": _in("1", "2")}))
    assert {each["trace_id"]: each for each in answer.pop("traces")} == INFOS
    assert answer == {}


def test_search_pages_by_tokens(http: httpx.Client) -> None:
    wanted: dict[str, Any] = {"locations": _in("1", "2"), "max_results": 4}
    first = _found(http.post(_V3, json=wanted))
    rest = _found(http.post(_V3, json={**wanted, "page_token": first["next_page_token"]}))
    assert "next_page_token" not in rest
    ids = [each["trace_id"] for each in first["traces"] + rest["traces"]]
    assert sorted(ids) == sorted(INFOS)
    assert ids[-1] == BARE


def test_search_filters_and_sorts(http: httpx.Client) -> None:
    wanted = {
        "locations": _in("1", "2"),
        "filter": "attributes.timestamp_ms > 0 AND span.name = 'step 0'",
        "order_by": ["execution_time ASC"],
    }
    ids = [each["trace_id"] for each in _found(http.post(_V3, json=wanted))["traces"]]
    assert ids[0] == LONG
    assert FULL in ids


def test_search_takes_both_spellings_of_fields(http: httpx.Client) -> None:
    wanted = {"locations": [{"mlflowExperiment": {"experimentId": "2"}}], "maxResults": 1}
    assert len(_found(http.post(_V3, json=wanted))["traces"]) == 1


def test_search_without_an_experiment_finds_nothing(http: httpx.Client) -> None:
    elsewhere = {"type": "INFERENCE_TABLE", "inference_table": {"full_table_name": "x"}}
    for locations in ([], [elsewhere], _in("77")):
        assert _found(http.post(_V3, json={"locations": locations, "max_results": 1})) == {}


@pytest.mark.parametrize("number", ["9" * 19, "9" * 309, "9" * 4_301, "1e400", "NaN"])
def test_numbers_that_no_column_holds_find_nothing(http: httpx.Client, number: str) -> None:
    for wanted in (
        f"""metadata.`mlflow.trace.tokenUsage` = '{{"input_tokens": {number}}}'""",
        f"""metadata.`mlflow.trace.cost` = '{{"input_cost": {number}}}'""",
    ):
        answer = http.post(_V3, json={"locations": _in("1", "2"), "filter": wanted})
        assert _found(answer) == {}


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"locations": None},
        {"locations": "1"},
        {"locations": _in("x")},
        {"locations": _in("1"), "max_results": 501},
        {"locations": _in("1"), "max_results": 0},
        {"locations": _in("1"), "max_results": "many"},
        {"locations": _in("1"), "filter": "x"},
        {"locations": _in("1"), "order_by": "timestamp"},
        {"locations": _in("1"), "order_by": ["request_time"]},
        {"locations": _in("1"), "page_token": "nonsense"},
    ],
)
def test_search_refuses(http: httpx.Client, wanted: dict[str, Any]) -> None:
    answer = http.post(_V3, json=wanted)
    assert (answer.status_code, answer.json()["error_code"]) == INVALID


def test_old_clients_search_by_query(http: httpx.Client) -> None:
    query = {
        "experiment_ids": ["1", "2"],
        "filter": "attributes.status = 'ERROR'",
        "max_results": 5,
        "order_by": ["timestamp_ms DESC"],
    }
    answer = _found(http.get(_V2, params=query))
    assert [each["request_id"] for each in answer["traces"]] == [LONG]
    assert answer["traces"][0]["execution_time_ms"] == -1500
    page = _found(http.get(_V2, params={"experiment_ids": "1", "max_results": 2}))
    assert len(page["traces"]) == 2
    assert page["next_page_token"]


@pytest.mark.parametrize("query", [{}, {"experiment_ids": "1", "max_results": 501}])
def test_old_search_refuses(http: httpx.Client, query: dict[str, Any]) -> None:
    answer = http.get(_V2, params=query)
    assert (answer.status_code, answer.json()["error_code"]) == INVALID

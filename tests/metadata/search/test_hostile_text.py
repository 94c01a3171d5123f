"""Filters and order_by clauses that are expensive to parse, for each search."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tandem_metadata.database.database import Database
from tandem_metadata.routes import experiments, graphql, logged_models, registry_search, runs
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tests.metadata import in_process
from tests.metadata.conftest import only_sqlite

pytestmark = only_sqlite

_RUNS = (
    "query ($data: MlflowSearchRunsInput!)"
    " { mlflowSearchRuns(input: $data) { runs { __typename } } }"
)
_VERSIONS = (
    "query ($data: MlflowSearchModelVersionsInput!)"
    " { mlflowSearchModelVersions(input: $data) { modelVersions { __typename } } }"
)


@pytest.fixture
def client(settings: Settings, database: Database) -> TestClient:
    context = Context(settings, database)
    endpoints = [
        *experiments.ENDPOINTS,
        *runs.ENDPOINTS,
        *logged_models.ENDPOINTS,
        *registry_search.ENDPOINTS,
    ]
    return in_process.client(context, [*bind(context, endpoints), *graphql.routes(context)])


def _rest(path: str, method: str = "POST", **fields: Any) -> Any:
    def ask(client: TestClient, **hostile: Any) -> str:
        url = f"/api/2.0/mlflow/{path}"
        everything = {**fields, **hostile}
        if method == "GET":
            answer = client.get(url, params=everything)
        else:
            answer = client.post(url, json=everything)
        assert answer.status_code == 400
        return str(answer.json()["message"])

    return ask


def _graphql(query: str) -> Any:
    def ask(client: TestClient, **hostile: Any) -> str:
        data = {"orderBy" if name == "order_by" else name: of for name, of in hostile.items()}
        answer = client.post("/graphql", json={"query": query, "variables": {"data": data}})
        assert answer.status_code == 200
        (message,) = answer.json()["errors"]
        return str(message)

    return ask


SEARCHES = {
    "experiments": _rest("experiments/search", max_results=1),
    "runs": _rest("runs/search", experiment_ids=["0"]),
    "logged models": _rest("logged-models/search", experiment_ids=["0"]),
    "registered models": _rest("registered-models/search", "GET"),
    "model versions": _rest("model-versions/search", "GET"),
    "runs by GraphQL": _graphql(_RUNS),
    "model versions by GraphQL": _graphql(_VERSIONS),
}
BY_QUERY = ("registered models", "model versions")
"""Searches by GET; servers refuse a request line of this length."""
LONG = {name: ask for name, ask in SEARCHES.items() if name not in BY_QUERY}
SORTED = {name: ask for name, ask in SEARCHES.items() if name != "logged models"}


@pytest.mark.parametrize("ask", SEARCHES.values(), ids=SEARCHES)
def test_a_search_reads_a_filter_no_further_than_its_first_mistake(
    client: TestClient, ask: Any
) -> None:
    assert "at character 1, near `(`" in ask(client, filter="( ;")


@pytest.mark.parametrize("ask", LONG.values(), ids=LONG)
def test_a_search_refuses_a_filter_that_is_too_long(client: TestClient, ask: Any) -> None:
    assert "400001 characters, at most 400000" in ask(client, filter="(" * 400_001)


@pytest.mark.parametrize("ask", SORTED.values(), ids=SORTED)
def test_a_search_refuses_a_clause_of_order_by_that_is_too_long(
    client: TestClient, ask: Any
) -> None:
    assert "2001 characters, at most 2000" in ask(client, order_by=["(" * 2_001])


def test_logged_models_cannot_be_sorted_by_a_field_that_is_too_long(client: TestClient) -> None:
    field = {"field_name": "metrics." + "m" * 2_000}
    message = SEARCHES["logged models"](client, order_by=[field])
    assert "order_by[0].field_name" in message
    assert len(message) < 1_000

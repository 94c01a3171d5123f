"""Filters and order_by clauses that are expensive to parse, for each search."""

from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.api import INVALID
from tests.metadata.conftest import only_sqlite
from tests.metadata.graphql_api import GraphQL

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
def api(settings: Settings, database: Database) -> GraphQL:
    return GraphQL(settings, database)


def _rest(path: str, method: str = "POST", **fields: Any) -> Any:
    def ask(api: GraphQL, **hostile: Any) -> str:
        *code, message = api.refusal(path, method, **fields, **hostile)
        assert tuple(code) == INVALID
        return message

    return ask


def _graphql(query: str) -> Any:
    def ask(api: GraphQL, **hostile: Any) -> str:
        data = {"orderBy" if name == "order_by" else name: of for name, of in hostile.items()}
        (message,) = api.query(query, data=data)["errors"]
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
def test_a_search_reads_a_filter_no_further_than_its_first_mistake(api: GraphQL, ask: Any) -> None:
    assert "at character 1, near `,`" in ask(api, filter=", ;")


@pytest.mark.parametrize("ask", LONG.values(), ids=LONG)
def test_a_search_refuses_a_filter_that_is_too_long(api: GraphQL, ask: Any) -> None:
    assert "400001 characters, at most 400000" in ask(api, filter="(" * 400_001)


@pytest.mark.parametrize("ask", SORTED.values(), ids=SORTED)
def test_a_search_refuses_a_clause_of_order_by_that_is_too_long(api: GraphQL, ask: Any) -> None:
    assert "2001 characters, at most 2000" in ask(api, order_by=["(" * 2_001])


def test_logged_models_cannot_be_sorted_by_a_field_that_is_too_long(api: GraphQL) -> None:
    field = {"field_name": "metrics." + "m" * 2_000}
    message = SEARCHES["logged models"](api, order_by=[field])
    assert "order_by[0].field_name" in message
    assert len(message) < 1_000

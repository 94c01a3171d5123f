"""Queries that GraphQL refuses: not allowed by the schema, too large, or no queries at all."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from graphql import get_introspection_query

from tandem_metadata.database.database import Database
from tandem_metadata.graphql import limits
from tandem_metadata.settings import Settings
from tests.metadata import in_process
from tests.metadata.graphql_api import GET_RUN, SEARCH_RUNS, GraphQL, statements


@pytest.fixture(scope="module")
def settings(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One database is enough, because these queries never reach it."""
    path = tmp_path_factory.mktemp("graphql") / "mlflow.db"
    shutil.copy(sqlite_template, path)
    return Settings(backend_store_uri=f"sqlite:///{path}", pool_timeout=1.0)


@pytest.fixture(scope="module")
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def api(settings: Settings, database: Database) -> Iterator[GraphQL]:
    with in_process.leaving():
        yield GraphQL(settings, database)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("{ nope }", "nope"),
        ("{ mlflowListArtifacts { nope } }", "nope"),
        ("{ mlflowGetRun }", "mlflowGetRun"),
        ("{ mlflowGetRun(input: {runId: 3}) { __typename } }", "3"),
        ('{ mlflowGetRun(input: {x: "3"}) { __typename } }', "'x'"),
        ("{ mlflowSearchRuns(input: {runViewType: SOME}) { __typename } }", "SOME"),
        (
            "query ($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) { __typename } }",
            "$data",
        ),
        ("subscription { x }", "subscription"),
        ("mutation { mlflowGetRun { __typename } }", "mlflowGetRun"),
        ("query A { __typename } query B { __typename }", "operation"),
        ("fragment F on Query { __typename }", "'F'"),
    ],
)
def test_graphql_refuses_a_query_that_the_schema_does_not_allow(
    api: GraphQL, query: str, named: str
) -> None:
    assert named in api.error(query)


def test_graphql_checks_variables(api: GraphQL) -> None:
    sentence = api.error(GET_RUN, data={"runId": 3})
    assert "$data" in sentence
    assert "runId" in sentence


def test_graphql_without_a_database_is_a_503(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "gone" / "mlflow.db"
    path.parent.mkdir()
    database = Database(replace(settings, backend_store_uri=f"sqlite:///{path}"))
    path.parent.rmdir()
    answer = GraphQL(settings, database).http.post("/graphql", json={"query": "{ __typename }"})
    assert answer.status_code == 503
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"


_CHAIN = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(20))


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (
            "{ a: mlflowGetRun { __typename } __typename ...F }"
            "fragment F on Query { mlflowGetExperiment ... on Query { d: __typename } }",
            "2 root fields, not 4",
        ),
        (
            "query A { a: __typename ...F } query B { ...F } fragment F on Query { b }",
            "2 root fields, not 3",
        ),
        (
            "{ mlflowGetRun { a: apiError { code } b: apiError { code } ...F } }"
            "fragment F on MlflowGetRunResponse { ... { c: apiError { code } } }",
            "2 aliases on one level, not 3",
        ),
        ("{a" * 17 + "}" * 17, "16 levels"),
        ("{ mlflowGetRun { run {" + "info { runId } " * 150 + "} } }", "300 selections"),
        (f"{{ ...F0 }} {_CHAIN} fragment F20 on Query {{ __typename }}", "300 selections"),
        ("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "300 selections"),
        ("{ ...F } fragment F on Query { a } fragment F on Query { b }", "two fragments"),
        (
            "{ ...F } fragment F on Query { a } fragment G on Query { a }",
            "Fragment 'G' is never used",
        ),
    ],
)
def test_graphql_refuses_a_query_that_is_too_large(
    settings: Settings, database: Database, query: str, named: str
) -> None:
    settings = replace(settings, graphql_max_root_fields=2, graphql_max_aliases=2)
    with statements() as seen:
        assert named in GraphQL(settings, database).error(query)
    assert seen == []


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    "query",
    [
        '{ mlflowSearchRuns(input: {experimentIds: ["0"], maxResults: %s}) { __typename } }',
        "query ($n: Int = %s) { mlflowSearchRuns(input: {maxResults: $n}) { __typename } }",
        '{ mlflowGetMetricHistoryBulkInterval(input: {runIds: ["x"], startStep: %s})'
        " { __typename } }",
    ],
)
def test_graphql_refuses_a_number_with_too_many_digits(api: GraphQL, query: str, sign: str) -> None:
    assert "too many digits" in api.error(query % f"{sign}{'9' * 4_301}")


_ALIASES = """{ mlflowSearchRuns(input: {experimentIds: ["0"]}) { runs { data {
  a: metrics { key value } b: metrics { key value } params { key } tags { key }
} inputs { datasetInputs { dataset { name } tags { key } } modelInputs { modelId } }
  outputs { modelOutputs { modelId } } modelVersions { version } } } }"""
_FOUND = '{ mlflowSearchRuns(input: {experimentIds: ["0"]}) { runs { %s } } }'


def test_graphql_limits_rows_fields_and_characters_of_an_answer(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mlflow.db"
    shutil.copy(str(settings.backend_store_uri).removeprefix("sqlite:///"), path)
    settings = replace(settings, backend_store_uri=f"sqlite:///{path}")
    database = Database(settings)
    api = GraphQL(settings, database)
    for number in range(3):
        api.fill(api.run(run_name=f"r{number}", tags=[{"key": "long", "value": "x" * 1000}]))
    with statements() as seen:
        api.data(_ALIASES)
    # Each run has a metric, a param, three tags, a dataset with a tag, two models, a version.
    rows = 3 * (1 + 1 + 3 + 1 + 2 + 1)
    monkeypatch.setattr(limits, "MAX_ROWS", rows)
    assert len(api.data(_ALIASES)["mlflowSearchRuns"]["runs"]) == 3
    monkeypatch.setattr(limits, "MAX_ROWS", rows - 1)
    assert f"more than {rows - 1} metrics, params, tags" in api.error(_ALIASES)
    monkeypatch.setattr(limits, "MAX_ROWS", 2)
    for part in (
        "data { metrics { key } }",
        "data { params { key } }",
        "data { tags { key } }",
        "inputs { datasetInputs { __typename } }",
        "inputs { modelInputs { modelId } }",
        "modelVersions { version }",
    ):
        with statements() as fewer:
            assert "more than 2 metrics, params, tags" in api.error(_FOUND % part)
        assert len(fewer) < len(seen)  # the query ends at the limit

    names = _FOUND % "info { runId }"  # an object, its list, and two fields a run with their own
    monkeypatch.setattr(limits, "MAX_FIELDS", 1 + 1 + 3 * 2)
    assert len(api.data(names)["mlflowSearchRuns"]["runs"]) == 3
    monkeypatch.setattr(limits, "MAX_FIELDS", 1 + 1 + 3 * 2 - 1)
    assert "more than 7 fields; ask for fewer runs" in api.error(names)

    monkeypatch.undo()
    monkeypatch.setattr(limits, "MAX_ANSWER_CHARACTERS", 2_500)
    assert "more than 2500 characters" in api.error(_FOUND % "data { tags { value } }")
    assert api.data(names)
    database.close()


def test_graphql_limits_are_settings(settings: Settings, database: Database) -> None:
    query = "{" + " ".join(f"a{n}: __typename" for n in range(11)) + "}"
    assert "10 root fields, not 11" in GraphQL(settings, database).error(query)
    more = replace(settings, graphql_max_root_fields=11)
    assert "10 aliases on one level, not 11" in GraphQL(more, database).error(query)
    more = replace(more, graphql_max_aliases=11)
    assert len(GraphQL(more, database).data(query)) == 11


def test_graphql_limits_allow_the_web_uis_largest_query() -> None:
    assert 5 * max(map(len, (GET_RUN, SEARCH_RUNS))) < limits.MAX_CHARACTERS


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Query") { name } }',
        get_introspection_query(),
    ],
)
def test_graphql_introspection_is_a_setting(
    settings: Settings, database: Database, query: str
) -> None:
    closed = GraphQL(settings, database).query(query)
    assert closed["data"] is None
    assert "introspection" in closed["errors"][0].lower()
    opened = GraphQL(replace(settings, graphql_introspection=True), database)
    assert opened.data(query)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "'query'"),
        (b"{", "JSON"),
        (b"[]", "object"),
        (b'[{"query": "{__typename}"}]', "object"),
        (b'{"query": 3}', "'query'"),
        (b'{"query": ""}', "'query'"),
        (b'{"query": "{"}', "GraphQL"),
        (b'{"query": "{a(x: \\"\\\\ud800\\")}"}', "GraphQL"),
        (b'{"query": "{__typename}", "variables": []}', "'variables'"),
        (b'{"query": "{__typename}", "variables": "x"}', "'variables'"),
        (b'{"query": "{__typename}", "operationName": 3}', "'operationName'"),
        (json.dumps({"query": "{a" * 3000}).encode(), "GraphQL"),
        (json.dumps({"query": "{" + "a " * 3000 + "}"}).encode(), "2000 tokens"),
        (json.dumps({"query": "{a}" + " " * 20_000}).encode(), "20000"),
    ],
)
def test_graphql_body_without_a_query_is_a_400(api: GraphQL, body: bytes, named: str) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = api.http.post("/graphql", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert named in answer.json()["message"]


def test_graphql_accepts_only_json_by_post(api: GraphQL) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/graphql"):
        answer = api.http.post(
            "/graphql", content='{"query": "{__typename}"}', headers={"Content-Type": kind}
        )
        assert answer.status_code == 400
        assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    answer = api.http.get("/graphql", params={"query": "{__typename}"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    large = json.dumps({"query": "{__typename}", "variables": {"x": "x" * 1024 * 1024}})
    answer = api.http.post("/graphql", content=large, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413

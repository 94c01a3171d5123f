"""The GraphQL service: choice of the operation, cached queries, internal errors."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tandem_metadata.database.database import Database
from tandem_metadata.graphql import resolvers, schema
from tandem_metadata.settings import Settings
from tests.metadata.graphql_api import GET_RUN, GraphQL


@pytest.fixture
def api(settings: Settings, database: Database) -> GraphQL:
    return GraphQL(settings, database)


def test_graphql_selects_one_of_several_operations_by_name(api: GraphQL) -> None:
    query = "query A { a: __typename } mutation B { b: __typename }"
    assert api.query(query, "A") == {"data": {"a": "Query"}, "errors": None}
    assert api.query(query, "B") == {"data": {"b": "Mutation"}, "errors": None}
    unknown = api.query(query, "C")
    assert unknown["data"] is None
    assert "'C'" in unknown["errors"][0]


def test_graphql_caches_parsed_queries_but_no_answers(api: GraphQL) -> None:
    ids = [api.run(run_name=name) for name in "ab"]
    query = "query ($id: String) { mlflowGetRun(input: {runId: $id}) { run { info { runName } } } }"
    names = [api.data(query, id=run_id)["mlflowGetRun"]["run"]["info"]["runName"] for run_id in ids]
    assert names == ["a", "b"]
    api.call("runs/update", run_id=ids[0], run_name="c")
    assert api.data(query, id=ids[0])["mlflowGetRun"]["run"]["info"]["runName"] == "c"


def test_graphql_concurrent_requests_do_not_mix(settings: Settings, database: Database) -> None:
    api = GraphQL(settings, database)
    ids = [api.run(run_name=str(number)) for number in range(6)]
    for run_id in ids:
        api.call("runs/log-parameter", run_id=run_id, key="own", value=run_id)

    def own_param(run_id: str) -> str:
        found = GraphQL(settings, database).data(GET_RUN, data={"runId": run_id})
        return str(found["mlflowGetRun"]["run"]["data"]["params"][0]["value"])

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(own_param, ids * 3)) == ids * 3


def test_graphql_internal_error_is_a_500(api: GraphQL, database: Database) -> None:
    run_id = api.run()
    with database.write() as conn:
        conn.execute(text("DROP TABLE latest_metrics"))
    body = {"query": GET_RUN, "variables": {"data": {"runId": run_id}}}
    answer = api.http.post("/graphql", json=body)
    assert answer.status_code == 500
    assert answer.json()["error_code"] == "INTERNAL_ERROR"
    assert "latest_metrics" not in answer.text


def test_graphql_every_field_of_the_schema_has_a_resolver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = schema.build().type_map
    fields = {
        (name, field) for name, kind in kinds.items() for field in getattr(kind, "fields", ())
    }
    assert resolvers.RESOLVERS.keys() <= fields
    assert resolvers.SOURCES.keys() <= kinds.keys()
    unset = {(name, field) for name, empty in resolvers.NEVER_SET.items() for field in empty}
    assert unset <= fields
    monkeypatch.setattr(schema, "NEVER_SET", {})
    with pytest.raises(LookupError):
        schema.build.__wrapped__()

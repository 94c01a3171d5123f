"""Answers of GraphQL, over HTTP and on both databases."""

from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.graphql import resolvers
from tandem_metadata.settings import Settings
from tests.metadata.graphql_api import GET_EXPERIMENT, GET_RUN, SEARCH_RUNS, GraphQL, statements

_MAX = 1.7976931348623157e308


@pytest.fixture
def api(settings: Settings, database: Database) -> GraphQL:
    return GraphQL(settings, database)


def test_graphql_answers_the_uis_experiment_query(api: GraphQL) -> None:
    tag = {"key": "team", "value": "ops"}
    experiment_id = api.experiment("alpha", tags=[tag], artifact_location="s3://b/p")
    answer = api.data(GET_EXPERIMENT, input={"experimentId": experiment_id})
    experiment = answer["mlflowGetExperiment"]["experiment"]
    created = experiment["creationTime"]
    assert int(created) > 1_700_000_000_000
    assert answer == {
        "mlflowGetExperiment": {
            "__typename": "MlflowGetExperimentResponse",
            "apiError": None,
            "experiment": {
                "__typename": "MlflowExperiment",
                "artifactLocation": "s3://b/p",
                "creationTime": created,
                "effectiveTraceArchivalRetention": "",
                "experimentId": experiment_id,
                "lastUpdateTime": created,
                "lifecycleStage": "active",
                "name": "alpha",
                "tags": [{"__typename": "MlflowExperimentTag", **tag}],
            },
        }
    }


def test_graphql_answers_the_uis_run_query(api: GraphQL) -> None:
    experiment_id = api.experiment("alpha", artifact_location="s3://b/p")
    run_id = api.run(experiment_id, run_name="first", start_time=123, user_id="bob")
    api.fill(run_id)
    api.call("runs/update", run_id=run_id, status="FINISHED", end_time=456)
    run = api.data(GET_RUN, data={"runId": run_id})["mlflowGetRun"]
    changed = run["run"]["experiment"].pop("lastUpdateTime")
    assert changed.isdecimal()
    assert run == {
        "__typename": "MlflowGetRunResponse",
        "apiError": None,
        "run": {
            "__typename": "MlflowRunExtension",
            "info": {
                "__typename": "MlflowRunInfo",
                "artifactUri": f"s3://b/p/{run_id}/artifacts",
                "endTime": "456",
                "experimentId": experiment_id,
                "lifecycleStage": "active",
                "runName": "first",
                "runUuid": run_id,
                "startTime": "123",
                "status": "FINISHED",
                "userId": "bob",
            },
            "experiment": {
                "__typename": "MlflowExperiment",
                "artifactLocation": "s3://b/p",
                "experimentId": experiment_id,
                "lifecycleStage": "active",
                "name": "alpha",
                "tags": [],
            },
            "modelVersions": [
                {
                    "__typename": "MlflowModelVersion",
                    "name": f"of-{run_id}",
                    "source": "s3://b/c",
                    "status": "READY",
                    "version": "1",
                }
            ],
            "data": {
                "__typename": "MlflowRunData",
                "metrics": [
                    {
                        "__typename": "MlflowMetricExtension",
                        "key": "loss",
                        "step": "1099511627776",
                        "timestamp": "7",
                        "value": 0.5,
                    }
                ],
                "params": [{"__typename": "MlflowParam", "key": "lr", "value": "0.1"}],
                "tags": [
                    {"__typename": "MlflowRunTag", "key": "mlflow.runName", "value": "first"},
                    {"__typename": "MlflowRunTag", "key": "t", "value": "v"},
                ],
            },
            "inputs": {
                "__typename": "MlflowRunInputs",
                "datasetInputs": [
                    {
                        "__typename": "MlflowDatasetInput",
                        "dataset": {
                            "__typename": "MlflowDataset",
                            "digest": "1",
                            "name": "d",
                            "profile": "",
                            "schema": "",
                            "source": "{}",
                            "sourceType": "http",
                        },
                        "tags": [
                            {
                                "__typename": "MlflowInputTag",
                                "key": "mlflow.data.context",
                                "value": "train",
                            }
                        ],
                    }
                ],
                "modelInputs": [{"__typename": "MlflowModelInput", "modelId": "m-in"}],
            },
            "outputs": {
                "__typename": "MlflowRunOutputs",
                "modelOutputs": [
                    {"__typename": "MlflowModelOutput", "modelId": "m-out", "step": "3"}
                ],
            },
        },
    }


def test_graphql_unset_fields_of_a_run_are_protobufs_defaults(api: GraphQL) -> None:
    run_id = api.run()
    run = api.data(GET_RUN, data={"runUuid": run_id})["mlflowGetRun"]["run"]
    assert (run["info"]["endTime"], run["info"]["userId"]) == ("0", "")
    assert run["data"]["metrics"] == run["data"]["params"] == run["modelVersions"] == []
    assert run["inputs"] == {
        "__typename": "MlflowRunInputs", "datasetInputs": [], "modelInputs": [],
    }  # fmt: skip
    assert run["outputs"] == {"__typename": "MlflowRunOutputs", "modelOutputs": []}


@pytest.mark.parametrize(
    ("logged", "shown"),
    [("NaN", None), ("Infinity", _MAX), ("-Infinity", -_MAX), (3, 3.0), (-0.0, -0.0)],
)
def test_graphql_metric_is_a_number_or_null(api: GraphQL, logged: Any, shown: float | None) -> None:
    run_id = api.run()
    api.call("runs/log-metric", run_id=run_id, key="m", value=logged, timestamp=1)
    query = """query ($id: String) {
        mlflowGetRun(input: {runId: $id}) { run { data { metrics { value } } } }
        mlflowGetMetricHistoryBulkInterval(input: {runIds: [$id], metricKey: "m"}) {
            metrics { value }
        }
    }"""
    found = api.data(query, id=run_id)
    assert found["mlflowGetRun"]["run"]["data"]["metrics"] == [{"value": shown}]
    assert found["mlflowGetMetricHistoryBulkInterval"]["metrics"] == [{"value": shown}]


def test_graphql_samples_a_metrics_history(api: GraphQL) -> None:
    ids = [api.run(), api.run()]
    for run_id in ids:
        for step in range(10):
            fields = {"key": "m", "value": step / 2, "timestamp": 2**40, "step": step}
            api.call("runs/log-metric", run_id=run_id, **fields)
    query = """query GetMetricHistoryBulkInterval($data: MlflowGetMetricHistoryBulkIntervalInput!) {
        mlflowGetMetricHistoryBulkInterval(input: $data) {
            __typename
            metrics { timestamp step runId key value }
            apiError { code message }
        }
    }"""
    data = {"runIds": ids, "metricKey": "m", "startStep": 2, "endStep": 8, "maxResults": 2}
    assert api.data(query, data=data) == {
        "mlflowGetMetricHistoryBulkInterval": {
            "__typename": "MlflowGetMetricHistoryBulkIntervalResponse",
            "apiError": None,
            "metrics": [
                {
                    "timestamp": "1099511627776",
                    "step": str(step),
                    "runId": run_id,
                    "key": "m",
                    "value": step / 2,
                }
                for run_id in ids
                for step in (2, 8)
            ],
        }
    }


@pytest.mark.parametrize("operation", ["query", "mutation"])
def test_graphql_searches_runs_by_pages(api: GraphQL, operation: str) -> None:
    first, second = api.experiment("one"), api.experiment("two")
    ids = [api.run(experiment, start_time=at) for at, experiment in enumerate((first, second), 1)]
    deleted = api.run(first, start_time=3)
    api.call("runs/delete", run_id=deleted)
    for run_id in ids:
        api.fill(run_id)
    query = SEARCH_RUNS.replace("query", operation, 1)
    data: dict[str, Any] = {
        "experimentIds": [first, second],
        "filter": "params.lr = '0.1'",
        "runViewType": "ALL",
        "orderBy": ["start_time DESC"],
        "maxResults": 1,
    }
    names, experiment_names, versions = [], [], []
    for _ in ids:
        page = api.data(query, data=data)["mlflowSearchRuns"]
        (run,) = page["runs"]
        assert run["data"]["metrics"][0]["key"] == "loss"
        names.append(run["info"]["runUuid"])
        experiment_names.append(run["experiment"]["name"])
        versions += [version["name"] for version in run["modelVersions"]]
        data["pageToken"] = page["nextPageToken"]
    assert names == ids[::-1]
    assert experiment_names == ["two", "one"]
    assert versions == [f"of-{run_id}" for run_id in ids[::-1]]
    assert data["pageToken"] == ""


def test_graphql_page_size_is_limited(api: GraphQL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolvers, "MAX_PAGE", 1)
    for _ in range(2):
        api.fill(api.run())
    query = """query ($most: LongString, $runs: Int) {
        mlflowSearchRuns(input: {experimentIds: ["0"], maxResults: $runs}) {
            runs { info { runId } } nextPageToken
        }
        mlflowSearchModelVersions(input: {maxResults: $most}) {
            modelVersions { name } nextPageToken
        }
    }"""
    for most in ({}, {"most": "200", "runs": 200}):
        found = api.data(query, **most)
        assert len(found["mlflowSearchRuns"]["runs"]) == 1
        assert found["mlflowSearchRuns"]["nextPageToken"]
        assert len(found["mlflowSearchModelVersions"]["modelVersions"]) == 1
        assert found["mlflowSearchModelVersions"]["nextPageToken"]


def test_graphql_searches_model_versions(api: GraphQL) -> None:
    run_id = api.run()
    api.fill(run_id)
    query = """query ($data: MlflowSearchModelVersionsInput) {
        mlflowSearchModelVersions(input: $data) {
            modelVersions {
                __typename name version creationTimestamp userId currentStage description source
                runId status statusMessage tags { key } runLink aliases
                modelId modelParams { name } modelMetrics { key }
            }
            nextPageToken
        }
    }"""
    for most in (5, "5", None):
        data = {"filter": f"run_id = '{run_id}'", "maxResults": most}
        found = api.data(query, data=data)["mlflowSearchModelVersions"]
        (version,) = found["modelVersions"]
        assert int(version.pop("creationTimestamp")) > 1_700_000_000_000
        assert version == {
            "__typename": "MlflowModelVersion",
            "name": f"of-{run_id}",
            "version": "1",
            "userId": "",
            "currentStage": "None",
            "description": "",
            "source": "s3://b/c",
            "runId": run_id,
            "status": "READY",
            "statusMessage": "",
            "tags": [],
            "runLink": "",
            "aliases": [],
            "modelId": "",
            "modelParams": [],
            "modelMetrics": [],
        }
        assert found["nextPageToken"] == ""
    assert api.data("{ mlflowSearchModelVersions { nextPageToken } }")


def test_graphql_searches_datasets_by_a_mutation_as_in_mlflow(api: GraphQL) -> None:
    api.fill(api.run())
    query = """mutation {
        mlflowSearchDatasets(input: {experimentIds: ["0"]}) {
            datasetSummaries { __typename experimentId name digest context }
        }
    }"""
    (summary,) = api.data(query)["mlflowSearchDatasets"]["datasetSummaries"]
    assert summary == {
        "__typename": "MlflowDatasetSummary",
        "experimentId": "0",
        "name": "d",
        "digest": "1",
        "context": "train",
    }


def test_graphql_reads_only_the_fields_asked_for(api: GraphQL) -> None:
    run_id = api.run()
    api.fill(run_id)
    parts = {
        "info { runName }": 0,
        "data { params { key } }": 1,
        "data { metrics { key } tags { key } }": 2,
        "inputs { datasetInputs { dataset { name } } }": 1,
        "inputs { modelInputs { modelId } } outputs { modelOutputs { modelId } }": 1,
        "experiment { name }": 2,
        "modelVersions { name }": 2,
        "a: modelVersions { name } b: modelVersions { version } c: data { params { key } }": 3,
    }
    for part, more in parts.items():
        query = (
            f"query ($id: String) {{ mlflowGetRun(input: {{runId: $id}}) {{ run {{ {part} }} }} }}"
        )
        with statements() as seen:
            api.data(query, id=run_id)
        assert len(seen) == 1 + more, f"{part}: {seen}"


def test_graphql_reads_many_runs_by_as_many_statements_as_one(api: GraphQL) -> None:
    experiment_ids = [api.experiment(name) for name in ("a", "b")]
    for experiment_id in (*experiment_ids, *experiment_ids):
        api.fill(api.run(experiment_id))
    api.data(SEARCH_RUNS, data={"experimentIds": experiment_ids})  # the first search reads indexes
    counts = []
    for most in (1, 4):
        data = {"experimentIds": experiment_ids, "maxResults": most}
        with statements() as seen:
            found = api.data(SEARCH_RUNS, data=data)["mlflowSearchRuns"]["runs"]
        assert len(found) == most
        assert all(run["modelVersions"] and run["inputs"]["datasetInputs"] for run in found)
        counts.append(len(seen))
    assert counts == [10, 10]


def test_graphql_unknown_entities_are_null_beside_known_ones(api: GraphQL) -> None:
    run_id = api.run()
    query = """query ($id: String, $experiment: String) {
        lost: mlflowGetRun(input: {runId: "lost"}) { run { info { runId } } }
        mlflowGetExperiment(input: {experimentId: $experiment}) { experiment { name } }
        mlflowGetRun(input: {runId: $id}) { run { info { runId } } }
    }"""
    answer = api.query(query, id=run_id, experiment="987654")
    assert answer == {
        "data": {
            "lost": None,
            "mlflowGetExperiment": None,
            "mlflowGetRun": {"run": {"info": {"runId": run_id}}},
        },
        "errors": [
            "Run with id=lost not found",
            "No Experiment with id=987654 exists; check the ID and the tracking URI.",
        ],
    }


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ('mlflowGetExperiment(input: {experimentId: "x"})', "'x'"),
        ("mlflowGetExperiment(input: {})", "'experiment_id'"),
        ("mlflowGetExperiment(input: null)", "'experiment_id'"),
        ("mlflowGetExperiment", "'experiment_id'"),
        ("mlflowGetRun", "Run with id= not found"),
        (r'mlflowGetRun(input: {runId: "a\u0000b"})', "NUL"),
        ('mlflowSearchRuns(input: {experimentIds: ["0"], filter: "bad"})', "operator"),
        ("mlflowSearchRuns(input: {experimentIds: [null]})", "experiment_ids[0]"),
        ('mlflowSearchRuns(input: {experimentIds: ["0"], maxResults: 0})', "0"),
        ('mlflowSearchRuns(input: {experimentIds: ["0"], maxResults: 50001})', "50001"),
        ("mlflowSearchModelVersions(input: {maxResults: 200001})", "200001"),
        ('mlflowSearchRuns(input: {experimentIds: ["0"], pageToken: "x"})', "page_token"),
        ('mlflowSearchModelVersions(input: {maxResults: "many"})', "'max_results'"),
        ("mlflowSearchModelVersions(input: {maxResults: true})", "'max_results'"),
        ('mlflowGetMetricHistoryBulkInterval(input: {metricKey: "m"})', "'run_ids'"),
        ('mlflowGetMetricHistoryBulkInterval(input: {runIds: ["a"]})', "'metric_key'"),
    ],
)
def test_graphql_refuses_the_input_that_rest_refuses(api: GraphQL, field: str, named: str) -> None:
    answer = api.query(f"{{ {field} {{ __typename }} }}")
    assert answer["data"] == {field.partition("(")[0]: None}
    (sentence,) = answer["errors"]
    assert named in sentence

"""GraphQL's fields are guarded one by one: a refused one is null and has an error."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import ADMIN, Guarded

GET_EXPERIMENT = "mlflowGetExperiment(input: {experimentId: $id}) { experiment { name } }"
GET_RUN = """mlflowGetRun(input: {runId: $id}) { run {
    info { runId } experiment { name } modelVersions { name runId }
    inputs { modelInputs { modelId } } outputs { modelOutputs { modelId } } } }"""
GET_RUN_BY_UUID = "mlflowGetRun(input: {runUuid: $id}) { run { info { runId } } }"
LIST_ARTIFACTS = "mlflowListArtifacts(input: {runId: $id}) { rootUri }"
HISTORY = """mlflowGetMetricHistoryBulkInterval(
    input: {runIds: $ids, metricKey: "loss", maxResults: 9}) { metrics { runId value } }"""
SEARCH_RUNS = """mlflowSearchRuns(input: {experimentIds: $ids}) { runs {
    info { runId } modelVersions { name } inputs { modelInputs { modelId } } } }"""
SEARCH_DATASETS = "mlflowSearchDatasets(input: {experimentIds: $ids}) { datasetSummaries { name } }"
SEARCH_VERSIONS = """mlflowSearchModelVersions(input: {filter: $filter}) {
    modelVersions { name runId runLink } }"""


@dataclass
class World:
    """Two teams' experiments, each with a run that made a model of their own."""

    service: Guarded

    def __post_init__(self) -> None:
        self.experiments = [self.service.experiment(name) for name in ("red", "blue")]
        self.runs = [self.service.run(each) for each in self.experiments]
        for color, run in zip(("red", "blue"), self.runs, strict=True):
            dataset = {"name": color, "digest": "1", "source_type": "http", "source": "{}"}
            self._call(
                "runs/log-inputs",
                run_id=run,
                datasets=[{"dataset": dataset}],
                models=[{"model_id": f"m-{color}"}],
            )
            self._call("runs/log-metric", run_id=run, key="loss", value=1, timestamp=1)
            self._call("runs/outputs", run_id=run, models=[{"model_id": "m-out", "step": 1}])
            self.service.registered(color)
            self.service.version(color, run_id=run, run_link="http://run")
        # A version of the other team's model, made by a run that both may read.
        self.service.version("blue", run_id=self.runs[0])

    def _call(self, path: str, **fields: Any) -> None:
        self.service.call(ADMIN, "POST", path, **fields)

    def query(self, of: str, *fields: str, kind: str = "query", **variables: Any) -> Any:
        types = {"id": "String", "ids": "[String]", "filter": "String"}
        declared = ", ".join(f"${name}: {types[name]}" for name in variables)
        head = f"{kind} ({declared})" if declared else kind
        query = f"{head} {{ {' '.join(fields)} }}"
        status, answer = self.service.ask(of, "POST", "/graphql", query=query, variables=variables)
        assert status == 200, answer
        return answer

    def data(self, of: str, field: str, kind: str = "query", **variables: Any) -> Any:
        """The one field of an answer without errors."""
        answer = self.query(of, field, kind=kind, **variables)
        assert answer["errors"] is None
        [found] = answer["data"].values()
        return found

    def refused(self, of: str, field: str, kind: str = "query", **variables: Any) -> str:
        """The error of the one field of an answer, which is null."""
        answer = self.query(of, field, kind=kind, **variables)
        assert [*answer["data"].values()] == [None]
        [error] = answer["errors"]
        assert error.startswith("Permission denied"), error
        return str(error)


@pytest.fixture
def world(service: Guarded) -> World:
    return World(service)


def test_graphql_opens_what_a_user_may_read_and_refuses_the_rest(world: World) -> None:
    red, blue = world.experiments
    mine, other = world.runs
    world.service.user("ann", ("experiment", red, "READ"), ("registered_model", "red", "READ"))
    assert world.data("ann", GET_EXPERIMENT, id=red)["experiment"]["name"] == "red"
    assert "READ" in world.refused("ann", GET_EXPERIMENT, id=blue)
    for spelled in (f"0{blue}", f" {blue}", f"+{blue}"):
        world.refused("ann", GET_EXPERIMENT, id=spelled)

    run = world.data("ann", GET_RUN, id=mine)["run"]
    assert run["info"]["runId"] == mine
    assert run["experiment"]["name"] == "red"
    assert run["modelVersions"] == [{"name": "red", "runId": mine}]
    assert {
        each["name"] for each in world.data(ADMIN, GET_RUN, id=mine)["run"]["modelVersions"]
    } == {
        "red",
        "blue",
    }
    for field in (GET_RUN, GET_RUN_BY_UUID, LIST_ARTIFACTS):
        for run_id in (other, "0" * 32):
            assert run_id in world.refused("ann", field, id=run_id)

    history = world.data("ann", HISTORY, ids=[mine])["metrics"]
    assert [each["runId"] for each in history] == [mine]
    world.refused("ann", HISTORY, ids=[mine, other])


@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_graphql_search_holds_what_a_user_may_read(world: World, kind: str) -> None:
    red, blue = world.experiments
    world.service.user("ann", ("experiment", red, "READ"), ("registered_model", "red", "READ"))
    found = world.data("ann", SEARCH_RUNS, kind, ids=[red, blue])["runs"]
    assert [each["info"]["runId"] for each in found] == [world.runs[0]]
    assert [each["name"] for each in found[0]["modelVersions"]] == ["red"]
    world.refused("ann", SEARCH_RUNS, kind, ids=[blue])
    world.refused("ann", SEARCH_RUNS, kind, ids=[blue, f"0{blue}"])
    assert len(world.data(ADMIN, SEARCH_RUNS, kind, ids=[red, blue])["runs"]) == 2
    if kind == "mutation":
        found = world.data("ann", SEARCH_DATASETS, kind, ids=[red, blue, f" {blue}"])
        assert found["datasetSummaries"] == [{"name": "red"}]
        world.refused("ann", SEARCH_DATASETS, kind, ids=[blue])
    else:
        found = world.data("ann", SEARCH_VERSIONS, filter="")["modelVersions"]
        assert [each["name"] for each in found] == ["red"]
        assert len(world.data(ADMIN, SEARCH_VERSIONS, filter="")["modelVersions"]) == 3


def test_graphql_refuses_one_field_and_answers_the_others(world: World) -> None:
    red, blue = world.experiments
    world.service.user("ann", ("experiment", red, "READ"))
    mine = (
        f'mine: mlflowGetExperiment(input: {{experimentId: "{red}"}}) {{ experiment {{ name }} }}'
    )
    other = mine.replace("mine", "other").replace(f'"{red}"', f'"{blue}"')
    answer = world.query("ann", mine, other)
    assert answer["data"] == {"mine": {"experiment": {"name": "red"}}, "other": None}
    assert len(answer["errors"]) == 1
    fragment = f"... on Query {{ {other} }}"
    assert world.query("ann", mine, fragment)["data"] == answer["data"]


def test_graphql_withholds_what_is_denied(world: World) -> None:
    red, _ = world.experiments
    reads = (("experiment", "*", "READ"), ("registered_model", "*", "READ"))
    world.service.user("ann", *reads)
    world.service.user("no-runs", *reads, ("run", "*", "DENY"))
    world.service.user("no-models", *reads, ("logged_model", "*", "DENY"))
    world.service.user("no-versions", *reads, ("registered_model_version", "*", "DENY"))

    versions = world.data("ann", SEARCH_VERSIONS, filter="name = 'red'")["modelVersions"]
    assert versions == [{"name": "red", "runId": world.runs[0], "runLink": "http://run"}]
    versions = world.data("no-runs", SEARCH_VERSIONS, filter="name = 'red'")["modelVersions"]
    assert versions == [{"name": "red", "runId": "", "runLink": ""}]
    by_run = f"run_id = '{world.runs[0]}'"
    assert world.data("ann", SEARCH_VERSIONS, filter=by_run)["modelVersions"]
    assert "run_id" in world.refused("no-runs", SEARCH_VERSIONS, filter=by_run)
    world.refused("no-runs", GET_RUN, id=world.runs[0])
    world.refused("no-runs", SEARCH_RUNS, ids=[red])

    run = world.data("ann", GET_RUN, id=world.runs[0])["run"]
    assert run["inputs"]["modelInputs"]
    assert run["outputs"]["modelOutputs"]
    run = world.data("no-models", GET_RUN, id=world.runs[0])["run"]
    assert (run["inputs"]["modelInputs"], run["outputs"]["modelOutputs"]) == ([], [])
    [found] = world.data("no-models", SEARCH_RUNS, ids=[red])["runs"]
    assert found["inputs"]["modelInputs"] == []

    assert world.data("no-versions", GET_RUN, id=world.runs[0])["run"]["modelVersions"] == []
    assert world.data("no-versions", SEARCH_VERSIONS, filter="")["modelVersions"] == []


@only_sqlite
def test_graphql_asks_for_a_user(world: World) -> None:
    status, _ = world.service.ask(None, "POST", "/graphql", query="{ __typename }")
    assert status == 401


@only_sqlite
def test_graphql_errors_of_input_belong_to_their_field(world: World) -> None:
    world.service.user("ann", ("experiment", "*", "READ"))
    answer = world.query("ann", SEARCH_VERSIONS, GET_EXPERIMENT, filter="nonsense", id="0")
    assert answer["data"]["mlflowSearchModelVersions"] is None
    assert answer["data"]["mlflowGetExperiment"]["experiment"]["name"] == "Default"
    assert len(answer["errors"]) == 1

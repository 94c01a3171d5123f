"""GraphQL: the web UI's queries, other ones, and what is none."""

import json
from pathlib import Path
from typing import Any

from tests.system.peer.ask import ARTIFACTS, Ask, post

_FILES = f"{ARTIFACTS}artifacts"
_AT = 1670000000000
_QUERIES = Path(__file__).parents[3] / "queries"
_HEADERS = {"Content-Type": "application/json"}


def _ask(name: str, query: str, **variables: Any) -> Ask:
    return post(name, "/graphql", {"query": query, "variables": variables})


def _page(name: str, of: str, operation: str | None = None, **variables: Any) -> Ask:
    """A query as the web UI has it."""
    query = (_QUERIES / f"{of}.graphql").read_text()
    body = {"operationName": operation, "variables": variables, "query": query}
    return post(name, "/graphql", body)


def _run(symbol: str, experiment: str, **more: Any) -> Ask:
    body = {"experiment_id": f"${{{experiment}}}", "run_name": symbol, "start_time": _AT, **more}
    return post(f"make {symbol}", "runs/create", body, **{symbol: "run.info.run_id"})


def _metric(value: Any, key: str, step: int = 0) -> Ask:
    body = {"run_id": "${g1}", "key": key, "value": value, "timestamp": _AT, "step": step}
    return post(f"log {key} {value} at {step}", "runs/log-metric", body)


def _search(name: str, what: str) -> Ask:
    fields = "runs { info { runName status } modelVersions { name } experiment { name } }"
    return _ask(name, f"{{ mlflowSearchRuns({what}) {{ {fields} nextPageToken }} }}")


def _samples(name: str, what: str) -> Ask:
    fields = "metrics { key value runId step timestamp __typename } apiError { code }"
    return _ask(name, f"{{ mlflowGetMetricHistoryBulkInterval({what}) {{ {fields} }} }}")


def _experiment(name: str, what: str) -> Ask:
    return _ask(name, f"{{ mlflowGetExperiment{what} {{ experiment {{ name }} }} }}")


def _artifacts(name: str, what: str) -> Ask:
    fields = "rootUri files { path isDir fileSize __typename } nextPageToken apiError { code }"
    return _ask(name, f"{{ mlflowListArtifacts(input: {{{what}}}) {{ {fields} }} }}")


def _body(name: str, body: bytes, kind: str = "application/json") -> Ask:
    return Ask(name, "POST", "/graphql", body, headers={"Content-Type": kind})


_BOTH = 'experimentIds: ["${ql}", "${ql2}"], orderBy: ["tags.mlflow.runName"]'
_DATASET = {"name": "d", "digest": "1", "source_type": "local", "source": "/d", "schema": "{}"}
_VERSIONS = """query ($input: MlflowSearchModelVersionsInput) {
  mlflowSearchModelVersions(input: $input) {
    __typename
    modelVersions {
      __typename name version creationTimestamp lastUpdatedTimestamp userId currentStage description
      source runId status statusMessage tags { key value __typename } runLink aliases modelId
      modelParams { name value } modelMetrics { key value }
    }
    nextPageToken
    apiError { code message helpUrl traceId errorDetails { field message } }
  }
}"""
_OF_RUN = {"filter": "run_id = '${g1}'"}
_TWO = "query A { __typename } mutation B { __typename }"

REQUESTS = [
    post(
        "make ql",
        "experiments/create",
        {"name": "ql", "tags": [{"key": "b", "value": "2"}, {"key": "a", "value": "é"}]},
        ql="experiment_id",
    ),
    post("make ql2", "experiments/create", {"name": "ql2"}, ql2="experiment_id"),
    _run("g1", "ql", user_id="eve", tags=[{"key": "mlflow.user", "value": "eve"}]),
    _run("g2", "ql2"),
    _metric(0.5, "loss"),
    _metric(0.25, "loss", 2**40),
    _metric(3, "whole"),
    _metric("NaN", "nan"),
    _metric("Infinity", "most"),
    _metric("-Infinity", "least"),
    post("log a param", "runs/log-parameter", {"run_id": "${g1}", "key": "p", "value": "v"}),
    post(
        "log inputs",
        "runs/log-inputs",
        {
            "run_id": "${g1}",
            "datasets": [
                {"dataset": _DATASET, "tags": [{"key": "mlflow.data.context", "value": "train"}]}
            ],
            "models": [{"model_id": "m-" + "1" * 32}],
        },
    ),
    post(
        "log outputs",
        "runs/outputs",
        {"run_id": "${g1}", "models": [{"model_id": "m-" + "2" * 32, "step": 7}]},
    ),
    post("make a model", "registered-models/create", {"name": "ql-model"}),
    *(
        post(
            f"make version {version}",
            "model-versions/create",
            {"name": "ql-model", "source": "s3://b/c", "run_id": run, "tags": tags},
        )
        for version, run, tags in ((1, "${g1}", [{"key": "k", "value": "v"}]), (2, "${g2}", []))
    ),
    post("end", "runs/update", {"run_id": "${g1}", "status": "FINISHED", "end_time": _AT + 5}),
    _page("the header of an experiment", "get_experiment", input={"experimentId": "${ql}"}),
    _page("the header of experiment 0", "get_experiment", input={"experimentId": "0"}),
    _page("the page of a run", "get_run", "GetRun", data={"runId": "${g1}"}),
    _page("the page of an empty run", "get_run", "GetRun", data={"runUuid": "${g2}"}),
    _page("runs with everything", "search_runs", data={"experimentIds": ["${ql}"]}),
    _ask(
        "all other fields of a run",
        """query ($id: String) { mlflowGetRun(input: {runId: $id}) { run {
            info { runId runUuid } experiment { workspace effectiveTraceArchivalRetention }
            data { metrics { key datasetName datasetDigest modelId runId } }
            modelVersions { creationTimestamp runId tags { key } currentStage }
        } } }""",
        id="${g1}",
    ),
    _page("an unknown experiment", "get_experiment", input={"experimentId": "987654321"}),
    _page("a word for an experiment", "get_experiment", input={"experimentId": "word"}),
    _page("an unknown run", "get_run", data={"runId": "0" * 32}),
    _page("no run", "get_run", data={}),
    _page("a number for a run", "get_run", data={"runId": 3}),
    _page("a page without its variable", "get_run"),
    _page("an input with an unknown field", "get_run", data={"runId": "a", "x": 1}),
    _page("an operation of another name", "get_run", "Other", data={"runId": "a"}),
    _page("an empty name of an operation", "get_run", "", data={"runId": "a"}),
    _experiment("an experiment without an id", "(input: {})"),
    _experiment("an experiment with an empty id", '(input: {experimentId: ""})'),
    _experiment("an experiment by null", "(input: null)"),
    _experiment("an experiment without an input", ""),
    _experiment("an experiment by a number", "(input: {experimentId: 0})"),
    _ask(
        "two runs, one unknown",
        """query ($id: String) {
            a: mlflowGetRun(input: {runId: "x"}) { run { info { runName } } }
            b: mlflowGetRun(input: {runId: $id}) { run { info { runName } } }
        }""",
        id="${g1}",
    ),
    _search("runs of two experiments", f"input: {{{_BOTH}}}"),
    _search(
        "a page of runs",
        f"input: {{{_BOTH}, maxResults: 1}}",
    ),
    _search("runs by a param", """input: {experimentIds: ["${ql}"], filter: "params.p = 'v'"}"""),
    _search("runs of no experiment", "input: {experimentIds: []}"),
    _search("runs by no filter", 'input: {experimentIds: ["${ql}"], filter: "bad"}'),
    _search("runs by a strange token", 'input: {experimentIds: ["${ql}"], pageToken: "x"}'),
    _search("runs of null", "input: {experimentIds: [null]}"),
    _search("one experiment for a list", 'input: {experimentIds: "${ql}"}'),
    _search("too many runs", 'input: {experimentIds: ["${ql}"], maxResults: 100000}'),
    _search("deleted runs", 'input: {experimentIds: ["${ql}"], runViewType: DELETED_ONLY}'),
    _search("an unknown view", 'input: {experimentIds: ["${ql}"], runViewType: SOME}'),
    _ask(
        "runs by a mutation",
        """mutation {
            mlflowSearchRuns(input: {experimentIds: ["${ql}"]}) { runs { info { runName } } }
        }""",
    ),
    _samples("samples of loss", 'input: {runIds: ["${g1}", "${g2}"], metricKey: "loss"}'),
    _samples(
        "samples of some steps",
        'input: {runIds: ["${g1}"], metricKey: "loss", startStep: 0, endStep: 5, maxResults: 10}',
    ),
    _samples("samples of infinity", 'input: {runIds: ["${g1}"], metricKey: "most"}'),
    _samples("samples of NaN", 'input: {runIds: ["${g1}"], metricKey: "nan"}'),
    _samples("samples of no run", 'input: {metricKey: "loss"}'),
    _samples("samples of no metric", 'input: {runIds: ["${g1}"]}'),
    _samples(
        "samples of a step beyond 32 bits",
        'input: {runIds: ["${g1}"], metricKey: "loss", startStep: 0, endStep: 4294967296}',
    ),
    _ask("versions of a run", _VERSIONS, input=_OF_RUN),
    _ask("versions, 5", _VERSIONS, input={**_OF_RUN, "maxResults": 5}),
    _ask("versions, '5'", _VERSIONS, input={**_OF_RUN, "maxResults": "5"}),
    _ask("a page of versions", _VERSIONS, input={"filter": "name = 'ql-model'", "maxResults": 1}),
    _ask("versions by no filter", _VERSIONS, input={"filter": "bad"}),
    _ask(
        "datasets",
        """mutation { mlflowSearchDatasets(input: {experimentIds: ["${ql}"]}) {
            datasetSummaries { experimentId name digest context __typename } apiError { code }
        } }""",
    ),
    _ask("datasets by a query", "{ mlflowSearchDatasets { datasetSummaries { name } } }"),
    _ask("the artifacts", '{ mlflowListArtifacts(input: {runId: "${g1}"}) { rootUri } }'),
    Ask("upload for a run", "PUT", f"{_FILES}/${{ql}}/${{g1}}/artifacts/m/é a.txt", b"hello"),
    Ask("upload more", "PUT", f"{_FILES}/${{ql}}/${{g1}}/artifacts/top", b"x"),
    _artifacts("the files of a run", 'runId: "${g1}"'),
    _artifacts("the files of a run by runUuid", 'runUuid: "${g1}"'),
    _artifacts("the files below a directory", 'runId: "${g1}", path: "m"'),
    _artifacts("the files below a file", 'runId: "${g1}", path: "top"'),
    _artifacts("the files below nothing", 'runId: "${g1}", path: "nosuch"'),
    _artifacts("the files above a run", 'runId: "${g1}", path: "../"'),
    _artifacts("the files of an unknown run", f'runId: "{"0" * 32}"'),
    _artifacts("the files of no run", ""),
    _ask(
        "two listings beside a run",
        """{ a: mlflowListArtifacts(input: {runId: "${g1}"}) { files { path } }
            mlflowGetRun(input: {runId: "${g1}"}) { run { info { runName } } }
            b: mlflowListArtifacts(input: {runId: "${g1}", path: "m"}) { files { path } } }""",
    ),
    _ask("an unknown field", "{ nope }"),
    _ask("two unknown fields", "{ nope neither }"),
    _ask("an object without fields", "{ mlflowGetRun }"),
    _ask("an unknown directive", "query @x { __typename }"),
    _ask("a component without a name", "query @component { __typename }"),
    _ask("a component on a field", '{ __typename @component(name: "x") }'),
    _ask("a type of its own", "{ __typename }"),
    _ask("a skipped field", "{ __typename @skip(if: true) a: __typename @include(if: true) }"),
    _ask("a subscription", "subscription { x }"),
    _ask("the schema", "{ __schema { queryType { name } } }"),
    *(
        post(f"operation {name} of two", "/graphql", {"query": _TWO, "operationName": name})
        for name in ("A", "B", "C", None)
    ),
    _ask("10 root fields", "{" + " ".join(f"a{n}: __typename" for n in range(10)) + "}"),
    _ask("11 root fields", "{" + " ".join(f"a{n}: __typename" for n in range(11)) + "}"),
    _ask(
        "11 aliases", "{ mlflowGetRun {" + " ".join(f"a{n}: __typename" for n in range(11)) + "} }"
    ),
    _ask("a fragment that no one uses", "{ __typename } fragment F on Query { __typename }"),
    _ask("fragments in a circle", "{ ...A } fragment A on Query { ...A }"),
    _ask("no query that ends", "{"),
    _ask("an empty query", ""),
    _body("no JSON", b"{"),
    _body("no body", b""),
    _body("a list", b"[]"),
    _body("a batch", b'[{"query": "{ __typename }"}]'),
    _body("no query", b"{}"),
    _body("a query that is a number", b'{"query": 3}'),
    _body("variables that are a list", b'{"query": "{ __typename }", "variables": [1]}'),
    _body("variables that are null", b'{"query": "{ __typename }", "variables": null}'),
    _body("an operation that is a number", b'{"query": "{ __typename }", "operationName": 3}'),
    _body("a query as text", b'{"query": "{ __typename }"}', "text/plain"),
    _body("a query as a form", b"query={__typename}", "application/x-www-form-urlencoded"),
    Ask(
        "a query by GET",
        "GET",
        "/graphql",
        json.dumps({"query": "{ __typename }"}).encode(),
        headers=_HEADERS,
    ),
]

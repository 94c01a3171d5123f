"""Resolvers of the schema's fields, over the same store functions as REST.

An operation decodes the message of the REST request for the same task, so both refuse the same
input. Data of runs is read when a field first needs it, for all runs of an answer at once.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, Generic, TypeVar

from graphql import GraphQLResolveInfo
from msgspec import Struct, structs

from tandem_metadata.access import rules
from tandem_metadata.artifacts.listing_parser import FileInfo
from tandem_metadata.graphql.reading import Asked, ByRun, Listing, Planned, Reading
from tandem_metadata.messages.artifacts import ListArtifacts
from tandem_metadata.messages.datasets import (
    Dataset,
    DatasetInput,
    DatasetSummary,
    InputTag,
    ModelInput,
    ModelOutput,
    SearchDatasets,
    SearchDatasetsResponse,
)
from tandem_metadata.messages.experiments import (
    Experiment,
    ExperimentTag,
    GetExperiment,
    GetExperimentResponse,
)
from tandem_metadata.messages.metrics import (
    GetMetricHistoryBulkInterval,
    GetMetricHistoryBulkIntervalResponse,
    Metric,
    MetricWithRunId,
)
from tandem_metadata.messages.model_versions import ModelVersion, ModelVersionTag
from tandem_metadata.messages.registry_search import SearchModelVersionsResponse, SearchRegistry
from tandem_metadata.messages.runs import GetRun, Param, RunInfo, RunTag, SearchRuns
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action
from tandem_metadata.search.language.limits import MAX_RESULTS, check_max_results
from tandem_metadata.store.registry import model_version_search
from tandem_metadata.store.tracking import (
    datasets,
    experiments,
    load,
    metric_history,
    run_search,
    runs,
)
from tandem_shared import paths
from tandem_shared.auth.rules import Rule
from tandem_shared.errors import NotFound
from tandem_shared.wire import codec

MAX_PAGE: Final = 1_000
"""The largest page of runs or model versions. A field costs far more here than in REST."""

R = TypeVar("R", bound=Struct)
Resolver = Callable[..., Any]

_CAPITAL = re.compile("[A-Z]")


class RunPage:
    """The runs of one answer; each property reads the data of all runs once, on first access."""

    def __init__(self, reading: Reading, infos: Sequence[RunInfo]) -> None:
        self._reading = reading
        self._infos = infos
        self._ids = [info.run_id for info in infos]

    def runs(self) -> list["PagedRun"]:
        """The runs, in order."""
        return [PagedRun(info, self) for info in self._infos]

    @cached_property
    def metrics(self) -> ByRun[Metric]:
        return self._reading.of(self._ids, load.metrics_of)

    @cached_property
    def params(self) -> ByRun[Param]:
        return self._reading.of(self._ids, load.params_of)

    @cached_property
    def tags(self) -> ByRun[RunTag]:
        return self._reading.of(self._ids, load.tags_of)

    @cached_property
    def dataset_inputs(self) -> ByRun[DatasetInput]:
        return self._reading.of(self._ids, load.datasets_of)

    @property
    def model_inputs(self) -> ByRun[ModelInput]:
        return self._models[0]

    @property
    def model_outputs(self) -> ByRun[ModelOutput]:
        return self._models[1]

    @cached_property
    def model_versions(self) -> ByRun[ModelVersion]:
        versions = self._reading.permitted.view.versions
        return self._reading.of(self._ids, partial(model_version_search.of_runs, readable=versions))

    @cached_property
    def experiments(self) -> Mapping[str, Experiment]:
        ids = {info.experiment_id for info in self._infos}
        return experiments.by_ids(self._reading.conn, sorted(ids))

    @cached_property
    def _models(self) -> tuple[ByRun[ModelInput], ByRun[ModelOutput]]:
        if permissions.LOGGED_MODEL in self._reading.permitted.view.withheld:
            return {}, {}
        found = load.models_of(self._reading.conn, self._ids, self._reading.most)
        for models in found:
            self._reading.count(models)
        return found


@dataclass(frozen=True, slots=True)
class PagedRun:
    """A run of a page. It is also the source of the types `data`, `inputs` and `outputs`."""

    info: RunInfo
    page: RunPage


@dataclass(frozen=True, slots=True)
class FoundRun:
    """Answer of mlflowGetRun."""

    run: PagedRun


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """Answer of mlflowSearchRuns."""

    runs: list[PagedRun]
    next_page_token: str | None


@dataclass(frozen=True, slots=True)
class FoundArtifacts:
    """Answer of mlflowListArtifacts; a listing has one page."""

    root_uri: str
    files: list[FileInfo]
    next_page_token: None = None


def snake(name: str) -> str:
    """The name of a field in messages: `run_id` for `runId`."""
    return _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)


def get_experiment(reading: Reading, request: GetExperiment) -> GetExperimentResponse:
    """Read an experiment by its id."""
    return GetExperimentResponse(experiments.get(reading.conn, request.experiment_id))


def get_run(reading: Reading, request: GetRun) -> FoundRun:
    """Read a run."""
    run_id = request.run_id or request.run_uuid or ""
    try:
        info = runs.info(reading.conn, run_id)
    except NotFound:
        # The web UI recognizes a missing run by the last words of this message.
        raise NotFound(f"Run with id={run_id[:100]} not found") from None
    return FoundRun(RunPage(reading, [info]).runs()[0])


def list_artifacts(reading: Reading, request: ListArtifacts) -> FoundArtifacts:
    """List the artifacts of a run, by what the artifacts service has answered."""
    listing = _listing(reading, request)
    return FoundArtifacts(listing.root_uri, reading.files(listing))


def _listing(reading: Reading, request: ListArtifacts) -> Listing:
    path = paths.check_optional(request.path)
    run_id = request.run_id or request.run_uuid or ""
    return Listing(runs.artifact_uri(reading.conn, run_id), path)


def search_runs(reading: Reading, request: SearchRuns) -> FoundRuns:
    """Find runs of some experiments."""
    found, token = run_search.find(
        reading.conn,
        experiment_ids=request.experiment_ids,
        filter=request.filter,
        run_view_type=request.run_view_type,
        max_results=_page(request.max_results, MAX_RESULTS),
        order_by=request.order_by,
        page_token=request.page_token,
        readable=reading.permitted.view.runs,
    )
    return FoundRuns(RunPage(reading, found).runs(), token)


def search_model_versions(reading: Reading, request: SearchRegistry) -> SearchModelVersionsResponse:
    """Find versions of models, or of prompts."""
    found, token = model_version_search.search(
        reading.conn,
        filter=request.filter,
        max_results=_page(request.max_results, model_version_search.MAX_RESULTS),
        order_by=request.order_by,
        page_token=request.page_token,
        readable=reading.permitted.view.versions,
    )
    if permissions.RUN in reading.permitted.view.withheld:
        found = [structs.replace(each, run_id=None, run_link=None) for each in found]
    elif denied_runs := reading.permitted.view.denied_runs:
        ids = sorted({each.run_id for each in found if each.run_id})
        denied = denied_runs(runs.experiments_of(reading.conn, ids)) if ids else ()
        found = [
            structs.replace(each, run_id=None, run_link=None) if each.run_id in denied else each
            for each in found
        ]
    return SearchModelVersionsResponse(found, token)


def search_datasets(reading: Reading, request: SearchDatasets) -> SearchDatasetsResponse:
    """List the datasets of experiments."""
    ids, readable = request.experiment_ids, reading.permitted.view.experiments
    if readable is not None:
        ids = [each for each in ids if rules.experiment_key(each).id in readable]
    return SearchDatasetsResponse(datasets.summaries(reading.conn, ids))


def metric_samples(
    reading: Reading, request: GetMetricHistoryBulkInterval
) -> GetMetricHistoryBulkIntervalResponse:
    """Read a sample of the values of a metric of several runs."""
    steps = (request.start_step, request.end_step)
    return GetMetricHistoryBulkIntervalResponse(
        metric_history.sample(
            reading.conn, request.run_ids, request.metric_key, steps, request.max_results
        )
    )


def _page(max_results: int | None, most: int) -> int:
    """The page size, at most `MAX_PAGE`; raises InvalidParameter above `most`, as REST does."""
    return MAX_PAGE if max_results is None else min(check_max_results(max_results, most), MAX_PAGE)


@dataclass(frozen=True, slots=True)
class Operation(Generic[R]):
    """A field of Query or Mutation, for which the message of a REST request is decoded."""

    message: type[R]
    run: Callable[[Reading, R], object]
    permission: Rule
    """Who may ask for it, where requests are authenticated."""
    listing: Callable[[Reading, R], Listing] | None = None
    """The listing of artifacts that it needs."""

    def resolve(
        self, _: None, info: GraphQLResolveInfo, input: Mapping[str, Any] | None = None
    ) -> object:
        """The answer; raises the operation's refusal, and what `run` raises."""
        reading: Reading = info.context
        asked = _asked(info, input)
        message = codec.decode_json(asked.input, self.message)
        reading.permitted.check(asked)
        return self.run(reading, message)

    def plan(
        self, _: None, info: GraphQLResolveInfo, input: Mapping[str, Any] | None = None
    ) -> None:
        """Note what the operation needs."""
        reading: Reading = info.context
        asked = _asked(info, input)
        message = codec.decode_json(asked.input, self.message)
        reading.planned[asked] = Planned(message)
        if self.listing:
            reading.planned[asked] = Planned(message, self.listing(reading, message))


def _asked(info: GraphQLResolveInfo, input: Mapping[str, Any] | None) -> Asked:
    fields = {snake(name): value for name, value in (input or {}).items()}
    return Asked(info.field_name, codec.encode_json(fields))


def _itself(source: object, _: GraphQLResolveInfo) -> object:
    return source


def _of_page(name: str) -> Resolver:
    """The resolver that returns the page's property `name` for the run."""

    def resolve(run: PagedRun, _: GraphQLResolveInfo) -> Any:
        return getattr(run.page, name).get(run.info.run_id, ())

    return resolve


def _experiment(run: PagedRun, _: GraphQLResolveInfo) -> Experiment | None:
    return run.page.experiments.get(run.info.experiment_id)


def _value(metric: Metric | MetricWithRunId, _: GraphQLResolveInfo) -> float | None:
    """A metric's value. JSON has no infinities; MLflow sends the largest doubles instead."""
    if isinstance(metric.value, float):
        return metric.value
    limits = {"Infinity": sys.float_info.max, "-Infinity": -sys.float_info.max}
    return limits.get(str(metric.value))


OPERATIONS: Final[Mapping[str, Operation[Any]]] = {
    "mlflowGetExperiment": Operation(GetExperiment, get_experiment, rules.experiment(Action.READ)),
    "mlflowGetMetricHistoryBulkInterval": Operation(
        GetMetricHistoryBulkInterval,
        metric_samples,
        rules.runs(lambda message: message.run_ids),
    ),
    "mlflowGetRun": Operation(GetRun, get_run, rules.run(Action.READ)),
    "mlflowListArtifacts": Operation(
        ListArtifacts, list_artifacts, rules.run(Action.READ), _listing
    ),
    "mlflowSearchModelVersions": Operation(
        SearchRegistry, search_model_versions, rules.VERSIONS_LISTED
    ),
    "mlflowSearchDatasets": Operation(SearchDatasets, search_datasets, rules.some_experiments()),
    "mlflowSearchRuns": Operation(SearchRuns, search_runs, rules.some_experiments(permissions.RUN)),
}
"""The fields of Query and Mutation that read something; one of both is the same in both."""

RESOLVERS: Final[Mapping[tuple[str, str], Resolver]] = {
    ("MlflowRunExtension", "data"): _itself,
    ("MlflowRunExtension", "inputs"): _itself,
    ("MlflowRunExtension", "outputs"): _itself,
    ("MlflowRunExtension", "experiment"): _experiment,
    ("MlflowRunExtension", "modelVersions"): _of_page("model_versions"),
    ("MlflowRunData", "metrics"): _of_page("metrics"),
    ("MlflowRunData", "params"): _of_page("params"),
    ("MlflowRunData", "tags"): _of_page("tags"),
    ("MlflowRunInputs", "datasetInputs"): _of_page("dataset_inputs"),
    ("MlflowRunInputs", "modelInputs"): _of_page("model_inputs"),
    ("MlflowRunOutputs", "modelOutputs"): _of_page("model_outputs"),
    ("MlflowMetricExtension", "value"): _value,
    ("MlflowMetricWithRunId", "value"): _value,
}
"""Resolvers by type and field, for fields that are neither operations nor plain attributes."""

SOURCES: Final[Mapping[str, type]] = {
    "MlflowGetExperimentResponse": GetExperimentResponse,
    "MlflowExperiment": Experiment,
    "MlflowExperimentTag": ExperimentTag,
    "MlflowGetRunResponse": FoundRun,
    "MlflowListArtifactsResponse": FoundArtifacts,
    "MlflowFileInfo": FileInfo,
    "MlflowSearchRunsResponse": FoundRuns,
    "MlflowRunExtension": PagedRun,
    "MlflowRunInfo": RunInfo,
    "MlflowMetricExtension": Metric,
    "MlflowParam": Param,
    "MlflowRunTag": RunTag,
    "MlflowDatasetInput": DatasetInput,
    "MlflowInputTag": InputTag,
    "MlflowDataset": Dataset,
    "MlflowModelInput": ModelInput,
    "MlflowModelOutput": ModelOutput,
    "MlflowGetMetricHistoryBulkIntervalResponse": (GetMetricHistoryBulkIntervalResponse),
    "MlflowMetricWithRunId": MetricWithRunId,
    "MlflowSearchModelVersionsResponse": SearchModelVersionsResponse,
    "MlflowModelVersion": ModelVersion,
    "MlflowModelVersionTag": ModelVersionTag,
    "MlflowSearchDatasetsResponse": SearchDatasetsResponse,
    "MlflowDatasetSummary": DatasetSummary,
}
"""The class of each type's values; the type's other fields are its attributes."""

_METRIC_SOURCE: Final = frozenset({"datasetName", "datasetDigest", "modelId", "runId"})
_API_ERROR: Final = frozenset({"apiError"})

NEVER_SET: Final[Mapping[str, frozenset[str]]] = {
    "ApiError": frozenset({"code", "message", "helpUrl", "traceId", "errorDetails"}),
    "ErrorDetail": frozenset({"field", "message"}),
    "MlflowGetExperimentResponse": _API_ERROR,
    "MlflowGetRunResponse": _API_ERROR,
    "MlflowListArtifactsResponse": _API_ERROR,
    "MlflowSearchRunsResponse": _API_ERROR,
    "MlflowGetMetricHistoryBulkIntervalResponse": _API_ERROR,
    "MlflowSearchModelVersionsResponse": _API_ERROR,
    "MlflowSearchDatasetsResponse": _API_ERROR,
    "MlflowExperiment": frozenset({"effectiveTraceArchivalRetention"}),
    "MlflowMetricExtension": _METRIC_SOURCE,
    "MlflowModelVersion": frozenset({"modelId", "modelParams", "modelMetrics"}),
    "MlflowModelParam": frozenset({"name", "value"}),
    "MlflowModelMetric": _METRIC_SOURCE | {"key", "value", "timestamp", "step"},
}
"""Fields of MLflow's schema that MLflow's server never fills."""

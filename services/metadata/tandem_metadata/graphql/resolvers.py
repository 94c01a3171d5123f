"""Resolvers of the schema's fields, over the same store functions as REST.

An operation decodes the message of the REST request for the same task, so both refuse the same
input. Data of runs is read when a field first needs it, for all runs of an answer at once.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from graphql import GraphQLResolveInfo
from msgspec import Struct

from tandem_metadata.artifacts.listing_parser import CompressedEntries, FileInfo
from tandem_metadata.database import Connection
from tandem_metadata.graphql import limits
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
from tandem_shared.errors import ApiError, NotFound, Unavailable
from tandem_shared.wire import codec

MAX_PAGE: Final = 1_000
"""The largest page of runs or model versions. A field costs far more here than in REST."""

T = TypeVar("T")
R = TypeVar("R", bound=Struct)
ByRun = Mapping[str, Sequence[T]]
Resolver = Callable[..., Any]

_decode_entries = msgspec.json.Decoder(list[FileInfo]).decode
_CAPITAL = re.compile("[A-Z]")


class Listing(NamedTuple):
    """A directory of artifacts, which the artifacts service lists."""

    root_uri: str
    path: str
    """Relative to the root; "" for the root itself."""


Listings = Mapping[Listing, CompressedEntries | ApiError]
"""Listings that the artifacts service has answered, or refused."""


class Reading:
    """The state of one query: its connection, and the number of rows it may still read."""

    def __init__(self, conn: Connection, listings: Listings | None = None) -> None:
        self.conn = conn
        self.planned: set[Listing] = set()
        """The listings that the query needs, as far as it is planned."""
        self._listings = listings or {}
        self._files: dict[Listing, list[FileInfo]] = {}
        self._left = limits.MAX_ROWS

    @property
    def most(self) -> int:
        """The LIMIT of the next statement: one row more than are left, so that excess is seen."""
        return self._left + 1

    def count(self, found: ByRun[Any]) -> None:
        """Count the rows read for runs; raises LimitExceeded if more than `MAX_ROWS` were read."""
        # Tags of datasets and versions are rows too.
        self._left -= sum(
            len(getattr(item, "tags", ())) or 1 for items in found.values() for item in items
        )
        if self._left < 0:
            raise limits.limit_exceeded(f"{limits.MAX_ROWS} metrics, params, tags and the like")

    def files(self, listing: Listing) -> list[FileInfo]:
        """The entries of a listing, which are counted as rows; raises its error."""
        # None when the run's location changed since the query was planned.
        found = self._listings.get(listing, Unavailable("The artifacts moved; try again."))
        if isinstance(found, ApiError):
            raise found
        if listing not in self._files:  # two aliases may ask for it, and it can be read once
            body = b"[" + b"".join(found.decompressed()) + b"]"
            self._files[listing] = _decode_entries(body)
        self.count({"": self._files[listing]})
        return self._files[listing]

    def of(
        self, ids: Sequence[str], read: Callable[[Connection, Sequence[str], int], ByRun[T]]
    ) -> ByRun[T]:
        """The result of `read` for the runs; its rows are counted."""
        found = read(self.conn, ids, self.most)
        self.count(found)
        return found


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
        return self._reading.of(self._ids, model_version_search.of_runs)

    @cached_property
    def experiments(self) -> Mapping[str, Experiment]:
        ids = {info.experiment_id for info in self._infos}
        return experiments.by_ids(self._reading.conn, sorted(ids))

    @cached_property
    def _models(self) -> tuple[ByRun[ModelInput], ByRun[ModelOutput]]:
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


def plan_artifacts(reading: Reading, request: ListArtifacts) -> None:
    """Note the listing that a query needs."""
    reading.planned.add(_listing(reading, request))


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
    )
    return SearchModelVersionsResponse(found, token)


def search_datasets(reading: Reading, request: SearchDatasets) -> SearchDatasetsResponse:
    """List the datasets of experiments."""
    return SearchDatasetsResponse(datasets.summaries(reading.conn, request.experiment_ids))


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


def _operation(of: type[R], run: Callable[[Reading, R], object]) -> Resolver:
    """The resolver of a field of Query or Mutation: decodes the input to `of` and calls `run`."""

    def resolve(
        _root: None, info: GraphQLResolveInfo, input: Mapping[str, Any] | None = None
    ) -> object:
        fields = {snake(name): value for name, value in (input or {}).items()}
        return run(info.context, codec.decode_json(codec.encode_json(fields), of))

    return resolve


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


_SEARCH_RUNS = _operation(SearchRuns, search_runs)

RESOLVERS: Final[Mapping[tuple[str, str], Resolver]] = {
    ("Query", "mlflowGetExperiment"): _operation(GetExperiment, get_experiment),
    ("Query", "mlflowGetMetricHistoryBulkInterval"): _operation(
        GetMetricHistoryBulkInterval, metric_samples
    ),
    ("Query", "mlflowGetRun"): _operation(GetRun, get_run),
    ("Query", "mlflowListArtifacts"): _operation(ListArtifacts, list_artifacts),
    ("Query", "mlflowSearchModelVersions"): _operation(SearchRegistry, search_model_versions),
    ("Query", "mlflowSearchRuns"): _SEARCH_RUNS,
    ("Mutation", "mlflowSearchDatasets"): _operation(SearchDatasets, search_datasets),
    ("Mutation", "mlflowSearchRuns"): _SEARCH_RUNS,
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
"""Resolvers by type and field, for fields that are not plain attributes."""

PLANS: Final[Mapping[str, Resolver]] = {
    "mlflowListArtifacts": _operation(ListArtifacts, plan_artifacts)
}
"""Resolvers of the operations that need the artifacts service, when a query is planned."""

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

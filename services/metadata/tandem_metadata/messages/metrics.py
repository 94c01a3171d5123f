"""Messages of metrics: logging them, reading their history.

A message may hold thousands of these structs. They hold only text and numbers, so `gc=False` saves
the garbage collector from scanning them.
"""

from msgspec import Struct

from tandem_shared.wire.codec import Int32, Int64, Required


class Metric(Struct, omit_defaults=True, gc=False):
    """A metric in an answer; `value` is "NaN" for NaN, `timestamp` counts milliseconds."""

    key: str
    value: float | str
    timestamp: int
    step: int


class MetricWithRunId(Struct, omit_defaults=True, gc=False):
    """A metric in an answer about several runs."""

    key: str
    value: float | str
    timestamp: int
    step: int
    run_id: str


class LoggedMetric(Struct, gc=False):
    """A metric as a client logs it; `step` counts as 0 when it is not given.

    Current clients also send `model_id`, the dataset's fields, and in a batch the run's id for each
    metric, which is ignored.
    """

    key: Required
    value: float
    timestamp: Int64
    step: Int64 | None = None
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None


class LogMetric(LoggedMetric, kw_only=True, gc=False):
    """Request of `runs/log-metric`; older clients name the run by `run_uuid`."""

    run_uuid: str | None = None


class GetMetricHistory(Struct):
    """Request of `metrics/get-history`; the web UI names the run by `run_uuid`."""

    metric_key: Required
    run_id: str | None = None
    run_uuid: str | None = None
    page_token: str | None = None
    max_results: Int32 | None = None


class GetMetricHistoryBulk(Struct):
    """Request of `metrics/get-history-bulk`, which the web UI sends with `run_id` repeated."""

    metric_key: str | None = None
    run_id: list[str] = []
    max_results: Int64 | None = None


class GetMetricHistoryBulkResponse(Struct):
    """Answer of `metrics/get-history-bulk`; `metrics` is there even when it is empty."""

    metrics: list[MetricWithRunId]


class GetMetricHistoryBulkInterval(Struct):
    """Request of `metrics/get-history-bulk-interval`; `max_results` counts for each run."""

    metric_key: Required
    run_ids: list[str] = []
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: Int32 | None = None


class GetMetricHistoryBulkIntervalResponse(Struct, omit_defaults=True):
    """Answer of `metrics/get-history-bulk-interval`."""

    metrics: list[MetricWithRunId] = []

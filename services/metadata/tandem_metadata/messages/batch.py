"""Messages of log-parameter, and of log-batch with its metrics, params and tags."""

from msgspec import Struct

from tandem_metadata.messages.metrics import LoggedMetric
from tandem_shared.wire.codec import Required


class LoggedEntry(Struct):
    """A param or tag as a client logs it; a missing value counts as an empty one."""

    key: Required
    value: str | None = None


class LogParam(LoggedEntry, kw_only=True):
    """Request of `runs/log-parameter`; older clients name the run by `run_uuid`."""

    run_id: str | None = None
    run_uuid: str | None = None


class LogBatch(Struct):
    """Request of `runs/log-batch`."""

    run_id: Required
    metrics: list[LoggedMetric] | None = None
    params: list[LoggedEntry] | None = None
    tags: list[LoggedEntry] | None = None

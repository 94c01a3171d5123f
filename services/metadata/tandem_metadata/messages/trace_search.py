"""Messages of searches of traces."""

from msgspec import Struct

from tandem_metadata.messages.traces import ExperimentLocation, OldTraceInfo, TraceInfo
from tandem_shared.wire.codec import Int32


class SearchedLocation(Struct):
    """Where to search. What is no experiment has no traces here."""

    mlflow_experiment: ExperimentLocation | None = None


class SearchTraces(Struct):
    """Request of `traces/search`."""

    locations: list[SearchedLocation]
    filter: str | None = None
    max_results: Int32 | None = None
    order_by: list[str] = []
    page_token: str | None = None

    @property
    def experiment_ids(self) -> list[str]:
        """The experiments to search in."""
        found = (each.mlflow_experiment for each in self.locations)
        return [each.experiment_id for each in found if each and each.experiment_id]


class SearchTracesResponse(Struct, omit_defaults=True):
    """Answer of `traces/search`."""

    traces: list[TraceInfo] = []
    next_page_token: str | None = None


class SearchOldTraces(Struct):
    """Query of version 2 for `traces`."""

    experiment_ids: list[str]
    filter: str | None = None
    max_results: Int32 | None = None
    order_by: list[str] = []
    page_token: str | None = None


class SearchOldTracesResponse(Struct, omit_defaults=True):
    """Answer of version 2 of `traces`."""

    traces: list[OldTraceInfo] = []
    next_page_token: str | None = None

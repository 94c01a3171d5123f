"""Messages of the artifacts of runs."""

from msgspec import Struct

from tandem_shared.wire import codec


class ListArtifacts(Struct):
    """Request of `artifacts/list`."""

    run_id: str | None = None
    run_uuid: str | None = None
    path: str | None = None
    page_token: str | None = None


class GetArtifact(Struct):
    """Query of `/get-artifact`."""

    path: codec.Required
    run_id: str | None = None
    run_uuid: str | None = None

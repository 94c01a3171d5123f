"""The request for the tables of an experiment."""

from msgspec import Struct

from tandem_metadata.messages.experiments import EnumValue
from tandem_shared.wire.codec import Required


class ExportTable(Struct):
    """Request of `experiments/{experiment_id}/export/{table}.parquet`."""

    experiment_id: Required
    table: Required
    filter: str | None = None
    run_view_type: EnumValue | None = None

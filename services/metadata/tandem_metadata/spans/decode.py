"""Bodies of OTLP's export of traces to spans."""

from tandem_metadata.spans import otlp_json, otlp_protobuf
from tandem_metadata.spans.batch import Batch, last_of_each, trace_id
from tandem_metadata.spans.values import Malformed, TooLarge

__all__ = [
    "Batch",
    "Malformed",
    "TooLarge",
    "from_json",
    "from_protobuf",
    "last_of_each",
    "trace_id",
]

from_protobuf = otlp_protobuf.decode
from_json = otlp_json.decode

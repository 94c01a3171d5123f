"""MLflow's own translation of an exported span, and Tandem's of the same bytes."""

import json
from typing import Any

from mlflow.entities.span import Span as MlflowSpan
from mlflow.tracing.otel.translation import translate_span_when_storing
from opentelemetry.proto.trace.v1 import trace_pb2

from tandem_metadata.spans import decode, document
from tandem_metadata.spans.translation import translate_all
from tests.metadata.spans.exports import any_value, export, span
from tests.metadata.spans.foreign_spans import Foreign


def of_mlflow(foreign: Foreign) -> dict[str, Any]:
    """The attributes that MLflow's server stores, as their readers see them."""
    stored = translate_span_when_storing(MlflowSpan.from_otel_proto(exported(foreign)))
    return {key: _read(text) for key, text in stored["attributes"].items()}


def of_tandem(foreign: Foreign) -> dict[str, Any]:
    """The attributes that Tandem stores, as their readers see them."""
    (read,) = decode.from_protobuf(export(exported(foreign)).SerializeToString()).spans
    translate_all([read])
    return {key: json.loads(text) for key, text in document.attribute_texts(read).items()}


def exported(foreign: Foreign) -> trace_pb2.Span:
    """The span as a library exports it."""
    made = span(attributes=foreign.attributes)
    for name, attributes in foreign.events:
        event = made.events.add(name=name, time_unix_nano=1)
        for key, value in attributes.items():
            event.attributes.add(key=key).value.CopyFrom(any_value(value))
    return made


def _read(text: Any) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # MLflow stores some texts of events as they are
        return text

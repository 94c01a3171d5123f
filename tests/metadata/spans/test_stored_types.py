"""Spans that were stored with what another library calls their type are answered with MLflow's."""

import json
import math
from typing import Any

import msgspec
import pytest

from tandem_metadata.spans import wire
from tandem_metadata.spans.stored_types import typed
from tests.metadata.traces import rows

_TRACE = f"tr-{7:032x}"


def _stored(**attributes: Any) -> dict[str, Any]:
    """A document without a type, unless one is given."""
    document = rows.document(_TRACE, 0, **attributes)
    if "mlflow.spanType" not in attributes:
        del document["attributes"]["mlflow.spanType"]
    return document


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)


def _answered(content: str) -> str | None:
    """The type that an answer has."""
    found = {
        each["key"]: each["value"] for each in json.loads(bytes(wire.encode(content)))["attributes"]
    }
    given = found.get("mlflow.spanType")
    return given and given["string_value"]


@pytest.mark.parametrize("before", [{}, {"mlflow.spanType": "UNKNOWN"}], ids=["none", "unknown"])
@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"openinference.span.kind": "RETRIEVER"}, "RETRIEVER"),
        ({"gen_ai.operation.name": "chat"}, "CHAT_MODEL"),
        ({"traceloop.span.kind": "workflow"}, "WORKFLOW"),
    ],
)
def test_a_stored_type_of_another_library_is_answered_as_mlflows(
    before: dict[str, Any], told: dict[str, Any], expected: str
) -> None:
    document = _stored(**before, **told, q="é")
    document["attributes"]["mlflow.spanType"] = json.dumps(expected)
    stored = _text(_stored(**before, **told, q="é"))
    assert json.loads(typed(stored)) == document
    assert _answered(stored) == expected


@pytest.mark.parametrize(
    "attributes",
    [
        {"mlflow.spanType": "TOOL", "openinference.span.kind": "LLM"},
        {"mlflow.spanType": "UNKNOWN"},
        {"mlflow.spanType": "UNKNOWN", "openinference.span.kind": "no kind"},
        {"mlflow.spanType": "LLM", "said": "UNKNOWN", "gen_ai.operation.name": "chat"},
        {},
    ],
)
def test_other_documents_are_answered_as_they_are(attributes: dict[str, Any]) -> None:
    stored = _text(_stored(**attributes))
    assert typed(stored) is stored
    assert _answered(stored) == attributes.get("mlflow.spanType")


@pytest.mark.parametrize(
    "content",
    ["", "{", "{}", "[]", '{"attributes": 5}', '{"attributes": {"gen_ai.x": 5}, "e": NaN'],
)
def test_what_is_no_document_of_a_span_stays(content: str) -> None:
    assert typed(content) is content


def test_a_document_with_nan_is_answered_as_json() -> None:
    """The web UI reads it, and no browser reads NaN."""
    stored = _stored(**{"openinference.span.kind": "LLM"})
    stored["events"] = [{"name": "e", "time_unix_nano": 1, "attributes": {"x": math.nan}}]
    answered = msgspec.json.decode(typed(_text(stored)))
    assert answered["events"][0]["attributes"] == {"x": "NaN"}
    assert json.loads(answered["attributes"]["mlflow.spanType"]) == "LLM"

"""Stored documents, and answers made of them, beside those of the reference's own code."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities.span import LazySpan
from mlflow.entities.span import Span as ReferenceSpan
from mlflow.tracing.otel.translation import sanitize_attributes
from mlflow.utils.proto_json_utils import message_to_json
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtobufSpan

from tandem_metadata.spans import decode, document, wire
from tandem_metadata.spans.span import Span
from tests.metadata.spans.exports import CHILD, ROOT, START, TRACE, attribute, export, span

VALUES = [
    "text",
    '"quoted"',
    "é😀\u2028\x1f\\/",
    '{"q": "hello"}',
    "[1, 2]",
    "5",
    "null",
    "",
    5,
    -(2**63),
    2**63 - 1,
    0.5,
    1e300,
    -0.0,
    3.0,
    math.inf,
    True,
    None,
    [],
    {},
    {"q": ["é", {"x": None}], "n": 2**60},
]


def _full() -> ProtobufSpan:
    sent = span(
        CHILD, ROOT, {f"k{n}": value for n, value in enumerate(VALUES)} | {"mlflow.spanType": "LLM"}
    )
    sent.status.code = 2
    sent.status.message = "boom é"
    happened = sent.events.add(name="exception", time_unix_nano=START + 1)
    attribute(happened, "exception.type", "ValueError")
    attribute(happened, "n", [1, 2])
    attribute(sent.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8), "why", "retry")
    sent.links.add(trace_id=b"\3" * 16, span_id=b"\4" * 8)
    return sent


SPANS = [_full(), span(), span(end_time_unix_nano=2, name=""), span(attributes={"": ""})]


@pytest.mark.parametrize("sent", SPANS)
def test_a_document_is_the_text_that_the_reference_stores(sent: ProtobufSpan) -> None:
    assert document.encode(_read(sent)) == _reference_document(sent)


@pytest.mark.parametrize("sent", SPANS)
def test_the_reference_reads_a_document(sent: ProtobufSpan) -> None:
    read = _read(sent)
    loaded = LazySpan.from_stored_content(document.encode(read))
    assert loaded.trace_id == f"tr-{TRACE.hex()}"
    assert loaded.span_id == read.span_id.hex()
    assert loaded.parent_id == (read.parent_id.hex() if read.parent_id else None)
    assert (loaded.name, loaded.start_time_ns, loaded.end_time_ns) == (
        read.name,
        read.start_ns,
        read.end_ns,
    )
    assert loaded.attributes == read.attributes
    assert [link.trace_id for link in loaded.links] == [
        f"tr-{link.trace_id.hex()}" for link in read.links
    ]


@pytest.mark.parametrize("sent", SPANS)
def test_an_answer_is_that_of_the_reference(sent: ProtobufSpan) -> None:
    content = _reference_document(sent)
    theirs = message_to_json(LazySpan.from_stored_content(content).to_otel_proto())
    assert json.loads(bytes(wire.encode(content))) == json.loads(theirs)


@pytest.mark.parametrize("sent", SPANS)
def test_a_document_is_read_back(sent: ProtobufSpan) -> None:
    read = _read(sent)
    back = document.decode(document.encode(read))
    back.resource = read.resource
    assert back == read


def test_nan_in_an_attribute_is_a_word_in_the_answer() -> None:
    read = _read(span(attributes={"x": math.nan, "y": [math.inf]}))
    content = document.encode(read)
    assert json.loads(content)["attributes"]["x"] == "NaN"
    values = _answered(content)
    assert values["x"] == {"double_value": "NaN"}
    assert values["y"] == {"array_value": {"values": [{"double_value": "Infinity"}]}}


def _with_nan() -> ProtobufSpan:
    sent = span(attributes={"said": "NaN, or -Infinity?"})
    for owner in (sent.events.add(name="e"), sent.links.add(trace_id=TRACE, span_id=CHILD)):
        attribute(owner, "x", {"a": [math.nan, -math.inf, math.inf], "b": "NaN"})
    return sent


def test_nan_in_an_event_or_a_link_is_a_number_in_the_answer() -> None:
    content = document.encode(_read(_with_nan()))
    assert content == _reference_document(_with_nan())
    answer = json.loads(bytes(wire.encode(content)))
    for owner in (*answer["events"], *answer["links"]):
        [member] = owner["attributes"]
        found = {each["key"]: each["value"] for each in member["value"]["kvlist_value"]["values"]}
        numbers = [{"double_value": each} for each in ("NaN", "-Infinity", "Infinity")]
        assert found["a"] == {"array_value": {"values": numbers}}
        assert found["b"] == {"string_value": "NaN"}


def test_a_document_as_json_has_words_for_nan() -> None:
    content = document.encode(_read(_with_nan()))
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(content)
    read = msgspec.json.decode(document.as_json(content))
    for owner in (*read["events"], *read["links"]):
        assert owner["attributes"] == {"x": {"a": ["NaN", "-Infinity", "Infinity"], "b": "NaN"}}
    assert read["attributes"] == json.loads(content)["attributes"]


@pytest.mark.parametrize("content", ["", "NaN, or", '{"a": "NaN"}', "[" * 10_000 + "Infinity"])
def test_other_texts_as_json_are_the_very_texts(content: str) -> None:
    assert document.as_json(content) is content


def test_a_document_of_mlflow_3_5_is_read() -> None:
    written = json.loads(document.encode(_read(_full())))
    written["trace_id"] = f"tr-{TRACE.hex()}"
    written["span_id"] = CHILD.hex()
    written["parent_span_id"] = ROOT.hex()
    written["status"]["code"] = "ERROR"
    del written["links"]
    read = document.decode(json.dumps(written))
    assert (read.trace_id, read.span_id, read.parent_id, read.status) == (
        TRACE,
        CHILD,
        ROOT,
        "ERROR",
    )


@pytest.mark.parametrize("text", ["plain text", "", "[" * 5000])
def test_an_attribute_that_is_no_json_text_is_its_own_value(text: str) -> None:
    written = json.loads(document.encode(_read(span())))
    written["attributes"] = {"k": text, "n": 5}
    attributes = document.decode(json.dumps(written)).attributes
    assert attributes == {"k": text, "n": 5}


@pytest.mark.parametrize(
    "content", ["", "x", "[]", "{}", '{"trace_id": 5}', "[" * 5000, '{"a": NaN}']
)
def test_a_document_of_no_span_is_unreadable(content: str) -> None:
    with pytest.raises(document.Unreadable):
        wire.encode(content)


@pytest.mark.parametrize("field", ["trace_id", "span_id", "parent_span_id"])
@pytest.mark.parametrize("written", ["xyz", "=", "a===", "é="])
def test_an_id_that_is_none_is_unreadable(field: str, written: str) -> None:
    changed = json.loads(document.encode(_read(span()))) | {field: written}
    with pytest.raises(document.Unreadable):
        document.decode(json.dumps(changed))


def test_what_is_nested_too_deeply_for_clients_is_answered_as_text() -> None:
    deep: Any = "end"
    for _ in range(60):
        deep = {"k": deep}
    read = _read(span())
    read.attributes["deep"] = deep
    answer = bytes(wire.encode(document.encode(read)))
    assert _depth(json.loads(answer)) <= 100 - _AROUND_A_SPAN
    assert b'{\\"k\\": \\"end\\"}' in answer


def test_what_a_client_can_send_is_answered_as_it_was() -> None:
    """Its protobuf library writes messages to a depth of 100, and refuses 32 objects."""
    deep: Any = "end"
    for _ in range(31):
        deep = {"k": deep}
    read = _read(span())
    read.attributes["deep"] = deep
    assert b'{"key":"k","value":{"string_value":"end"}}' in bytes(
        wire.encode(document.encode(read))
    )


def test_an_integer_beyond_64_bits_is_answered_as_a_double() -> None:
    read = _read(span(attributes={"k": f"[{2**64}, {-(10**400)}]"}))
    assert _answered(document.encode(read))["k"] == {
        "array_value": {"values": [{"double_value": 2.0**64}, {"double_value": "-Infinity"}]}
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.text(max_size=9))
def test_any_span_is_read_back_by_us_and_by_the_reference(
    attributes: dict[str, Any], name: str
) -> None:
    sent = _read(span())
    sent.attributes |= attributes
    sent.name = name
    sent.attributes["mlflow.traceRequestId"] = f"tr-{TRACE.hex()}"
    content = document.encode(sent)
    assert document.decode(content) == sent
    assert ReferenceSpan.from_dict(json.loads(content)).attributes == sent.attributes
    json.loads(bytes(wire.encode(content)))


def _read(sent: ProtobufSpan) -> Span:
    [read] = decode.from_protobuf(export(sent).SerializeToString()).spans
    return read


def _reference_document(sent: ProtobufSpan) -> str:
    written = ReferenceSpan.from_otel_proto(sent).to_dict()
    written["attributes"] = sanitize_attributes(written["attributes"])
    return json.dumps(written, ensure_ascii=False)


def _answered(content: str) -> dict[str, Any]:
    answer = json.loads(bytes(wire.encode(content)))
    return {attribute["key"]: attribute["value"] for attribute in answer["attributes"]}


_AROUND_A_SPAN = 2
"""Messages that an answer has around each span: itself and the trace."""


def _depth(value: Any) -> int:
    """How many objects lie in each other, lists not counted, as clients of protobuf count."""
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return max(map(_depth, value), default=0) if isinstance(value, list) else 0

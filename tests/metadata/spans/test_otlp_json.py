"""Spans out of OTLP's JSON."""

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_metadata.spans import decode, otlp_json, values
from tandem_metadata.spans.span import Link
from tests.metadata.spans.exports import CHILD, ROOT, START, TRACE, as_json, attribute, export, span

MANY = {"n": 2**60 + 1, "x": 0.5, "b": True, "o": {"q": ["a", {}]}, "y": b"\0\xff", "e": []}


def _full() -> Any:
    sent = span(CHILD, ROOT, MANY)
    sent.status.code = 2
    sent.status.message = "boom"
    attribute(sent.events.add(name="exception", time_unix_nano=START), "type", "ValueError")
    attribute(sent.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8), "why", "retry")
    return export(sent, span(), resource={"host": "h"})


@pytest.mark.parametrize("preserving_proto_field_name", [False, True])
@pytest.mark.parametrize("use_integers_for_enums", [False, True])
def test_json_is_read_as_protobuf_is(
    preserving_proto_field_name: bool, use_integers_for_enums: bool
) -> None:
    sent = _full()
    body = as_json(
        sent,
        preserving_proto_field_name=preserving_proto_field_name,
        use_integers_for_enums=use_integers_for_enums,
    )
    assert decode.from_json(body) == decode.from_protobuf(sent.SerializeToString())


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"intValue": "9007199254740993"}, 2**53 + 1),
        ({"intValue": 9007199254740993}, 2**53 + 1),
        ({"intValue": 5.0}, 5),
        ({"intValue": 10**20}, 1e20),
        ({"intValue": "9223372036854775808"}, 2.0**63),
        ({"intValue": -1.5e308}, -1.5e308),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"doubleValue": "-Infinity"}, -math.inf),
        ({"doubleValue": 5}, 5.0),
        ({"stringValue": "a\0\ud800b"}, "a\ufffd\ufffdb"),
        ({"stringValue": "\ud83d\ude00"}, "😀"),
        ({"boolValue": False}, False),
        ({"bytesValue": "AP8"}, "AP8="),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}}, {"a": 1}),
        ({"unknownValue": 1, "stringValue": "x"}, "x"),
        ({}, None),
        (None, None),
    ],
)
def test_a_value_is_read(value: Any, read: Any) -> None:
    [kept] = decode.from_json(_body(_span(attributes=[{"key": "k", "value": value}]))).spans
    assert kept.attributes["k"] == read
    assert type(kept.attributes["k"]) is type(read)


def test_nan_is_read_as_python_writes_it_and_as_a_word() -> None:
    for written in (math.nan, "NaN"):
        pair = {"key": "k", "value": {"doubleValue": written}}
        [kept] = decode.from_json(_body(_span(attributes=[pair]))).spans
        assert math.isnan(kept.attributes["k"])


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("traceId", "xyz", "The field traceId is not hexadecimal."),
        ("traceId", 5, "The field traceId is not hexadecimal."),
        ("traceId", "", "A span has no trace_id."),
        ("spanId", None, "A span has no span_id."),
        ("spanId", "00" * 9, "A span_id has 9 bytes; it must have 8."),
        ("name", 5, "The field name is not a string."),
        ("startTimeUnixNano", "soon", "The field startTimeUnixNano is not an integer."),
        ("startTimeUnixNano", "1" * 5000, "The field startTimeUnixNano is not an integer."),
        ("endTimeUnixNano", True, "The field endTimeUnixNano is not an integer."),
        ("endTimeUnixNano", 0.5, "The field endTimeUnixNano is not an integer."),
        ("attributes", {}, "The field attributes is not a list."),
        ("attributes", [5], "A message of a span is not a JSON object."),
        ("attributes", [{"key": 5}], "The field key is not a string."),
        ("status", [], "A message of a span is not a JSON object."),
        ("events", [5], "A message of a span is not a JSON object."),
        ("links", [5], "A message of a span is not a JSON object."),
    ],
)
def test_a_bad_span_is_refused_alone(field: str, value: Any, reason: str) -> None:
    batch = decode.from_json(_body(_span() | {field: value}, _span()))
    assert [each.span_id for each in batch.spans] == [ROOT]
    assert (batch.rejected, batch.reasons) == (1, [reason])


@pytest.mark.parametrize("bad", ["x", 5, "00" * 17])
def test_a_link_to_impossible_ids_is_left_out(bad: Any) -> None:
    """As in protobuf: it is no reason to refuse its span."""
    good = {"traceId": "01" * 16, "spanId": "02" * 8}
    links = [good | {"traceId": bad}, good | {"spanId": bad}, good]
    batch = decode.from_json(_body(_span(links=links)))
    assert batch.rejected == 0
    [kept] = batch.spans
    assert kept.links == [Link(b"\1" * 16, b"\2" * 8, {})]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"intValue": "1" * 400}, "An intValue is larger than a double holds."),
        ({"intValue": "x"}, "The field intValue is not an integer."),
        ({"doubleValue": "x"}, "A doubleValue is not a number."),
        ({"doubleValue": True}, "A doubleValue is not a number."),
        ({"doubleValue": 10**400}, "A doubleValue is not a number."),
        ({"boolValue": "true"}, "A boolValue is not true or false."),
        ({"bytesValue": "a"}, "A bytesValue is not base64."),
        ({"bytesValue": 5}, "A bytesValue is not base64."),
        ({"bytesValue": "é"}, "A bytesValue is not base64."),
        ({"arrayValue": {"values": 5}}, "The field values is not a list."),
    ],
)
def test_a_bad_value_refuses_its_span_alone(value: Any, reason: str) -> None:
    bad = _span(attributes=[{"key": "k", "value": value}])
    batch = decode.from_json(_body(bad, _span()))
    assert [each.span_id for each in batch.spans] == [ROOT]
    assert batch.reasons == [reason]


@pytest.mark.parametrize("kind", ["arrayValue", "kvlistValue"])
@pytest.mark.parametrize("more", [0, 1, 100, 10_000])
def test_a_value_that_is_nested_too_deeply_is_cut(kind: str, more: int) -> None:
    """The rest of it, its span and all others are kept."""
    depth = values.MAX_DEPTH + more
    member = '{"key": "k", "value": ' if kind == "kvlistValue" else ""
    opened = f'{{"{kind}": {{"values": [{member}'
    closed = "]}}" if kind == "arrayValue" else "}]}}"
    nested = opened * depth + '{"stringValue": "]}\\"["}' + closed * depth
    attributes = [{"key": "deep", "value": "NESTED"}, {"key": "b", "value": {"intValue": 5}}]
    body = _body(_span(attributes=attributes), _span()).replace(b'"NESTED"', nested.encode())
    batch = decode.from_json(body)
    assert (len(batch.spans), batch.rejected) == (2, 0)
    found = batch.spans[0].attributes
    assert found["b"] == 5
    value = found["deep"]
    for _ in range(values.MAX_DEPTH):
        [value] = value if kind == "arrayValue" else value.values()
    assert value == (values.TOO_DEEP if more else ']}"[')


def test_a_long_body_that_is_nested_too_deeply_is_malformed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(otlp_json, "_CUT_BYTES", 30_000)
    with pytest.raises(decode.Malformed, match="too deeply; export smaller batches"):
        decode.from_json(b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}")


def test_a_bad_attribute_of_the_resource_is_left_out() -> None:
    body = json.loads(_body(_span()))
    body["resourceSpans"][0]["resource"] = {
        "attributes": [{"key": "a", "value": {"intValue": "x"}}, {"key": "b", "value": {}}]
    }
    [kept] = decode.from_json(json.dumps(body).encode()).spans
    assert kept.resource == {"b": None}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"[]",
        b"5",
        b"{}",
        b"{",
        b"\xff",
        b'{"resourceSpans": 5}',
        b'{"resourceSpans": []}',
        b'{"resourceSpans": [5]}',
        b'{"resourceSpans": [{"scopeSpans": 5}]}',
        b'{"resourceSpans": [{"scopeSpans": [5]}]}',
        b'{"resourceSpans": [{"resource": 5}]}',
        b"[" * 100_000,
        b'{"resourceSpans":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_export_is_malformed(body: bytes) -> None:
    with pytest.raises(decode.Malformed, match=r"^Invalid OpenTelemetry format"):
        decode.from_json(body)


def test_an_export_without_spans_has_none() -> None:
    assert decode.from_json(b'{"resourceSpans": [{}]}').spans == []


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_VALUES", 100)
    elements = {"arrayValue": {"values": [{"intValue": 1}] * 100}}
    with pytest.raises(decode.TooLarge, match="more than 100 events and values"):
        decode.from_json(_body(_span(attributes=[{"key": "k", "value": elements}])))


def test_too_many_spans_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_SPANS", 2)
    with pytest.raises(decode.TooLarge, match="more than 2 spans"):
        decode.from_json(_body(_span(), {}, _span()))


def test_too_many_values_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_json, "_MAX_VALUES", 100)
    with pytest.raises(decode.TooLarge, match="too many values"):
        decode.from_json(b'{"x": [' + b"[]," * 200 + b"[]]}")


NAMES = st.sampled_from(
    (
        *("resourceSpans", "scopeSpans", "spans", "resource", "attributes", "events", "links"),
        *("key", "value", "values", "stringValue", "arrayValue", "kvlistValue", "status"),
        *("traceId", "spanId"),
    )
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)


@given(ANY_JSON)
def test_any_span_is_read_or_refused(value: Any) -> None:
    batch = decode.from_json(_body(value, _span(attributes=value), _span(), _span(events=[value])))
    assert len(batch.spans) + batch.rejected == 4
    assert ROOT in [each.span_id for each in batch.spans]


@given(ANY_JSON | st.binary())
def test_any_body_is_read_or_malformed(value: Any) -> None:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    with contextlib.suppress(decode.Malformed):
        decode.from_json(body)


def _span(**fields: Any) -> dict[str, Any]:
    return {"traceId": TRACE.hex(), "spanId": ROOT.hex(), "name": "step"} | fields


def _body(*spans: Any) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()

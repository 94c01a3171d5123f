"""Spans out of OTLP's protobuf."""

import math
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tandem_metadata.spans import decode, values
from tandem_metadata.spans.span import Event, Link, Span
from tests.metadata.spans.exports import (
    CHILD,
    END,
    ROOT,
    START,
    TRACE,
    attribute,
    export,
    span,
)

LONG = 2**63


def test_all_of_a_span_is_read() -> None:
    sent = span(CHILD, ROOT, {"n": 2**60 + 1, "x": 0.5, "b": True, "o": {"q": ["a", None]}})
    sent.status.code = 2
    sent.status.message = "boom"
    happened = sent.events.add(name="exception", time_unix_nano=START + 1)
    attribute(happened, "exception.type", "ValueError")
    attribute(sent.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8), "why", "retry")
    batch = decode.from_protobuf(export(sent, resource={"host": "h"}).SerializeToString())
    assert batch.spans == [
        Span(
            trace_id=TRACE,
            span_id=CHILD,
            parent_id=ROOT,
            name="step",
            start_ns=START,
            end_ns=END,
            status="ERROR",
            status_message="boom",
            attributes={
                "n": 2**60 + 1,
                "x": 0.5,
                "b": True,
                "o": {"q": ["a", None]},
                "mlflow.traceRequestId": f"tr-{TRACE.hex()}",
            },
            events=[Event("exception", START + 1, {"exception.type": "ValueError"})],
            links=[Link(b"\1" * 16, b"\2" * 8, {"why": "retry"})],
            resource={"host": "h"},
        )
    ]
    assert batch.rejected == 0


@pytest.mark.parametrize("value", [-(2**63), 2**63 - 1, -1, 0, 2**53 + 1])
def test_an_integer_is_kept_exactly(value: int) -> None:
    assert _attribute(value) == value


@pytest.mark.parametrize("value", ["", "é😀", [], {}, [[], {}], {"": None}, False, -0.0])
def test_a_value_is_kept(value: Any) -> None:
    assert _attribute(value) == value


def test_nan_and_infinity_are_kept() -> None:
    assert math.isnan(_attribute(math.nan))
    assert _attribute([math.inf, -math.inf]) == [math.inf, -math.inf]


def test_bytes_become_base64() -> None:
    assert _attribute(b"\0\xff") == "AP8="


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"q": [1, 2.5, "é"]}', {"q": [1, 2.5, "é"]}),
        (" [1]\n", [1]),
        ('"text"', "text"),
        ('"[1]"', "[1]"),
        ('{"x": NaN, "y": -Infinity}', None),
        ("5", "5"),
        ("true", "true"),
        ("{broken", "{broken"),
        ('["\\ud800"]', '["\\ud800"]'),
        ("[" * 5000 + "]" * 5000, "[" * 5000 + "]" * 5000),
        ("[" * 80 + "]" * 80, "[" * 80 + "]" * 80),
        ("[1e999]", "[1e999]"),
        ("[" + "1" * 5000 + "]", "[" + "1" * 5000 + "]"),
        ('{"a\\u0000": ["\\u0000"]}', {"a\ufffd": ["\ufffd"]}),
    ],
)
def test_a_json_text_of_an_object_list_or_string_is_unwrapped_once(text: str, value: Any) -> None:
    found = _attribute(text)
    if value is None:
        assert math.isnan(found["x"])
        assert found["y"] == -math.inf
    else:
        assert found == value


def test_a_json_text_that_is_a_tag_of_the_trace_stays_a_text() -> None:
    key = "mlflow.traceTag.k"
    assert _read(span(attributes={key: '{"a":1}'})).attributes[key] == '{"a":1}'


def test_json_texts_beyond_the_allowance_stay_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_VALUES", 5)
    read = _read(span(attributes={"a": "[1, 2, 3]", "b": "[1, 2, 3, 4, 5, 6, 7, 8]", "c": "[1]"}))
    assert [read.attributes[key] for key in "abc"] == [[1, 2, 3], "[1, 2, 3, 4, 5, 6, 7, 8]", [1]]


def test_a_client_cannot_choose_the_id_of_its_trace() -> None:
    read = _read(span(attributes={"mlflow.traceRequestId": "tr-other"}))
    assert read.attributes["mlflow.traceRequestId"] == f"tr-{TRACE.hex()}"


def test_a_short_id_is_filled_up() -> None:
    read = _read(span(b"\1", b"\2", trace_id=b"\3" * 8))
    assert (read.trace_id, read.span_id, read.parent_id) == (
        b"\0" * 8 + b"\3" * 8,
        b"\0" * 7 + b"\1",
        b"\0" * 7 + b"\2",
    )


def test_a_parent_of_zeros_makes_a_root() -> None:
    assert _read(span(parent_id=b"\0" * 8)).parent_id is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (span(trace_id=b""), "A span has no trace_id."),
        (span(b""), "A span has no span_id."),
        (span(trace_id=b"\1" * 17), "A trace_id has 17 bytes; it must have 16."),
        (span(b"\1" * 9), "A span_id has 9 bytes; it must have 8."),
        (span(parent_id=b"\1" * 9), "A parent_span_id has 9 bytes; it must have 8."),
    ],
)
def test_a_bad_span_is_refused_alone(bad: Any, reason: str) -> None:
    batch = decode.from_protobuf(export(span(), bad, bad, span(CHILD)).SerializeToString())
    assert [each.span_id for each in batch.spans] == [ROOT, CHILD]
    assert (batch.rejected, batch.reasons) == (2, [reason])


@pytest.mark.parametrize("more", [0, 1, 2000])
@pytest.mark.parametrize("are_lists", [True, False])
def test_a_value_that_is_nested_too_deeply_is_cut(are_lists: bool, more: int) -> None:
    """Beyond what protobuf's library reads; the rest of it and all spans are kept."""
    body = _nested(span(attributes={"k": "here"}), values.MAX_DEPTH + more, are_lists=are_lists)
    batch = decode.from_protobuf(body)
    assert [each.span_id for each in batch.spans] == [ROOT, CHILD]
    assert batch.rejected == 0
    found = batch.spans[0].attributes
    assert found["k"] == "here"
    value = found["deep"]
    for _ in range(values.MAX_DEPTH):
        [value] = value if are_lists else value.values()
    assert value == (values.TOO_DEEP if more else "end")


def test_reasons_are_few() -> None:
    bad = [span(bytes(9 + n)) for n in range(20)]
    batch = decode.from_protobuf(export(*bad).SerializeToString())
    assert (batch.rejected, len(batch.reasons)) == (20, 5)


def test_a_link_to_impossible_ids_is_left_out() -> None:
    sent = span()
    sent.links.add(trace_id=b"\1" * 20, span_id=b"\1" * 8)
    sent.links.add(trace_id=b"\1", span_id=b"\2")
    assert [link.span_id for link in _read(sent).links] == [b"\0" * 7 + b"\2"]


def test_times_fit_their_columns() -> None:
    sent = span(start_time_unix_nano=LONG, end_time_unix_nano=2 * LONG - 1)
    sent.events.add(time_unix_nano=LONG)
    read = _read(sent)
    assert (read.start_ns, read.end_ns, read.events[0].time_ns) == (LONG - 1,) * 3


def test_a_span_without_an_end_lasts() -> None:
    assert _read(span(end_time_unix_nano=0)).end_ns is None


def test_nul_characters_are_replaced() -> None:
    sent = span(name="a\0b", attributes={"k\0": "\0", "o": {"\0": ["\0"]}})
    sent.events.add(name="\0")
    read = _read(sent)
    assert read.name == "a\ufffdb"
    assert read.attributes["k\ufffd"] == "\ufffd"
    assert read.attributes["o"] == {"\ufffd": ["\ufffd"]}
    assert read.events[0].name == "\ufffd"


def test_a_string_that_is_not_utf_8_is_mended() -> None:
    body = export(span(name="caf?")).SerializeToString().replace(b"caf?", b"caf\xe9")
    assert decode.from_protobuf(body).spans[0].name == "caf\ufffd"


@pytest.mark.parametrize(("code", "status"), [(0, "UNSET"), (1, "OK"), (2, "ERROR")])
def test_a_message_is_kept_with_errors_only(code: Any, status: str) -> None:
    sent = span()
    sent.status.code = code
    sent.status.message = "why"
    read = _read(sent)
    assert (read.status, read.status_message) == (status, "why" if code == 2 else "")


def test_the_name_of_a_known_agent_is_copied_to_the_root() -> None:
    body = export(
        span(), span(CHILD, ROOT), resource={"service.name": "claude-code"}
    ).SerializeToString()
    root, child = decode.from_protobuf(body).spans
    assert root.attributes["service.name"] == "claude-code"
    assert "service.name" not in child.attributes
    assert root.resource is child.resource


def test_the_name_of_another_service_is_not_copied_to_the_root() -> None:
    body = export(span(), resource={"service.name": "mine"}).SerializeToString()
    assert "service.name" not in decode.from_protobuf(body).spans[0].attributes


def test_the_last_copy_of_a_span_counts() -> None:
    body = export(span(name="1"), span(CHILD), span(name="2")).SerializeToString()
    spans = decode.last_of_each(decode.from_protobuf(body).spans)
    assert [(each.span_id, each.name) for each in spans] == [(ROOT, "2"), (CHILD, "step")]


@pytest.mark.parametrize("body", [b"", b"garbage", b"\x0a", b"\x0a\x05", b"\xff" * 20, b"{}"])
def test_a_body_that_is_no_export_is_malformed(body: bytes) -> None:
    with pytest.raises(decode.Malformed, match=r"^Invalid OpenTelemetry format"):
        decode.from_protobuf(body)


def test_an_export_without_spans_has_none() -> None:
    assert decode.from_protobuf(export().SerializeToString()).spans == []


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_VALUES", 100)
    body = export(span(attributes={"k": list(range(100))})).SerializeToString()
    with pytest.raises(decode.TooLarge, match="more than 100 events and values"):
        decode.from_protobuf(body)


def test_too_many_spans_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_SPANS", 2)
    with pytest.raises(decode.TooLarge, match="more than 2 spans"):
        decode.from_protobuf(export(span(), span(b""), span(CHILD)).SerializeToString())


@pytest.mark.parametrize(
    "body", [b"\x0a\x00" * 11, b"\x08\x01" * 11, b"\x0b" + b"\x08\x01" * 11 + b"\x0c"]
)
def test_too_many_fields_are_refused(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(values, "MAX_FIELDS", 10)
    with pytest.raises(decode.TooLarge, match="more than 10 fields"):
        decode.from_protobuf(body)


@pytest.mark.parametrize(
    "unknown",
    [
        b"\xd8\x3e\x05",  # varint, field 1003
        b"\xd9\x3e" + b"\1" * 8,
        b"\xda\x3e\x02\xff\xff",
        b"\xdd\x3e" + b"\1" * 4,
        b"\xdb\x3e\x08\x01\x0b\x0c\x12\x01x\x0d1234\xdc\x3e",  # a group with one in it
    ],
)
def test_an_unknown_field_is_skipped_wherever_it_is(unknown: bytes) -> None:
    inner = span(attributes={"k": "v"}).SerializeToString() + unknown
    scope = _message(2, inner) + unknown
    body = unknown + _message(1, unknown + _message(2, scope)) + unknown
    assert decode.from_protobuf(body).spans == [_read(span(attributes={"k": "v"}))]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LONG, LONG - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters='\0"{['), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from("abcdef"), JSON), st.integers(0, LONG - 1))
def test_any_span_comes_through(attributes: dict[str, Any], start: int) -> None:
    sent = span(attributes=attributes, start_time_unix_nano=start)
    attributes = attributes | {"mlflow.traceRequestId": f"tr-{TRACE.hex()}"}
    read = _read(sent)
    assert read.start_ns == start
    assert read.attributes == attributes


@given(st.data())
def test_a_damaged_export_is_refused_or_read_as_protobuf_does(data: st.DataObject) -> None:
    whole = bytearray(
        export(
            span(attributes={"k": {"a": [1, 0.5]}}), span(CHILD, ROOT), resource={"a": "b"}
        ).SerializeToString()
    )
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.sampled_from(["set", "cut", "drop"])):
            case "set":
                whole[at] = data.draw(st.integers(0, 255))
            case "cut" if at:
                del whole[at:]
            case "drop" if len(whole) > 1:
                del whole[at]
    _compare(bytes(whole))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read_as_protobuf_does(body: bytes) -> None:
    _compare(body)


def _compare(body: bytes) -> None:
    """Protobuf's library refuses more: strings that are not UTF-8, faults in skipped messages."""
    try:
        batch = decode.from_protobuf(body)
    except decode.Malformed:
        batch = None
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError:
        return
    if not request.resource_spans:
        assert batch is None
        return
    assert batch is not None
    groups = [scope for group in request.resource_spans for scope in group.scope_spans]
    sent = [each for group in groups for each in group.spans]
    assert len(batch.spans) + batch.rejected == len(sent)
    if not batch.rejected:
        assert [(each.name, each.start_ns) for each in batch.spans] == [
            (each.name.replace("\0", "\ufffd"), min(each.start_time_unix_nano, LONG - 1))
            for each in sent
        ]


def _attribute(value: Any) -> Any:
    return _read(span(attributes={"k": value})).attributes["k"]


def _read(sent: Any) -> Span:
    [read] = decode.from_protobuf(export(sent).SerializeToString()).spans
    return read


def _message(number: int, content: bytes) -> bytes:
    size = bytearray()
    length = len(content)
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


def _nested(sent: Any, depth: int, *, are_lists: bool) -> bytes:
    """An export of a span with a deep value, and of a good one, after it."""
    value = _message(1, b"end")
    for _ in range(depth):
        if are_lists:
            value = _message(5, _message(1, value))
        else:
            value = _message(6, _message(1, _message(1, b"k") + _message(2, value)))
    attribute = _message(9, _message(1, b"deep") + _message(2, value))
    spans = _message(2, sent.SerializeToString() + attribute)
    good = _message(2, span(CHILD).SerializeToString())
    return _message(1, _message(2, spans + good))

"""Bodies of requests that are malformed, hold what cannot be stored, or are too much."""

import contextlib
import json
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from tandem_shared.errors import InvalidParameter
from tandem_shared.wire import codec
from tests.shared.wire.queries import Point, Query, decode, refusal


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"run_id": "r",}', b'{"run_id": "r"} x', b'"', b'"abc', b'"abc" x', b" ", b"nul"],
)
def test_malformed_json_is_told_as_such(body: bytes) -> None:
    assert refusal(body).startswith("The request body is not valid JSON: ")


def test_malformed_json_after_a_bare_nan_is_told_by_its_own_place() -> None:
    assert "char 33" in refusal('{"run_id": "r", "value": NaN, "x"}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"run_id": "\xff"}',
        b'{"\xc3\x28": 1}',
        b"\x80{}",
        b'{"run_id": "\\ud83d\\ude00", "unknown": "\xff"}',
    ],
)
def test_invalid_utf8_is_refused(body: bytes) -> None:
    assert "not valid" in refusal(body)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (r'{"run_id": "a\u0000"}', "run_id"),
        (r'{"run_id": "r", "points": [{"key": "\u0000"}]}', "points[0].key"),
        (r'{"run_id": "r", "labels": {"a": "\u0000"}}', "labels.a"),
        (r'{"run_id": "r", "labels": {"\u0000": "a"}}', "labels"),
        (r'{"run_id": "r\u0000", "value": NaN}', "run_id"),
        (json.dumps(r'{"run_id": "\u0000"}'), "run_id"),
    ],
)
def test_a_nul_character_is_refused_by_place(body: str, place: str) -> None:
    assert refusal(body) == f"Parameter '{place}' holds a NUL character; remove it."


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert decode(r'{"run_id": "a\\u0000"}').run_id == r"a\u0000"


def test_half_a_surrogate_pair_is_refused_and_a_whole_one_is_a_character() -> None:
    assert "half a surrogate pair" in refusal(r'{"run_id": "\ud83d"}')
    assert "half a surrogate pair" in refusal(json.dumps(r'{"run_id": "\udc00"}'))
    assert decode(r'{"run_id": "\ud83d\ude00"}').run_id == "😀"


class Kept(Struct):
    REPLACES_UNSTORABLE: ClassVar[bool] = True
    note: str = ""
    labels: dict[str, str] = {}
    points: list[Point] = []


@pytest.mark.parametrize("value", [1, "NaN"])
def test_what_cannot_be_stored_is_replaced_where_a_message_says_so(value: Any) -> None:
    body = (
        rb'{"note": "a\u0000\\u0000\ud83d", "labels": {"\u0000": "\u0000"}, '
        rb'"points": [{"key": "\u0000k"'
    )
    message = codec.decode_json(body + f', "value": {value}}}]}}'.encode(), Kept)
    assert message.note == "a\ufffd\\u0000\ufffd"
    assert message.labels == {"\ufffd": "\ufffd"}
    assert message.points[0].key == "\ufffdk"
    without_half = body.replace(rb"\ud83d", b"")
    message = codec.decode_json(without_half + b"}]}", Kept)
    assert message.note == "a\ufffd\\u0000"


def test_fields_that_nobody_knows_may_hold_anything() -> None:
    for unknown in ('"\\u0000"', '"\\ud83d"', "null", "NaN", '{"run_id": "\\u0000"}'):
        assert decode(f'{{"run_id": "r", "unknown": {unknown}}}').run_id == "r"
        assert decode(f'{{"run_id": "r", "unknown": {unknown}, "value": NaN}}').run_id == "r"


@pytest.mark.parametrize(
    "written",
    ['{{"run_id": "r", "unknown": {}}}', '{{"run_id": "r", "q": NaN, "names": {}}}', "{}"],
)
def test_a_body_of_very_many_values_is_refused(written: str) -> None:
    many = "[" + '"",' * codec.MAX_VALUES + '""]'
    assert f"more than {codec.MAX_VALUES} values" in refusal(written.format(many))


def test_a_string_of_very_many_values_is_refused() -> None:
    inner = '{"run_id": "r", "q": NaN, "unknown": [' + "[]," * codec.LENIENT_VALUES + "[]]}"
    assert f"more than {codec.LENIENT_VALUES} values" in refusal(json.dumps(inner))


def test_a_long_body_is_read_strictly_but_for_fields_that_nobody_knows() -> None:
    many = ",".join(["[1]"] * codec.LENIENT_VALUES)
    assert decode(f'{{"run_id": "r", "value": "NaN", "unknown": [{many}]}}').run_id == "r"
    assert "in quotes" in refusal(f'{{"run_id": "r", "value": NaN, "unknown": [{many}]}}')
    long = "a" * codec.LENIENT_BYTES
    assert decode(f'{{"run_id": "r", "unknown": "{long}"}}').run_id == "r"
    assert "in quotes" in refusal(f'{{"run_id": "r", "value": NaN, "unknown": "{long}"}}')
    assert "'run_id' holds a NUL" in refusal(f'{{"run_id": "\\u0000", "unknown": "{long}"}}')
    assert "'count' supplied: expected" in refusal(
        f'{{"run_id": "r", "count": [], "unknown": "{long}"}}'
    )


def test_commas_in_text_are_no_values() -> None:
    text = ',[{\\"' * codec.MAX_VALUES
    assert decode(f'{{"run_id": "r", "note": "{text}"}}').note == text.replace("\\", "")


DEEP = pytest.mark.parametrize(
    "body",
    [
        '{{"run_id": "r", "unknown": {}}}',
        '{{"run_id": "r", "value": NaN, "unknown": {}}}',
        '{{"run_id": "\\u0000", "unknown": {}}}',
        "{}",
    ],
)


@DEEP
def test_deep_nesting_is_refused(body: str) -> None:
    assert refusal(body.format("[" * 40_000 + "]" * 40_000)) == (
        "The request body is nested too deeply."
    )


@DEEP
@pytest.mark.parametrize("depth", [500, 1_000, 5_000])
def test_nesting_about_the_limit_is_read_or_refused(body: str, depth: int) -> None:
    _decode_or_refuse(body.format("[" * depth + "]" * depth).encode())


@pytest.mark.parametrize("field", ["count", "value", "unknown"])
def test_a_number_of_thousands_of_digits_is_refused_or_ignored(field: str) -> None:
    digits = "1" * 6_000
    assert refusal(f'{{"run_id": "r", "{field}": {digits}, "small": NaN}}')
    assert refusal(f'{{"run_id": "\\ud83d\\ude00", "{field}": {digits}}}')


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    _decode_or_refuse(body)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["run_id", "count", "points", "key", "value", "labels", "exact"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON_LIKE, st.booleans(), st.integers(0, 3))
def test_no_json_raises_anything_but_a_refusal(value: Any, twice: bool, cut: int) -> None:
    text = json.dumps(value)
    body = (json.dumps(text) if twice else text).encode()
    _decode_or_refuse(body[: len(body) - cut])


def _decode_or_refuse(body: bytes) -> None:
    with contextlib.suppress(InvalidParameter):
        message = codec.decode_json(body, Query)
        assert message.run_id
        assert codec.encode_json(message)

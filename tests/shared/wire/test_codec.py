"""Fields of messages, in JSON and in query strings, as protobuf's mapping has them."""

import json
import math
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from tandem_shared.errors import InvalidParameter
from tandem_shared.wire import codec
from tests.shared.wire.queries import Answer, Named, Point, Query, decode, refusal

MAX = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ('"12"', 12),
        ("-3", -3),
        ('"-3"', -3),
        ("1.0", 1),
        (str(MAX), MAX),
        (f'"{MAX}"', MAX),
        (str(-MAX - 1), -MAX - 1),
    ],
)
def test_an_int64_is_a_number_or_a_string(text: str, number: int) -> None:
    assert decode(f'{{"run_id": "r", "count": {text}}}').count == number


@pytest.mark.parametrize(
    "text",
    [str(MAX + 1), f'"{MAX + 1}"', str(-MAX - 2), "1.5", '""', '"x"', "true", "[]", "{}", "1e30"],
)
def test_what_is_not_an_int64_is_refused_by_name(text: str) -> None:
    assert "'count'" in refusal(f'{{"run_id": "r", "count": {text}}}')


def test_the_bounds_of_an_int32_are_checked() -> None:
    assert decode('{"run_id": "r", "small": 2147483647}').small == 2**31 - 1
    assert "2147483647" in refusal('{"run_id": "r", "small": 2147483648}')


@pytest.mark.parametrize("written", ['"{}"', "{}"])
@pytest.mark.parametrize(
    ("word", "number"), [("Infinity", math.inf), ("-Infinity", -math.inf), ("NaN", math.nan)]
)
def test_a_double_may_be_not_finite_as_a_string_or_a_bare_word(
    written: str, word: str, number: float
) -> None:
    value = decode(f'{{"run_id": "r", "value": {written.format(word)}}}').value
    assert value is not None
    assert value == number or (math.isnan(value) and math.isnan(number))


@pytest.mark.parametrize("text", ["1e400", '"1e400"', '"abc"', "[1]", "true"])
def test_what_is_not_a_double_is_refused(text: str) -> None:
    refusal(f'{{"run_id": "r", "value": {text}}}')


def test_an_empty_body_is_an_object_without_fields() -> None:
    class Nothing(Struct):
        note: str = "unset"

    assert codec.decode_json(b"", Nothing).note == "unset"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "run_id"),
        (b"{}", "run_id"),
        (b'{"run_id": ""}', "run_id"),
        (b'{"run_id": null}', "run_id"),
        (b'{"run_id": "r", "points": [{"key": "a"}, {"value": 1}]}', "points[1].key"),
        (b'{"run_id": "r", "points": [{"key": ""}]}', "points[0].key"),
    ],
)
def test_a_missing_or_empty_required_field_is_named(body: bytes, place: str) -> None:
    assert refusal(body).startswith(f"Missing value for required parameter '{place}'. ")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            '{"run_id": 1}',
            "Invalid value 1 for parameter 'run_id' supplied: expected a string, got an integer.",
        ),
        (
            '{"run_id": "r", "value": 1, "count": 1.5}',
            "Invalid value 1.5 for parameter 'count' supplied: expected an integer, got a floatin",
        ),
        (
            '{"run_id": "r", "points": {}}',
            "Invalid value {} for parameter 'points' supplied: expected a list, got an object.",
        ),
        (
            '{"run_id": "r", "points": [{"key": "k", "step": "x"}]}',
            "Invalid value \"x\" for parameter 'points[0].step' supplied: expected an integer, got",
        ),
        (
            '{"run_id": "r", "points": [null]}',
            "Invalid value null for parameter 'points[0]' supplied: expected an object, got null.",
        ),
        (
            '{"run_id": "r", "labels": {"a": 1}}',
            "Invalid value 1 for parameter 'labels.a' supplied: expected a string, got an integer.",
        ),
        (
            '{"run_id": "r", "labels": {"a": "", "b.c": null, "d": null}}',
            "Invalid value null for parameter 'labels.b.c' supplied: expected a string, got null.",
        ),
        (
            '{"run_id": "r", "labels": {"%s": []}}' % ("k" * 9000),
            f"Invalid value [] for parameter 'labels.{'k' * 100}...' supplied: expected a string, ",
        ),
        (
            '{"run_id": "r", "labels": {"a": "%s", "b": true}}' % ("x" * codec.LENIENT_BYTES),
            "Invalid value true for parameter 'labels.b' supplied: expected a string, got a bool",
        ),
        (
            '{"run_id": "r", "exact": "maybe"}',
            "Invalid value \"maybe\" for parameter 'exact' supplied: expected a boolean, got a str",
        ),
        ("[]", "The request body must be a JSON object: expected an object, got a list."),
        ("null", "The request body must be a JSON object: expected an object, got null."),
        ('"x"', "The request body must be a JSON object: it is a string."),
        ('"\\"{}\\""', "The request body must be a JSON object: expected an object, got a string."),
    ],
)
def test_a_wrong_type_is_told_in_words(body: str, sentence: str) -> None:
    assert refusal(body).startswith(sentence)


def test_null_counts_as_not_given() -> None:
    message = decode('{"run_id": "r", "points": null, "count": null, "labels": null}')
    assert (message.points, message.count, message.labels) == ([], None, {})


def test_unknown_fields_are_ignored() -> None:
    assert decode('{"run_id": "r", "unknown": {"deep": [1, null]}}').run_id == "r"


class Limits(Struct):
    EXACT: ClassVar[bool] = True
    read_only: bool = False
    most: int | None = None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"readonly": true}', "Unknown parameter 'readonly': correct or remove it; this request"),
        ('{"readonly": null}', "takes read_only, most."),
        ('{"read_only": "false"}', "'read_only'"),
        ('{"read_only": 1}', "'read_only'"),
        ('{"most": "1"}', "'most'"),
        (json.dumps('{"readonly": true}'), "'readonly'"),
        (f'{{"readonly": "{"x" * codec.LENIENT_BYTES}"}}', "readonly"),
    ],
    ids=["unknown", "null", "text", "number", "number in text", "within text", "long"],
)
def test_an_exact_message_has_no_unknown_field_and_no_other_type(body: str, told: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        codec.decode_json(body.encode(), Limits)
    assert told in refused.value.message


def test_an_exact_message_may_have_null_and_second_names() -> None:
    body = b'{"readOnly": true, "most": null}'
    assert codec.decode_json(body, Limits) == Limits(read_only=True)
    assert codec.decode_json(b'{"read_only": null, "most": 1}', Limits) == Limits(most=1)


def test_a_field_may_have_the_name_that_protobuf_derives() -> None:
    message = decode('{"runId": "r", "count": "3", "points": [{"key": "k", "step": 1}]}')
    assert (message.run_id, message.count, message.points) == ("r", 3, [Point("k", step=1)])
    nested = codec.decode_json(b'{"items": [{"longName": "a"}, {"long_name": "b"}]}', Named)
    assert [item.long_name for item in nested.items] == ["a", "b"]
    assert nested.wholeName == "unset"
    assert codec.decode_json(b'{"items": [], "whole": "x"}', Named).wholeName == "x"


def test_a_field_under_both_of_its_names_is_refused() -> None:
    for value in ('"r"', "null"):
        assert refusal(f'{{"run_id": "r", "runId": {value}}}') == (
            "Request specifies both 'run_id' and 'runId', two names of one field; remove one."
        )


def test_an_object_encoded_as_a_string_is_read() -> None:
    assert decode(json.dumps(json.dumps({"run_id": "r", "count": "7"}))).count == 7
    assert decode(' "{\\"run_id\\": \\"r\\", \\"value\\": NaN}"').run_id == "r"


def test_a_query_fills_lists_and_takes_the_first_of_the_rest() -> None:
    pairs = [("run_id", "a"), ("run_id", "b"), ("names", "x"), ("names", "y"), ("count", "5")]
    message = codec.decode_query(pairs, Query)
    assert (message.run_id, message.names, message.count) == ("a", ["x", "y"], 5)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("1", True), ("FALSE", False), ("0", False)]
)
def test_a_boolean_of_a_query_has_any_case(text: str, value: bool) -> None:
    assert codec.decode_query([("run_id", "r"), ("exact", text)], Query).exact is value


@pytest.mark.parametrize(
    ("pairs", "place"),
    [
        ([], "run_id"),
        ([("run_id", "")], "run_id"),
        ([("run_id", "r"), ("count", "many")], "count"),
        ([("run_id", "r"), ("count", str(MAX + 1))], "count"),
        ([("run_id", "r"), ("exact", "maybe")], "exact"),
        ([("run_id", "r\0")], "run_id"),
    ],
)
def test_a_bad_query_names_the_parameter(pairs: list[tuple[str, str]], place: str) -> None:
    with pytest.raises(InvalidParameter, match=f"'{place}'"):
        codec.decode_query(pairs, Query)


def test_unset_fields_and_empty_lists_are_left_out_of_answers() -> None:
    assert codec.encode_json(Answer()) == b"{}"
    assert codec.encode_json(Answer(name="", points=["a"])) == b'{"name":"","points":["a"]}'


@pytest.mark.parametrize(
    ("value", "written"),
    [(1.5, 1.5), (math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (-0.0, -0.0)],
)
def test_a_double_is_written_as_protobuf_does(value: float, written: float | str) -> None:
    assert codec.json_double(value) == written


@given(st.floats())
def test_a_double_survives_the_wire(value: float) -> None:
    body = codec.encode_json({"run_id": "r", "value": codec.json_double(value)})
    read = codec.decode_json(body, Query).value
    assert read == value or (read is not None and math.isnan(read) and math.isnan(value))

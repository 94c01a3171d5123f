"""The sentences that errors share."""

import pytest

from tandem_shared import errors


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a$b", '"a$b"'),
        ("a\n\x07é", r'"a\n\u0007\u00e9"'),
        ("x" * 101, f'"{"x" * 100}..."'),
        (5, "5"),
        (1.5, "1.5"),
        (None, "null"),
        ({"b": [1], "a": True}, '{"a":true,"b":[1]}'),
        (["x" * 200], f'["{"x" * 98}...'),
    ],
)
def test_invalid_value_is_shown_as_json_and_cut(value: object, shown: str) -> None:
    refused = errors.invalid_value("key", value, "shorten it")
    assert refused.message == f"Invalid value {shown} for parameter 'key' supplied: shorten it."


def test_missing_value_is_told_with_what_it_may_be() -> None:
    assert errors.missing_value("key").message == "Missing value for required parameter 'key'."
    told = errors.missing_value("key", "name one").message
    assert told == "Missing value for required parameter 'key': name one."

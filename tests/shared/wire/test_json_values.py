"""Counting the values of a JSON text, and cutting those that are nested too deeply."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_shared.wire import json_values

TEXTS = st.text(st.sampled_from('",[{\\\\a: é'), max_size=8)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=40,
)


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "_PIECE", 7)


@given(VALUES, st.booleans(), st.integers(0, 60))
def test_few_values_are_never_many_and_many_never_few(value: Any, ascii: bool, most: int) -> None:
    text = json.dumps(value, ensure_ascii=ascii).encode()
    marks, values = _marks(value), _values(value)
    if json_values.more_than(text, most):
        assert marks > most
    else:
        assert values <= 2 * most + 2


@given(st.binary(max_size=60), st.integers(0, 9))
def test_any_bytes_are_counted(text: bytes, most: int) -> None:
    json_values.more_than(text, most)


def test_a_string_that_never_ends_is_one_value() -> None:
    assert not json_values.more_than(b'"' + b",\\" * 100, 10)


def _values(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + _values(item) for item in value.values())
    return 1 + sum(map(_values, value)) if isinstance(value, list) else 1


def _marks(value: Any) -> int:
    """Strings, names among them, brackets that open, and commas."""
    if isinstance(value, dict):
        return max(2 * len(value), 1) + sum(map(_marks, value.values()))
    if isinstance(value, list):
        return max(len(value), 1) + sum(map(_marks, value))
    return int(isinstance(value, str))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[]", "[]"),
        ('{"a": [1, [2]], "b": [3]}', '{"a": [1, null], "b": [3]}'),
        ('[{"a": {"b": [[[]]], "c": 5}, "d": {}}, [[], [4, {}]]]', None),
        (r'["]", [["]\"", "\\", [{}]], "["]]', r'["]", [null, "["]]'),
        ("[" * 100_000, "[[null"),
        ("[[[" + '"' + r"\"" * 100_000, "[[null"),
        ('[[["\\', "[[null"),
        ("]]] [[[[]", "]]] [[[[]"),
        ("", ""),
        ("5", "5"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_deep_values_are_cut(text: str, wanted: str | None) -> None:
    if wanted is None:
        wanted = '[{"a": null, "d": null}, [null, null]]'
    assert json_values.cut(text.encode(), 2).decode() == wanted


@given(VALUES, st.integers(0, 6))
def test_what_is_cut_is_json_and_else_as_it_was(value: Any, depth: int) -> None:
    def cut(value: Any, left: int) -> Any:
        if not isinstance(value, list | dict):
            return value
        if left == 0:
            return None
        if isinstance(value, list):
            return [cut(each, left - 1) for each in value]
        return {key: cut(each, left - 1) for key, each in value.items()}

    body = json.dumps(value).encode()
    assert json.loads(json_values.cut(body, depth)) == cut(value, depth)

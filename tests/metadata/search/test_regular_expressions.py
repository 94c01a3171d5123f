"""Regular expressions of RLIKE find what Python's own engine and PostgreSQL find."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tandem_metadata.database.database import Database
from tandem_metadata.rules.regular_expressions import parse
from tests.metadata.conftest import only_postgresql

_ATOMS = st.sampled_from(
    [
        "a",
        "b",
        ".",
        "1",
        r"\d",
        r"\w",
        r"\s",
        r"\D",
        "[ab]",
        "[^a]",
        "[a-c1]",
        r"\.",
        "A",
        r"[\d_-]",
    ]
)


def _larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    times = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{,2}", "{1,}", "*?", "+?"])
    return (
        st.tuples(parts, parts).map("".join)
        | st.tuples(parts, parts).map(lambda both: f"(?:{both[0]}|{both[1]})")
        | st.tuples(parts, times).map(lambda both: f"({both[0]}){both[1]}")
    )


_EXPRESSIONS = st.tuples(
    st.sampled_from(["", "(?i)"]),
    st.sampled_from(["", "^"]),
    st.recursive(_ATOMS, _larger, max_leaves=8),
    st.sampled_from(["", r"$"]),
).map("".join)
_TEXTS = st.text("ab.\n1 _-A", max_size=8)


def _python(expression: str, value: str) -> bool:
    if expression.endswith("$"):
        expression = expression[:-1] + r"\Z"
    return re.search(expression, value) is not None


@given(_EXPRESSIONS, _TEXTS)
@settings(max_examples=1000, deadline=None, database=None)
def test_an_expression_matches_what_it_does_in_python(expression: str, value: str) -> None:
    assert parse(expression).search(value) is _python(expression, value)


@only_postgresql
def test_an_expression_matches_what_it_does_in_postgresql(database: Database) -> None:
    with database.read() as conn:

        @given(_EXPRESSIONS, _TEXTS)
        @settings(max_examples=500, deadline=None, database=None)
        def check(expression: str, value: str) -> None:
            given_here = {"value": value, "expression": parse(expression).postgresql}
            found = conn.execute(text("SELECT CAST(:value AS TEXT) ~ :expression"), given_here)
            assert found.scalar() is _python(expression, value)

        check()


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        ("", "", True),
        ("^$", "", True),
        ("^$", "x", False),
        ("a|b", "xb", True),
        ("()a", "a", True),
        ("(|a)b", "b", True),
        ("x{2}", "axxb", True),
        ("{", "{", True),
        ("a{b", "a{b", True),
        ("[]a]", "]", True),
        ("[^]a]", "]", False),
        ("[a-]", "-", True),
        (r"[\]]", "]", True),
        (r"\*\\", "*\\", True),
        ("(?i)ÄPFEL", "äpfel", True),
        ("(?i)[^a]", "A", False),
        (r"\n", "a\nb", True),
        ("gpt-4(o|\\.1)", "openai/gpt-4.1", True),
    ],
)
def test_expression(expression: str, value: str, expected: bool) -> None:
    assert parse(expression).search(value) is expected


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("(a", "a parenthesis is not closed"),
        ("a)", "closes a parenthesis that was not opened"),
        ("[a", "a [ is not closed"),
        ("[b-a]", "ends before it begins"),
        ("*a", "nothing is before *"),
        ("a**", "repeats a repetition"),
        ("a{2}{3}", "repeats a repetition"),
        ("a{3,2}", "smaller number last"),
        ("a{256}", "of 255 at most"),
        ("(a{200}){200}", "more than 1000 characters with each repetition"),
        ("^*", "cannot be repeated"),
        ("(?=a)", "only (?: is supported"),
        ("(?P<n>a)", "only (?: is supported"),
        (r"(a)\1", r"the escape \1 is not supported"),
        (r"\bword", r"the escape \b is not supported"),
        ("[[:alpha:]]", "classes by name"),
        ("a\\", "ends too early"),
        ("(" * 40 + ")" * 40, "parentheses within each other"),
        ("a" * 1001, "more than 1000 characters"),
    ],
)
def test_expression_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse(expression)


@pytest.mark.parametrize("expression", ["(a+)+$b", "(a|a)*b", "^.*a.*a.*a.*b$", "(.*)(.*)(.*)b"])
def test_an_expression_that_python_would_not_end_with_ends(expression: str) -> None:
    assert not parse(expression).search("a" * 50_000)

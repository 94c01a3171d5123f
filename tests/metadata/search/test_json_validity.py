"""What is JSON for PostgreSQL releases that have no function for it, asked of one that has."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, String, bindparam, event, select, text

from tandem_metadata.database import trace_schema
from tandem_metadata.database.database import Database
from tandem_metadata.search.sql.json_validity import DEEPEST, is_json, is_reducible, may_be_read
from tandem_metadata.store.traces import search
from tests.metadata.conftest import only_postgresql
from tests.metadata.search import trace_data

pytestmark = only_postgresql

_BEYOND = re.compile("[eE][+-]?0*[1-9][0-9]{4}")
"""In numbers that are larger or smaller than is looked for, and than any program writes."""

_OLD = (15, 8)
"""A PostgreSQL without `pg_input_is_valid`."""


@pytest.fixture
def conn(database: Database) -> Iterator[Connection]:
    with database.read() as opened:
        yield opened


def _judged(conn: Connection, value: str) -> tuple[bool, bool]:
    """Whether the text is JSON: for any release, and for a new one."""
    given_text = bindparam("value", value, String())
    row = conn.execute(select(is_reducible(given_text), is_json(given_text, "jsonb"))).one()
    return row[0], row[1]


@pytest.mark.parametrize(
    "value",
    [
        '""',
        "0",
        " -0.5e+3\n",
        "true",
        "1e0000",
        "1.0000000000000002e+1000",
        f"{'9' * 100}.{'9' * 99}e-9999",
        f"{'9' * 100}.{'9' * 99}e+9999",
        "[]",
        "{ }",
        '[1, "a", null, [false, {"k": {}}]]',
        '{"a": 1, "b" : [2 , 3], "": {"c": "\\" \\\\ \\u00e9 \\ud83d\\ude00 {]:,"}}',
        '"é\x7f\u2028"',
        '{"a": 1, "a": 2}',
        "[" * DEEPEST + "]" * DEEPEST,
        json.dumps(trace_data.content(trace_data.span("root", "LLM", q='"', n=[1, {"a": "\n"}]))),
        trace_data.content(trace_data.span("root", "LLM", q='"', n=[1, {"a": "\n"}])),
    ],
)
def test_json_is_seen(conn: Connection, value: str) -> None:
    assert _judged(conn, value) == (True, True)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        '"',
        '"a',
        '"\n"',
        '"\x01"',
        '"\\x"',
        '"\\u12"',
        '"\\u0000"',
        '"\\ud83d"',
        '"\\ude00"',
        '"\\ude00\\ud83d"',
        '"\\ud83d\\u0041"',
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "- 1",
        "-[1]",
        "1 2",
        "1[2]",
        "[1[2]]",
        "truefalse",
        "tru",
        "NaN",
        "Infinity",
        "'a'",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{1: 2}",
        '{"a"}',
        '{"a": }',
        '{"a": 1,}',
        '{"a": 1 "b": 2}',
        '{"a": 1}}',
        '{{"a": 1}}',
        '{"a": "b": 1}',
        '["a": 1]',
        '{"a": 1} x',
        "1\u00a0",
        "\x0b1",
    ],
)
def test_what_is_no_json_is_seen(conn: Connection, value: str) -> None:
    assert _judged(conn, value) == (False, False)


@pytest.mark.parametrize(
    "value",
    ["[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "1" * 150, "1e12345", f"[0.{'5' * 150}]"],
    ids=["deep", "long", "large", "fraction"],
)
def test_json_that_is_too_much_for_old_releases_counts_as_none(
    conn: Connection, value: str
) -> None:
    assert _judged(conn, value)[0] is False


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('ak"\\:', max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
_TEXTS = st.builds(
    json.dumps, _VALUES, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 0, 1])
)


@st.composite
def _damaged(draw: st.DrawFn) -> str:
    """JSON in which some characters were replaced by others, or by none."""
    found = draw(_TEXTS)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(found)))
        put = draw(
            st.sampled_from(["", "", '"', "\\", ",", ":", "[", "}", "0", "-", " ", "\n", "u", "e"])
        )
        found = found[:place] + put + found[place + draw(st.integers(0, 2)) :]
    return found


def test_any_text_is_judged_as_by_new_releases(conn: Connection) -> None:
    @given(_TEXTS | _damaged())
    @settings(max_examples=1500, deadline=None, database=None)
    def check(value: str) -> None:
        assume(not _BEYOND.search(value))
        old, new = _judged(conn, value)
        assert old is new

    check()


_BROKEN = {
    "cut": '{"attributes": {"model": "\\"gpt-4o',
    "nothing": "model",
    "zero": '{"attributes": {"model": "\\"gpt-4o\\"", "\\u0000": "1"}}',
    "half": '{"attributes": {"model": "\\"gpt-4o\\"", "\\ud800": "1"}}',
    "value": '{"attributes": {"model": "\\"\\\\ud800gpt-4o\\""}}',
    "list": '["model", {"attributes": {"model": 5}}]',
    "empty": "",
}
_FILTERS = {
    "span.attributes.model = 'gpt-4o'": "tr-a",
    "span.attributes.model LIKE 'gpt%'": "tr-c tr-a",
    "NOT span.attributes.model LIKE 'gpt%' AND span.name = 'tool'": "tr-a",
    "feedback.correct = 'true'": "tr-a",
    "feedback.score > 0.6": "tr-c",
    "issue.name = 'a name'": "tr-d",
}


@pytest.mark.parametrize("version", [None, _OLD], ids=["this", "old"])
def test_a_broken_document_fails_no_search(
    database: Database, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int] | None
) -> None:
    with database.write() as conn:
        trace_data.fill(conn)
        _break(conn)
    with database.read() as conn:
        if version:
            monkeypatch.setattr(conn.dialect, "server_version_info", version)
        for each, expected in _FILTERS.items():
            found = search.find(conn, experiment_ids=["1", "2"], filter=each).ids
            assert " ".join(each for each in found if "broken" not in each) == expected


def _break(conn: Connection) -> None:
    """Add a trace for each broken document, whose assessments are broken too."""
    schema = trace_schema.of(conn)
    for name, content in _BROKEN.items():
        trace: dict[str, Any] = {
            "id": f"tr-broken-{name}",
            "time": 1,
            "lasted": 1,
            "name": None,
            "tags": {},
            "metadata": {},
            "spans": [trace_data.span("root")],
            "assessments": [
                trace_data.feedback("correct", True),
                trace_data.feedback("score", 1),
                trace_data.feedback("i", {}, "issue"),
            ],
        }
        trace_data.add(conn, schema, trace)
        given_here = {"content": content, "trace_id": trace["id"], "value": f'"{content}'}
        for statement in (
            "UPDATE spans SET content = :content WHERE trace_id = :trace_id",
            "UPDATE assessments SET value = :value WHERE trace_id = :trace_id",
        ):
            assert conn.execute(text(statement), given_here).rowcount


def test_an_old_release_is_asked_for_no_function_that_it_lacks(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    with database.read() as conn:
        monkeypatch.setattr(conn.dialect, "server_version_info", _OLD)
        event.listen(conn, "before_cursor_execute", lambda *given: seen.append(given[2]))
        for each in _FILTERS:
            search.find(conn, experiment_ids=["0"], filter=each)
    assert sum("regexp_replace" in each for each in seen) >= len(_FILTERS) - 1  # all but the number
    for statement in seen:
        assert "pg_input_is_valid" not in statement


def test_documents_with_escapes_are_read_where_they_can_be(conn: Connection) -> None:
    for value, expected in (
        ('{"a": "\\u00e9"}', True),
        ('{"a": "\\\\u0000"}', True),
        ('{"a": "\\u0000"}', False),
        ('{"a": 1}', True),
        ("{", False),
    ):
        given_text = bindparam("value", value, String())
        assert conn.execute(select(may_be_read(given_text))).scalar() is expected

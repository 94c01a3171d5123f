"""Spans whose document is no JSON, as an event has NaN: their attributes are found all the same."""

import math
from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.spans.span import Event
from tandem_metadata.store.traces import search
from tests.metadata.conftest import only_postgresql
from tests.metadata.traces import writing

_NAN = Event("loss", 5, {"values": [math.nan, -math.inf, math.inf], "said": "NaN"})
_ATTRIBUTES: dict[str, Any] = {
    "plain": "gpt",
    "number": 5,
    "loss": math.nan,
    "BaNaNa to Infinity": "x",
    "text": "NaN, or -Infinity: Banana 8.7",
    "more": {"a": [math.inf, "é"]},
}
_FOUND = (
    "plain = 'gpt'",
    "number = '5'",
    "loss = 'NaN'",
    "`BaNaNa to Infinity` = 'x'",
    "text = 'NaN, or -Infinity: Banana 8.7'",
    "text LIKE '%or -Infinity%'",
    'more = \'{"a": [Infinity, "é"]}\'',
)
_NOT_FOUND = ("plain = 'NaN'", "loss = '8.7654321012345e271'", "values = '5'", "said = 'NaN'")
_OLD = (15, 8)
"""A PostgreSQL without a function that tells what is JSON."""


def test_attributes_are_found_beside_nan(database: Database) -> None:
    _find_attributes(database)


@only_postgresql
def test_attributes_are_found_beside_nan_by_old_releases(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.read() as conn:
        monkeypatch.setattr(conn.dialect, "server_version_info", _OLD)
    _find_attributes(database)


def _find_attributes(database: Database) -> None:
    traces = [writing.new_id() for _ in range(2)]
    for trace, events in zip(traces, ([_NAN], []), strict=True):
        made = writing.span(trace, attributes=_ATTRIBUTES, events=events)
        writing.make(database, writing.logged(made))
    wanted = {writing.name_of(trace) for trace in traces}
    with database.read() as conn:
        for filters, expected in ((_FOUND, wanted), (_NOT_FOUND, set())):
            for each in filters:
                given = f"span.attributes.{each}"
                found = search.find(conn, experiment_ids=["0"], filter=given).ids
                assert set(found) == expected, given

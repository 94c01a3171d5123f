"""What is written at one revision, and what MLflow makes of it when it upgrades the database."""

import math
from collections.abc import Iterator
from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.database.known_revisions import FIRST, HEAD
from tandem_metadata.settings import Settings
from tandem_metadata.spans.span import Event
from tandem_metadata.store.traces import deletion, load, tags
from tandem_metadata.store.traces.changes import Change, EndTrace, Told
from tandem_shared.errors import NotFound
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.database import mlflow_tables
from tests.metadata.traces import writing
from tests.metadata.traces.writing import (
    logged,
    make,
    name_of,
    new_id,
    span,
    started,
    stored,
    usage,
)

WITH_METRICS = "b7e2c1a4d9f3"


def _tags(database: Database, trace: bytes) -> dict[str, str]:
    with database.read() as conn:
        return load.info(conn, name_of(trace)).tags


def test_a_trace_is_renamed_and_loses_its_name(written: Database) -> None:
    trace = new_id()
    make(written, started(trace, Told(name="first")))
    for key, value in (("mlflow.traceName", "second"), ("t", "1"), ("t", "2")):
        with written.write() as conn:
            tags.put(conn, name_of(trace), key, value)
    found = _tags(written, trace)
    assert (found["mlflow.traceName"], found["t"]) == ("second", "2")
    for key in ("mlflow.traceName", "t"):
        with written.write() as conn:
            tags.remove(conn, name_of(trace), key)
        with pytest.raises(NotFound), written.write() as conn:
            tags.remove(conn, name_of(trace), key)
    assert not {"mlflow.traceName", "t"} & _tags(written, trace).keys()
    make(written, started(trace, Told(name="third")))
    assert _tags(written, trace)["mlflow.traceName"] == "third"


def test_a_deleted_trace_leaves_nothing(written: Database) -> None:
    trace = new_id()
    make(written, logged(span(trace, 1, None, usage(3)), run_id="r"), started(trace))
    with written.write() as conn:
        assert deletion.delete_traces(conn, 0, [name_of(trace)]) == 1
        assert load.infos(conn, [name_of(trace)]) == []
        assert writing.spans_of(conn, name_of(trace)) == []
    make(written, logged(span(trace, 2)))
    assert len(stored(written, trace)["spans"]) == 1


def test_a_span_that_comes_again_with_less_lowers_the_sums(written: Database) -> None:
    trace = new_id()
    for number in (9, 4):
        make(written, logged(span(trace, 1, None, usage(number)), span(trace, 2, 1, usage(1))))
        found = stored(written, trace)["trace_metadata"]
        assert found["mlflow.trace.tokenUsage"]["input_tokens"] == number
        assert found["mlflow.trace.cost"]["input_cost"] == number / 8
    make(written, logged(span(trace, 1)))
    found = stored(written, trace)["trace_metadata"]
    assert found["mlflow.trace.tokenUsage"]["input_tokens"] == 1
    make(written, logged(span(trace, 2, 1)))
    assert "trace_metadata" not in stored(written, trace)


def test_a_span_with_nan_in_an_event_counts_when_others_come(written: Database) -> None:
    trace = new_id()
    happened = Event("loss", 5, {"values": [math.nan, -math.inf]})
    make(written, logged(span(trace, 1), span(trace, 2, 1, usage(8), events=[happened])))
    make(written, logged(span(trace, 3, 1, usage(1))))
    found = stored(written, trace)["trace_metadata"]
    assert found["mlflow.trace.tokenUsage"]["input_tokens"] == 9
    assert found["mlflow.trace.cost"]["input_cost"] == 1.125


def test_a_trace_of_an_old_client_is_ended_over_what_it_had(written: Database) -> None:
    trace = new_id()
    make(written, logged(span(trace, 1, 7)))
    make(written, EndTrace(name_of(trace), writing.START_MS + 50, "OK", Told(session="s")))
    found = stored(written, trace)
    assert (found["state"], found["execution_duration"]) == ("OK", "0.050s")
    assert found["trace_metadata"] == {"mlflow.trace.session": "s"}


def _changes(trace: bytes) -> list[Change]:
    told = Told(
        name="agent",
        session="sess",
        metadata={"mlflow.trace.user": "alice", "k": "v"},
        tags={"t": "v"},
        tokens={"input_tokens": 7001},
    )
    return [
        logged(
            span(trace, 1, None, {"mlflow.spanInputs": "q", "user.id": "bob"}),
            span(trace, 2, 1, usage(3, cache_read_input_tokens=5)),
            run_id="r",
        ),
        started(trace, told),
        logged(span(trace, 3, 1, usage(2))),
    ]


@pytest.fixture(params=[FIRST, WITH_METRICS])
def upgraded(
    request: pytest.FixtureRequest, backend_store_uri: str
) -> Iterator[tuple[Database, bytes, dict[str, Any]]]:
    """A database with a trace written at an older revision, and how that was stored then."""
    mlflow_tables.load(backend_store_uri)
    if request.param != FIRST:
        mlflow_tables.upgrade(backend_store_uri, request.param)
    settings = Settings(backend_store_uri=backend_store_uri)
    database = Database(settings)
    database.prepare(ARTIFACT_ROOT)
    trace = new_id()
    for change in _changes(trace):
        make(database, change)
    before = stored(database, trace)
    database.close()
    mlflow_tables.upgrade(backend_store_uri, HEAD)
    database = Database(settings)
    yield database, trace, before
    database.close()


def test_mlflow_upgrades_what_was_written(
    upgraded: tuple[Database, bytes, dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    database, trace, before = upgraded
    # At the first revision there is no place for costs of spans but their documents.
    at_first = FIRST in request.node.name
    assert stored(database, trace, with_analytics=not at_first) == before
    native = new_id()
    for change in _changes(native):
        make(database, change)
    assert stored(database, native) == before
    make(database, logged(span(trace, 4, 1, usage(1))))
    found = stored(database, trace, with_analytics=not at_first)["trace_metadata"]
    assert found["mlflow.trace.tokenUsage"] == {
        "input_tokens": 7001,
        "output_tokens": 3,
        "total_tokens": 9,
        "cache_read_input_tokens": 5,
    }

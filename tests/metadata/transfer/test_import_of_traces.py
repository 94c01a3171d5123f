"""Traces of a file store in each generation of the schema."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces import load
from tandem_metadata.transfer.from_files import traces as trace_rows
from tests.metadata.traces import generations
from tests.metadata.transfer.file_stores import MadeUp, example, import_into, put
from tests.metadata.transfer.rows import rows


@pytest.fixture(params=generations.NAMES)
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    with generations.uri(request.param, request, tmp_path_factory) as uri:
        made = Settings(backend_store_uri=uri)
        database = Database(made)
        database.prepare("mlflow-artifacts:/")
        database.close()
        yield made


def test_names_sessions_and_tokens_are_where_the_revision_has_them(
    target: Settings, tmp_path: Path
) -> None:
    store = MadeUp(tmp_path)
    info = {
        "trace_id": "tr-1",
        "request_time": "2026-11-28T17:05:23.326Z",
        "execution_duration_ms": 99,
        "state": "OK",
        "request_preview": "in",
        "response_preview": "out",
        "client_request_id": "c1",
    }
    folder = store.trace(store.experiment(1), "tr-1", info)
    tags = {"mlflow.traceName": "agent", "team": "a", "mlflow.artifactLocation": "/srv/x"}
    metadata = {
        "mlflow.trace.session": "s1",
        "mlflow.trace.tokenUsage": '{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}',
        "mlflow.user": "ann",
    }
    for name, given in (("tags", tags), ("request_metadata", metadata)):
        for key, value in given.items():
            put(folder / name / key, value)
    assert import_into(target, store.root).problems == []
    database = Database(target)
    with database.read() as conn:
        (found,) = load.infos(conn, ["tr-1"])
    database.close()
    assert found.request_time == "2026-11-28T17:05:23.326Z"
    assert (found.state, found.execution_duration) == ("OK", "0.099s")
    assert (found.request_preview, found.response_preview) == ("in", "out")
    assert found.client_request_id == "c1"
    assert found.tags == tags | {"mlflow.artifactLocation": "file:///srv/x"}
    assert found.trace_metadata == metadata


def test_assessments_of_the_example_are_taken_over(target: Settings, tmp_path: Path) -> None:
    assert import_into(target, example("3.17", tmp_path)).problems == []
    found = "SELECT name, assessment_type, value, created_timestamp, valid FROM assessments"
    assert [(*row[:4], bool(row[4])) for row in rows(target, found)] == [
        ("ok", "feedback", "true", 1795885524442, True),
        ("truth", "expectation", '{"x": [1, 2]}', 1795885524443, True),
    ]


def test_a_trace_that_comes_after_the_look_stays_as_it_is(
    target: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MadeUp(tmp_path)
    experiment = store.experiment(1)
    for name, state in (("tr-1", "OK"), ("tr-2", "IN_PROGRESS")):
        info = {"trace_id": name, "request_time": "2026-11-28T17:05:23.326Z", "state": state}
        store.trace(experiment, name, info)
    assert import_into(target, store.root).problems == []
    everything = "SELECT * FROM trace_info ORDER BY request_id"
    before = rows(target, everything)
    assert len(before) == 2
    monkeypatch.setattr(trace_rows, "known", lambda conn, part: {})
    assert import_into(target, store.root).problems == []
    assert rows(target, everything) == before

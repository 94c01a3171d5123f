"""The traces that a database is filled with."""

import base64
import json

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.spans import document
from tandem_metadata.store.traces import load
from tests.growth import contents, trace_contents, trace_rows
from tests.growth.contents import LARGEST, Size

TRACES = 30


def _filled(uri: str) -> Database:
    opened = Database(Settings(backend_store_uri=uri))
    opened.prepare("mlflow-artifacts:/")
    contents.fill(uri, Size(0, 0, traces=TRACES), lambda _: None)
    return opened


def test_traces_are_as_the_store_keeps_them(database: str) -> None:
    opened = _filled(database)
    with opened.read() as conn:
        infos = load.infos(conn, [trace_rows.trace_id(number) for number in range(TRACES)])
    opened.close()
    assert len(infos) == TRACES
    last = infos[-1]
    assert last.trace_location.mlflow_experiment.experiment_id == str(LARGEST)
    assert last.state == "OK"
    assert infos[0].state == "ERROR"
    assert last.trace_metadata["mlflow.trace.session"] == "session-2"
    assert json.loads(last.trace_metadata["mlflow.trace.tokenUsage"])["total_tokens"] == 178
    assert last.tags["env"] == "env-2"
    times = [info.request_time for info in infos]
    assert times == sorted(times)


def test_spans_are_documents_that_can_be_read(database: str) -> None:
    opened = _filled(database)
    with opened.read() as conn:
        rows = conn.exec_driver_sql(
            "SELECT trace_id, span_id, parent_span_id, name, start_time_unix_nano, model_name, "
            "content FROM spans"
        ).fetchall()
    opened.close()
    assert len(rows) == TRACES * trace_contents.SPANS
    ids = {(row[0], row[1]) for row in rows}
    for trace_id, span_id, parent_id, name, begin, model, content in rows:
        read = json.loads(content)
        assert f"tr-{base64.b64decode(read['trace_id']).hex()}" == trace_id
        assert base64.b64decode(read["span_id"]).hex() == span_id
        if parent_id is None:
            assert read["parent_span_id"] is None
        else:
            assert (trace_id, parent_id) in ids
            assert base64.b64decode(read["parent_span_id"]).hex() == parent_id
        assert (read["name"], read["start_time_unix_nano"]) == (name, begin)
        assert json.loads(read["attributes"]["mlflow.traceRequestId"]) == trace_id
        assert json.loads(read["attributes"]["mlflow.spanInputs"])["number"] < TRACES
        assert json.loads(read["attributes"].get("mlflow.llm.model", "null")) == model
        assert document.decode(content)

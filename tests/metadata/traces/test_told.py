"""What clients tell of a trace, what they leave to its spans, and what cannot be told."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from tandem_metadata.database.tables.traces import trace_info, trace_request_metadata
from tests.metadata.api import INVALID
from tests.metadata.conftest import only_sqlite
from tests.metadata.spans.exports import ROOT, START, TRACE, export, span
from tests.metadata.traces.writes_api import Writes, info
from tests.metadata.traces.writing import MS

TRACE_ID = f"tr-{TRACE.hex()}"
BEGUN = info(TRACE_ID)["request_time"]
SECOND = 1000 * MS
NO_DURATION, IN_PROGRESS = {"execution_duration": None}, {"state": "IN_PROGRESS"}


@pytest.mark.parametrize("spans_first", [True, False])
@pytest.mark.parametrize(
    ("told", "state", "duration"),
    [
        (IN_PROGRESS | NO_DURATION, "OK", "1s"),
        (IN_PROGRESS | {"execution_duration": "0s"}, "OK", "1s"),
        (IN_PROGRESS | {"execution_duration": "0.5s"}, "OK", "1s"),
        (IN_PROGRESS | {"execution_duration": "1.5s"}, "OK", "1.500s"),
        ({"state": None, "execution_duration": None}, "OK", "1s"),
        ({"state": "ERROR"} | NO_DURATION, "ERROR", "1s"),
        (NO_DURATION, "OK", "1s"),
        ({"execution_duration": "0s"}, "OK", "0s"),
        ({"execution_duration": "0.5s"}, "OK", "0.500s"),
    ],
)
def test_times_that_no_client_tells_are_those_of_the_spans(
    writes: Writes, told: dict[str, Any], state: str, duration: str, spans_first: bool
) -> None:
    if not spans_first:
        writes.started(**info(TRACE_ID, **told))
    writes.exported(export(span(start_time_unix_nano=START, end_time_unix_nano=START + SECOND)))
    if spans_first:
        writes.started(**info(TRACE_ID, **told))
    found = writes.info(TRACE_ID)
    assert (found["state"], found["execution_duration"]) == (state, duration)
    assert found["request_time"] == BEGUN


@pytest.mark.parametrize("spans_first", [True, False])
def test_a_time_that_no_client_tells_is_that_of_the_first_span(
    writes: Writes, spans_first: bool
) -> None:
    told = info(TRACE_ID, request_time=None, execution_duration="0.5s")
    if not spans_first:
        assert writes.started(**told)["request_time"] == "1970-01-01T00:00:00Z"
    child = span(
        span_id=b"12345678",
        parent_id=ROOT,
        start_time_unix_nano=START + SECOND,
        end_time_unix_nano=START + 2 * SECOND,
    )
    writes.exported(export(child))
    writes.exported(export(span(start_time_unix_nano=START, end_time_unix_nano=START + 3 * SECOND)))
    if spans_first:
        writes.started(**told)
    found = writes.info(TRACE_ID)
    assert (found["request_time"], found["execution_duration"]) == (BEGUN, "0.500s")


def test_spans_that_follow_one_another_lengthen_a_trace_whose_duration_is_not_told(
    writes: Writes,
) -> None:
    writes.started(**info(TRACE_ID, **NO_DURATION))
    assert "execution_duration" not in writes.info(TRACE_ID)
    for end, shown in ((1, "1s"), (3, "3s"), (2, "3s")):
        child = end.to_bytes(8, "big")
        writes.exported(
            export(span(span_id=child, parent_id=ROOT, end_time_unix_nano=START + end * SECOND))
        )
        assert writes.info(TRACE_ID)["execution_duration"] == shown
    writes.started(**info(TRACE_ID))  # tells one
    writes.started(**info(TRACE_ID, **NO_DURATION))
    writes.exported(export(span(end_time_unix_nano=START + 9 * SECOND)))
    assert writes.info(TRACE_ID)["execution_duration"] == "0.096s"


def test_a_trace_that_was_finalized_without_a_duration_gets_that_of_its_spans(
    writes: Writes,
) -> None:
    """As MLflow's server has stored it, and Tandem's first releases."""
    writes.started(**info(TRACE_ID, **NO_DURATION))
    with writes.database.write() as conn:
        table = trace_request_metadata
        finalized = table.c.key == "mlflow.trace.infoFinalized"
        conn.execute(update(table).where(finalized).values(value="true"))
    for number, shown in ((1, "1s"), (2, "2s")):
        child = number.to_bytes(8, "big")
        writes.exported(export(span(span_id=child, end_time_unix_nano=START + number * SECOND)))
        assert writes.info(TRACE_ID)["execution_duration"] == shown


def test_a_trace_in_progress_ends_when_an_old_client_says(writes: Writes) -> None:
    writes.started(**info(TRACE_ID, **IN_PROGRESS | NO_DURATION))
    begun = START // MS
    assert writes.ask("PATCH", f"/{TRACE_ID}", timestamp_ms=begun + 5, status="OK")[0] == 200
    writes.exported(export(span(end_time_unix_nano=START + SECOND)))
    assert writes.info(TRACE_ID)["execution_duration"] == "0.005s"


@pytest.mark.parametrize(
    ("begin", "end"), [(1, -(2**63)), (-1, 2**63 - 1), (2**63 - 1, -2), (-(2**63), 1)]
)
def test_a_duration_that_no_column_holds_is_refused(writes: Writes, begin: int, end: int) -> None:
    _, answer = writes.ask("POST", "", experiment_id="0", timestamp_ms=begin)
    trace_id = answer["trace_info"]["request_id"]
    before = writes.info(trace_id)
    status, refused = writes.ask("PATCH", f"/{trace_id}", timestamp_ms=end, status="OK")
    assert (status, refused["error_code"]) == INVALID
    assert refused["message"].startswith(f"Invalid value {end} for parameter 'timestamp_ms' ")
    assert writes.info(trace_id) == before


def test_times_at_the_ends_of_what_columns_hold(writes: Writes) -> None:
    """Whatever a trace is told next, searches can add its time and its duration."""
    _, answer = writes.ask("POST", "", experiment_id="0", timestamp_ms=1)
    trace_id = answer["trace_info"]["request_id"]
    assert writes.ask("PATCH", f"/{trace_id}", timestamp_ms=2**63 - 1, status="OK")[0] == 200
    for time in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        writes.started(**info(trace_id, request_time=time) | NO_DURATION)
        with writes.database.read() as conn:
            ended = trace_info.c.timestamp_ms + trace_info.c.execution_time_ms
            assert conn.execute(select(ended)).scalar_one() < 2**63


@pytest.mark.parametrize("field", ["tags", "request_metadata"])
@pytest.mark.parametrize("pair", [{"key": "", "value": "b"}, {"value": "b"}])
def test_a_pair_of_an_old_client_needs_a_key(
    writes: Writes, field: str, pair: dict[str, str]
) -> None:
    asked = {"experiment_id": "0", "timestamp_ms": 1}
    _, answer = writes.ask("POST", "", **asked)
    for method, path in (("POST", ""), ("PATCH", f"/{answer['trace_info']['request_id']}")):
        given: dict[str, Any] = {field: [{"key": "k"}, pair]}
        status, refused = writes.ask(method, path, **asked | given)
        assert (status, refused["error_code"]) == INVALID
        sentence = f"Missing value for required parameter '{field}[1].key'. "
        assert refused["message"].startswith(sentence)
    with writes.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(trace_info)).scalar_one() == 1


@only_sqlite
@pytest.mark.parametrize("version", ["2.0", "3.0"])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("body", [None, {}, {"key": ""}])
def test_a_tag_needs_a_key(writes: Writes, version: str, method: str, body: Any) -> None:
    writes.started(**info(TRACE_ID))
    url = f"/api/{version}/mlflow/traces/{TRACE_ID}/tags"
    answer = writes.http.request(method, url, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == INVALID
    assert answer.json()["message"].startswith("Missing value for required parameter 'key'.")


USAGE = {"input_tokens": 1.5, "output_tokens": 2.5, "total_tokens": 4}
COST = {"input_cost": True, "output_cost": "x", "total_cost": 4.0}


def test_numbers_that_are_none_are_left_out_of_sums(writes: Writes) -> None:
    attributes = {"mlflow.chat.tokenUsage": json.dumps(USAGE), "mlflow.llm.cost": json.dumps(COST)}
    for number, times in ((1, 1), (2, 2)):  # the second time the first span is read as it is stored
        child = number.to_bytes(8, "big")
        writes.exported(export(span(span_id=child, attributes=attributes)))
        metadata = writes.info(TRACE_ID)["trace_metadata"]
        assert json.loads(metadata["mlflow.trace.tokenUsage"]) == {"total_tokens": 4 * times}
        assert json.loads(metadata["mlflow.trace.cost"]) == {"total_cost": 4.0 * times}


@only_sqlite
@pytest.mark.parametrize("trace_id", ["tr 😀", " ", "a.b", "é", "tr-\u4e2d"])
def test_an_id_of_printed_characters_is_taken(writes: Writes, trace_id: str) -> None:
    assert writes.started(**info(trace_id))["trace_id"] == trace_id
    assert writes.info(trace_id)["trace_id"] == trace_id


def _start_as_json(writes: Writes, given: dict[str, Any]) -> httpx.Response:
    """The answer to a body of ASCII, in which Python writes halves of surrogate pairs too."""
    body = json.dumps({"trace": {"trace_info": given}})
    headers = {"content-type": "application/json"}
    return writes.http.post("/api/3.0/mlflow/traces", content=body, headers=headers)


@pytest.mark.parametrize("trace_id", ["a\0", "a\ud800"])
def test_nothing_is_stored_under_an_id_that_was_not_sent(writes: Writes, trace_id: str) -> None:
    answer = _start_as_json(writes, info(trace_id))
    assert (answer.status_code, answer.json()["error_code"]) == INVALID
    assert "it holds a NUL character, half a surrogate pair, or" in answer.json()["message"]
    judged = {"feedback": {"value": 1}, "assessment_id": trace_id}
    answer = _start_as_json(writes, info(TRACE_ID, assessments=[judged]))
    assert (answer.status_code, answer.json()["error_code"]) == INVALID
    with writes.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(trace_info)).scalar_one() == 0


@only_sqlite
@pytest.mark.parametrize("trace_id", ["a/b", "a%b", "a\u200b", ".", ".."])
def test_an_id_that_no_path_can_hold_is_refused(writes: Writes, trace_id: str) -> None:
    answer = writes.start(**info(trace_id))
    assert (answer.status_code, answer.json()["error_code"]) == INVALID
    assert "use printable characters but / \\ ? # %; '.' and" in answer.json()["message"]


@only_sqlite
@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"tags": {"a": "b", "wrong": None}}, "tags.wrong"),
        ({"trace_metadata": {"wrong": None}}, "trace_metadata.wrong"),
        (
            {"assessments": [{"feedback": {"value": 1}, "metadata": {"a": "b", "wrong": None}}]},
            "assessments[0].metadata.wrong",
        ),
    ],
)
def test_a_value_that_is_no_text_is_named_by_its_key(
    writes: Writes, changed: dict[str, Any], place: str
) -> None:
    answer = writes.start(**info(TRACE_ID, **changed))
    assert answer.status_code == 400
    expected = f"Invalid value null for parameter 'trace.trace_info.{place}' supplied: expected a"
    assert answer.json()["message"].startswith(expected)

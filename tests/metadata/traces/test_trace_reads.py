"""Traces with their spans, as clients and the web UI read them, in every generation."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.routes import trace_spans, traces
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces import spans
from tests.metadata import in_process
from tests.metadata.api import INVALID, MISSING
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.traces import rows
from tests.metadata.traces.content import ARCHIVED, BARE, ELSEWHERE, FULL, INFOS, LONG, WAITING

_V3 = "/api/3.0/mlflow/traces"
_NOBODY = f"tr-{99:032x}"


def _client(database: Database, uri: str, **more: Any) -> httpx.Client:
    settings = Settings(backend_store_uri=uri, default_artifact_root=ARTIFACT_ROOT, **more)
    context = Context(settings, database)
    return in_process.client(
        context, [*bind(context, traces.ENDPOINTS), *trace_spans.routes(context)]
    )


@pytest.fixture
def http(traced: Database, traced_uri: str) -> Iterator[httpx.Client]:
    """The routes over `content`, which wait for no spans."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace_spans, "WAIT_SECONDS", 0.0)
        yield _client(traced, traced_uri)


def _read(http: httpx.Client, path: str, **query: Any) -> Any:
    answer = http.get(f"{_V3}{path}", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def _refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def _names(trace: dict[str, Any]) -> list[str]:
    return [span["name"] for span in trace.get("spans", [])]


ROOT = {
    "trace_id": "AAAAAAAAAAAAAAAAAAAAAQ==",
    "span_id": "AAABAAAAAAA=",
    "name": "step 0",
    "start_time_unix_nano": 1795885064779424841,
    "end_time_unix_nano": 1795885064784424841,
    "attributes": [
        {"key": "mlflow.traceRequestId", "value": {"string_value": FULL}},
        {"key": "mlflow.spanType", "value": {"string_value": "TOOL"}},
        {"key": "n", "value": {"int_value": 40}},
        {"key": "x", "value": {"double_value": 0.5}},
        {
            "key": "o",
            "value": {
                "kvlist_value": {
                    "values": [
                        {
                            "key": "q",
                            "value": {
                                "array_value": {
                                    "values": [{"string_value": "a"}, {}, {"bool_value": True}]
                                }
                            },
                        }
                    ]
                }
            },
        },
        {"key": "big", "value": {"int_value": 2**62}},
    ],
    "events": [
        {
            "name": "exception",
            "time_unix_nano": 1795885064779424842,
            "attributes": [{"key": "exception.type", "value": {"string_value": "ValueError"}}],
        }
    ],
    "status": {"code": "STATUS_CODE_OK"},
}


def test_a_trace_has_its_root_first_and_then_its_spans_by_start(http: httpx.Client) -> None:
    trace = _read(http, "/get", trace_id=FULL)["trace"]
    assert trace["trace_info"] == INFOS[FULL]
    assert _names(trace) == ["step 0", "step 1", "step 2"]
    assert trace["spans"][0] == ROOT
    assert trace["spans"][1]["parent_span_id"] == ROOT["span_id"]


@pytest.mark.parametrize("trace_id", INFOS)
def test_the_info_of_a_trace(http: httpx.Client, trace_id: str) -> None:
    expected = {"trace": {"trace_info": INFOS[trace_id]}}
    assert _read(http, f"/{trace_id}", trace_id="ignored") == expected
    old = http.get(f"/ajax-api/2.0/mlflow/traces/{trace_id}/info").json()["trace_info"]
    assert old["request_id"] == trace_id
    assert (
        old["experiment_id"]
        == INFOS[trace_id]["trace_location"]["mlflow_experiment"]["experiment_id"]
    )


@pytest.mark.parametrize(
    "path", [f"/{_NOBODY}", f"/get?trace_id={_NOBODY}", f"/get?trace_id={_NOBODY}&allow_partial=1"]
)
def test_an_unknown_trace_is_not_found(http: httpx.Client, path: str) -> None:
    answer = http.get(f"{_V3}{path}")
    assert _refusal(answer) == MISSING
    assert "not found" in answer.json()["message"]


@pytest.mark.parametrize("query", ["", "trace_id=", f"trace_id={FULL}&allow_partial=perhaps"])
def test_a_bad_query_is_refused(http: httpx.Client, query: str) -> None:
    assert _refusal(http.get(f"{_V3}/get?{query}")) == INVALID


@pytest.mark.parametrize("partial", ["true", "True", "TRUE"])
def test_what_has_come_is_shown_if_the_reader_allows(http: httpx.Client, partial: str) -> None:
    trace = _read(http, "/get", trace_id=WAITING, allow_partial=partial)["trace"]
    assert _names(trace) == ["step 0", "step 1"]


def test_a_trace_of_which_spans_are_missing_is_not_exported_yet(http: httpx.Client) -> None:
    answer = http.get(f"{_V3}/get", params={"trace_id": WAITING, "allow_partial": "False"})
    assert _refusal(answer) == MISSING
    assert "not fully exported yet: 2 of 3 spans" in answer.json()["message"]


@pytest.mark.parametrize("trace_id", [ELSEWHERE, BARE])
def test_a_trace_whose_spans_are_a_file_is_shown_without_them(
    http: httpx.Client, trace_id: str
) -> None:
    trace = _read(http, "/get", trace_id=trace_id, allow_partial="true")["trace"]
    assert trace == {"trace_info": INFOS[trace_id]}
    answer = http.get(f"{_V3}/get", params={"trace_id": trace_id})
    assert _refusal(answer) == MISSING
    assert "traces.json" in answer.json()["message"]


def test_archived_spans_are_not_found_and_the_reason_is_told(http: httpx.Client) -> None:
    for partial in ("true", "false"):
        query = {"trace_id": ARCHIVED, "allow_partial": partial}
        answer = http.get(f"{_V3}/get", params=query)
        assert _refusal(answer) == MISSING
        assert "archive" in answer.json()["message"]


def test_several_traces_come_in_the_order_asked_for(http: httpx.Client) -> None:
    ids = [LONG, _NOBODY, WAITING, ELSEWHERE, FULL, LONG]
    found = _read(http, "/batchGet", trace_ids=ids)["traces"]
    assert [(each["trace_info"]["trace_id"], len(_names(each))) for each in found] == [
        (LONG, 1),
        (ELSEWHERE, 0),
        (FULL, 3),
    ]
    assert found[2] == _read(http, "/get", trace_id=FULL)["trace"]


def test_of_several_traces_those_of_some_experiments(http: httpx.Client) -> None:
    query = {"trace_ids": [FULL, LONG], "experiment_ids": ["2", "77"]}
    (trace,) = _read(http, "/batchGet", **query)["traces"]
    assert trace["trace_info"]["trace_id"] == LONG
    assert _read(http, "/batchGet", trace_ids=[_NOBODY]) == {}
    for bad in ({"trace_ids": []}, {"trace_ids": [FULL], "experiment_ids": ["abc"]}):
        assert _refusal(http.get(f"{_V3}/batchGet", params=bad)) == INVALID


def test_several_infos(http: httpx.Client) -> None:
    def ask(**body: Any) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return http.post(f"{_V3}/batchGetInfos", content=json.dumps(body), headers=headers)

    ids = [LONG, _NOBODY, WAITING, LONG, FULL]
    assert ask(trace_ids=ids).json() == {
        "trace_infos": [INFOS[each] for each in (LONG, WAITING, FULL)]
    }
    found = ask(trace_ids=ids, experiment_ids=["2"]).json()
    assert found == {"trace_infos": [INFOS[LONG]]}
    assert ask(trace_ids=ids, experiment_ids=[]).json() == {}
    assert ask(trace_ids=[_NOBODY]).json() == {}
    assert ask(trace_ids=[]).json() == {}
    for bad in ({}, {"trace_ids": None}, {"trace_ids": "x"}, {"trace_ids": [5]}):
        assert _refusal(ask(**bad)) == INVALID
    many = ask(trace_ids=["x"] * (traces.MOST + 1))
    assert _refusal(many) == INVALID


@pytest.mark.parametrize("part_bytes", [1, 2000, spans.PART_BYTES])
@pytest.mark.parametrize("part_spans", [1, 2, spans.PART_SPANS])
def test_answers_in_parts_are_the_same(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, part_bytes: int, part_spans: int
) -> None:
    ids = [FULL, ELSEWHERE, LONG]
    one = _read(http, "/get", trace_id=FULL)
    several = _read(http, "/batchGet", trace_ids=ids)
    monkeypatch.setattr(spans, "PART_BYTES", part_bytes)
    monkeypatch.setattr(spans, "PART_SPANS", part_spans)
    assert _read(http, "/get", trace_id=FULL) == one
    assert _read(http, "/batchGet", trace_ids=ids) == several


def test_a_span_that_cannot_be_read_hides_no_other(database: Database, settings: Settings) -> None:
    with database.write() as conn:
        rows.experiment(conn, 1)
        rows.trace(conn, FULL, tags=rows.IN_DATABASE)
        rows.spans(conn, FULL, 3)
        broken = "UPDATE spans SET content = '{}' WHERE name = 'step 1'"
        assert conn.exec_driver_sql(broken).rowcount == 1
    http = _client(database, settings.backend_store_uri)
    assert _names(_read(http, "/get", trace_id=FULL)["trace"]) == ["step 0", "step 2"]


def test_waiting_for_spans_holds_neither_a_thread_nor_a_connection(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_spans, "WAIT_SECONDS", 120.0)
    with database.write() as conn:
        rows.experiment(conn, 1)
        rows.trace(
            conn,
            FULL,
            tags=dict(rows.IN_DATABASE),
            metadata={rows.STATS: json.dumps({"num_spans": 2})},
        )
    http = _client(database, settings.backend_store_uri, pool_size=1, pool_timeout=10.0)
    with ThreadPoolExecutor(8) as clients:
        waiting = [clients.submit(_read, http, "/get", trace_id=FULL) for _ in range(8)]
        for _ in range(20):
            assert _read(http, f"/{FULL}")["trace"]["trace_info"]["trace_id"] == FULL
        assert not any(each.done() for each in waiting)
        with database.write() as conn:
            rows.spans(conn, FULL, 2)
        for each in waiting:
            assert _names(each.result(60)["trace"]) == ["step 0", "step 1"]


def _some(http: httpx.Client, skip: int, most: int, **more: Any) -> list[str]:
    """Spans of `FULL` that the web UI would show."""
    query = {"trace_id": FULL, "skip_spans": skip, "max_spans": most, **more}
    answer = http.get(f"{_V3}/get", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers[trace_spans.ALL_SPANS] == "3"
    return _names(answer.json()["trace"])


def test_some_spans_of_a_trace_are_joined_to_its_root(http: httpx.Client) -> None:
    whole = ["step 0", "step 1", "step 2"]
    assert _some(http, 0, 1) == ["step 0"]
    assert _some(http, 0, 2, allow_partial="true") == ["step 0", "step 1"]
    assert _some(http, 2, 1) == ["step 0", "step 2"]
    assert _some(http, 0, 3) == _some(http, 0, 2**31 - 1) == whole
    assert _some(http, 3, 3) == []
    without = http.get(f"{_V3}/get", params={"trace_id": FULL, "skip_spans": 2})
    assert _names(without.json()["trace"]) == whole
    assert trace_spans.ALL_SPANS not in without.headers


def test_some_spans_that_have_come_are_not_all_that_were_announced(http: httpx.Client) -> None:
    query = {"trace_id": WAITING, "max_spans": 1, "allow_partial": "false"}
    assert "2 of 3 spans" in http.get(f"{_V3}/get", params=query).json()["message"]


@pytest.mark.parametrize("query", ["max_spans=0", "max_spans=x", "max_spans=1&skip_spans=-1"])
def test_a_number_of_spans_that_is_none_is_refused(http: httpx.Client, query: str) -> None:
    answer = http.get(f"{_V3}/get?trace_id={FULL}&{query}")
    assert _refusal(answer) == INVALID
    assert query.rpartition("&")[2].partition("=")[0] in answer.json()["message"]


def test_spans_above_others_are_bounded(database: Database, settings: Settings) -> None:
    with database.write() as conn:
        rows.experiment(conn, 1)
        rows.trace(conn, FULL, tags=rows.IN_DATABASE)
        rows.spans(conn, FULL, 9)
        chain = [f"{(1 << 40) + number:016x}" for number in range(9)]
        for above, below in pairwise(chain):
            conn.exec_driver_sql(
                f"UPDATE spans SET parent_span_id = '{above}' WHERE span_id = '{below}'"
            )
        outline = spans.outlines(conn, [FULL])[FULL]

        def some(skip: int, most: int) -> list[int]:
            found = spans.some(conn, FULL, outline, skip, most)
            return [chain.index(each.span_id) for each in found]

        assert some(3, 4) == [0, 1, 2, 3, 4, 5, 6]
        assert some(7, 2) == [5, 6, 7, 8]
        ring = f"UPDATE spans SET parent_span_id = '{chain[8]}' WHERE span_id = '{chain[7]}'"
        conn.exec_driver_sql(ring)
        assert some(7, 1) == [7, 8]

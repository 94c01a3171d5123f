"""Traces that get tags and links, and are deleted, over HTTP."""

from typing import Any

import pytest
from sqlalchemy import func, insert, select

from tandem_metadata.database.head import review
from tandem_metadata.database.tables.traces import (
    assessments,
    entity_associations,
    spans,
    trace_info,
    trace_request_metadata,
    trace_tags,
)
from tests.metadata.api import INVALID, MISSING
from tests.metadata.conftest import only_sqlite
from tests.metadata.spans.exports import TRACE, export, span
from tests.metadata.traces.writes_api import Writes, info

TRACE_ID = f"tr-{TRACE.hex()}"
TOKENS = '{"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}'
METADATA = {
    "mlflow.trace_schema.version": "3",
    "mlflow.user": "root",
    "mlflow.trace.session": "sess-1",
    "mlflow.trace.user": "alice",
    "mlflow.trace.tokenUsage": TOKENS,
}


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_tags_are_set_and_deleted(writes: Writes, version: str) -> None:
    writes.started(**info(TRACE_ID, tags={"color": "red"}))
    url = f"/api/{version}/mlflow/traces/{TRACE_ID}/tags"
    for key, value in (
        ("color", "blue/green x"),
        ("mlflow.traceName", "renamed"),
        ("long", "x" * 9000),
    ):
        assert writes.http.patch(url, json={"key": key, "value": value}).json() == {}
    assert writes.http.patch(url, json={"key": "empty"}).json() == {}
    tags = writes.info(TRACE_ID)["tags"]
    assert (tags["color"], tags["mlflow.traceName"], tags["empty"]) == (
        "blue/green x",
        "renamed",
        "",
    )
    body = {"key": "color"}
    assert writes.http.request("DELETE", url, json=body).json() == {}
    assert writes.http.delete(url, params={"key": "mlflow.traceName"}).json() == {}
    assert not {"color", "mlflow.traceName"} & writes.info(TRACE_ID)["tags"].keys()
    for key in ("color", "mlflow.traceName"):
        assert writes.http.delete(url, params={"key": key}).status_code == 404


@only_sqlite
def test_tags_that_cannot_be_changed(writes: Writes) -> None:
    writes.started(**info(TRACE_ID))
    path = f"/{TRACE_ID}/tags"
    for body in (
        {"key": "mlflow.trace.spansLocation", "value": "x"},
        {"key": "mlflow.trace.archiveLocation", "value": "x"},
        {"key": "mlflow.trace.archivalFailure", "value": "x"},
        {"key": "a/../b", "value": "x"},
        {"key": "", "value": "x"},
        {"key": "k" * 251, "value": "x"},
        {"key": "k", "value": 5},
        {"key": "mlflow.traceName", "value": "x" * 4097},
    ):
        assert writes.refused("PATCH", path, **body) == INVALID, body
    assert writes.refused("PATCH", "/nobody/tags", key="k", value="v") == MISSING
    assert writes.refused("PATCH", "/nobody/tags", key="mlflow.traceName", value="v") == MISSING
    assert writes.refused("DELETE", "/nobody/tags", key="k") == MISSING
    assert writes.refused("DELETE", path, key="mlflow.trace.spansLocation") == INVALID
    assert writes.refused("DELETE", path, key="mlflow.trace.archivalFailure") == MISSING


def _start_many(writes: Writes, count: int) -> list[str]:
    ids = [f"tr-{number:032x}" for number in range(count)]
    for number, trace_id in enumerate(ids):
        time = f"2026-11-28T16:57:{number:02}.000Z"
        writes.started(**info(trace_id, request_time=time, trace_metadata={"m": "v"}))
    return ids


def _left(writes: Writes) -> list[str]:
    with writes.database.read() as conn:
        return [*conn.execute(select(trace_info.c.request_id).order_by("request_id")).scalars()]


def test_traces_are_deleted_with_all_that_is_theirs(writes: Writes) -> None:
    writes.exported(export(span(), resource={"a": "b"}), x_mlflow_run_id="r")
    writes.started(**info(TRACE_ID, trace_metadata=METADATA))
    with writes.database.write() as conn:
        conn.execute(
            insert(assessments).values(
                assessment_id="a-1",
                trace_id=TRACE_ID,
                name="n",
                assessment_type="feedback",
                value="1",
                created_timestamp=1,
                last_updated_timestamp=1,
                source_type="HUMAN",
                valid=True,
            )
        )
        conn.execute(
            insert(review.review_queues).values(
                queue_id="q",
                experiment_id=0,
                name="n",
                queue_type="t",
                creation_time_ms=1,
                last_update_time_ms=1,
                name_key="n",
            )
        )
        conn.execute(
            insert(review.review_queue_items).values(
                queue_id="q",
                item_type="trace",
                item_id=TRACE_ID,
                status="s",
                creation_time_ms=1,
                last_update_time_ms=1,
            )
        )
    given = {"experiment_id": "0", "request_ids": [TRACE_ID, "tr-nobody"]}
    assert writes.ask("POST", "/delete-traces", **given) == (200, {"traces_deleted": 1})
    with writes.database.read() as conn:
        for table in (
            trace_info,
            trace_tags,
            trace_request_metadata,
            spans,
            assessments,
            entity_associations,
            review.review_queue_items,
        ):
            assert conn.execute(select(func.count()).select_from(table)).scalar() == 0, table
    writes.exported(export(span()))  # spans that come late make it anew
    assert writes.info(TRACE_ID)["state"] == "OK"


def test_old_traces_are_deleted_the_oldest_first(
    writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_metadata.store.traces.deletion.MANY", 2)
    ids = _start_many(writes, 8)
    until = {"experiment_id": "0", "max_timestamp_millis": 1_795_885_020_000 + 5_000}
    assert writes.ask("POST", "/delete-traces", **until, max_traces=3) == (
        200,
        {"traces_deleted": 3},
    )
    assert _left(writes) == ids[3:]
    assert writes.ask("POST", "/delete-traces", **until) == (200, {"traces_deleted": 3})
    assert _left(writes) == ids[6:]
    elsewhere = {"experiment_id": "1", "request_ids": ids}
    assert writes.ask("POST", "/delete-traces", **elsewhere) == (200, {"traces_deleted": 0})
    answer = writes.http.post(
        "/ajax-api/3.0/mlflow/traces/delete-traces", json={**elsewhere, "experiment_id": "0"}
    )
    assert answer.json() == {"traces_deleted": 2}
    assert _left(writes) == []


@only_sqlite
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"experiment_id": "0"},
        {"experiment_id": "abc", "request_ids": ["x"]},
        {"experiment_id": "0", "request_ids": []},
        {"experiment_id": "0", "request_ids": ["x"], "max_timestamp_millis": 1},
        {"experiment_id": "0", "request_ids": ["x"], "max_traces": 1},
        {"experiment_id": "0", "max_timestamp_millis": 1, "max_traces": 0},
        {"experiment_id": "0", "request_ids": [1]},
    ],
)
def test_a_deletion_names_ids_or_a_time(writes: Writes, body: dict[str, Any]) -> None:
    assert writes.refused("POST", "/delete-traces", **body) == INVALID


@only_sqlite
def test_an_unknown_experiment_has_no_traces_to_delete(writes: Writes) -> None:
    for named in ("7", "9" * 30):
        given = {"experiment_id": named, "request_ids": ["x"]}
        assert writes.ask("POST", "/delete-traces", **given) == (200, {"traces_deleted": 0})


def test_traces_are_linked_to_a_run_and_to_prompts_once(writes: Writes) -> None:
    writes.started(**info(TRACE_ID))
    for _ in range(2):
        ids = [TRACE_ID, TRACE_ID, "tr-nobody"]
        assert writes.ask("POST", "/link-to-run", trace_ids=ids, run_id="r") == (200, {})
        versions = [{"name": "pr1", "version": "1"}, {"name": "pr1", "version": "2"}]
        given = {"trace_id": TRACE_ID, "prompt_versions": versions}
        assert writes.ask("POST", "/link-prompts", **given) == (200, {})
    with writes.database.read() as conn:
        rows = conn.execute(select(entity_associations)).all()
    assert sorted(
        (each.destination_type, each.source_id, each.destination_id) for each in rows
    ) == [
        ("prompt_version", TRACE_ID, "pr1/1"),
        ("prompt_version", TRACE_ID, "pr1/2"),
        ("run", TRACE_ID, "r"),
        ("run", "tr-nobody", "r"),
    ]


@only_sqlite
def test_links_that_cannot_be_made(writes: Writes) -> None:
    writes.started(**info(TRACE_ID))
    for path, body, refusal in (
        ("/link-to-run", {"trace_ids": ["x"] * 101, "run_id": "r"}, INVALID),
        ("/link-to-run", {"trace_ids": ["x" * 37], "run_id": "r"}, INVALID),
        ("/link-to-run", {"trace_ids": ["x"]}, INVALID),
        ("/link-prompts", {"trace_id": TRACE_ID}, INVALID),
        ("/link-prompts", _prompt("p", "one"), INVALID),
        ("/link-prompts", _prompt("p" * 35, "1"), INVALID),
        ("/link-prompts", _prompt("p", "1") | {"trace_id": "tr-nobody"}, MISSING),
    ):
        assert writes.refused("POST", path, **body) == refusal, (path, body)


def _prompt(name: str, version: str) -> dict[str, Any]:
    return {"trace_id": TRACE_ID, "prompt_versions": [{"name": name, "version": version}]}

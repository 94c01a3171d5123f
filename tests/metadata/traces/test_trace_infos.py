"""The attributes of traces are read alike from every generation of the schema."""

import json
from typing import Any

from tandem_metadata.database.database import Database
from tandem_metadata.store.traces import load
from tandem_shared.wire import codec
from tests.metadata.traces import content
from tests.metadata.traces.content import BARE, ELSEWHERE, FULL, INFOS


def _json(message: object) -> Any:
    return json.loads(codec.encode_json(message))


def test_infos_are_the_same_in_every_generation(traced: Database) -> None:
    with traced.read() as conn:
        found = load.infos(conn, [*INFOS])
    assert {each.trace_id: _json(each) for each in found} == INFOS


def test_infos_come_in_the_order_of_the_ids_and_once(traced: Database) -> None:
    with traced.read() as conn:
        found = load.infos(conn, [FULL, "tr-nobody", BARE, FULL])
    assert [each.trace_id for each in found] == [FULL, BARE]


def test_no_infos_of_no_ids(traced: Database) -> None:
    with traced.read() as conn:
        assert load.infos(conn, []) == []


def test_old_infos_have_the_form_of_version_2(traced: Database) -> None:
    with traced.read() as conn:
        old = {each.request_id: _json(each) for each in load.old_infos(conn, [*INFOS])}
    assert old.keys() == INFOS.keys()
    for each in old.values():
        for name in ("tags", "request_metadata"):
            each[name] = {pair["key"]: pair["value"] for pair in each.get(name, [])}
    full = INFOS[FULL]
    assert old[FULL] == {
        "request_id": FULL,
        "experiment_id": "1",
        "timestamp_ms": 1_795_885_063_697,
        "execution_time_ms": 96,
        "status": "OK",
        "request_metadata": full["trace_metadata"],
        "tags": full["tags"],
    }
    assert old[BARE]["execution_time_ms"] == 0
    assert old[ELSEWHERE]["tags"] == INFOS[ELSEWHERE]["tags"]


def test_experiments_of_traces_that_exist(traced: Database) -> None:
    with traced.read() as conn:
        found = load.experiments_of(conn, [FULL, content.LONG, "tr-nobody"])
    assert found == {FULL: "1", content.LONG: "2"}

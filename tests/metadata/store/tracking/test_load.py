"""Runs come with what they logged exactly as it was stored, however many are read at once."""

import math

import pytest
from sqlalchemy import insert

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import tracking
from tandem_metadata.store.tracking import load
from tests.metadata.logging_client import new_run

TEXTS = (
    "plain", "", " ", '"quoted"', "back\\slash", "line\nfeed\r\ttab", "\x01\x1f\x7f", "[1, 2]",
    "null", "ünï ☃ 𝄞", "\u2028\ufeff\ufffd", "</script>", "0.10", "x" * 5000,
)  # fmt: skip

NUMBERS = (
    0.1 + 0.2, 1 / 3, -1 / 3, 2**53 - 1, 1e22, 1e23, 5e-324, 2.2250738585072014e-308,
    1.7976931348623157e308, 0.0, 123456.78901234567, math.pi * 1e-200, 9007199254740993.0,
)  # fmt: skip


def test_texts_and_doubles_come_back_as_they_were_stored(database: Database) -> None:
    run_id = new_run(database)
    texts = [
        {"run_uuid": run_id, "key": f"k{at:02}", "value": text} for at, text in enumerate(TEXTS)
    ]
    odd_keys = [{"run_uuid": run_id, "key": f"z/{text[:99]}", "value": "v"} for text in TEXTS]
    tags = [*texts, *odd_keys, {"run_uuid": run_id, "key": "k", "value": None}]
    common = {"run_uuid": run_id, "timestamp": 2**53 + 1, "step": -(2**53) - 1}
    metrics = [
        {**common, "key": f"m{at:02}", "value": float(number), "is_nan": False}
        for at, number in enumerate(NUMBERS)
    ]
    metrics.append({**common, "key": "nan", "value": 0.0, "is_nan": True})
    with database.write() as conn:
        conn.execute(insert(tracking.params), [*texts, *odd_keys])
        conn.execute(insert(tracking.tags), tags)
        conn.execute(insert(tracking.latest_metrics), metrics)
    with database.read() as conn:
        data = load.get(conn, [run_id])[run_id].data
    stored = {each["key"]: each["value"] for each in [*texts, *odd_keys]}
    assert {param.key: param.value for param in data.params} == stored
    assert {tag.key: tag.value for tag in data.tags} == {**stored, "k": ""}
    assert {(metric.timestamp, metric.step) for metric in data.metrics} == {
        (common["timestamp"], common["step"])
    }
    found = {metric.key: metric.value for metric in data.metrics}
    assert found.pop("nan") == "NaN"
    assert [repr(found[f"m{at:02}"]) for at in range(len(NUMBERS))] == [
        repr(float(number)) for number in NUMBERS
    ]


@pytest.mark.parametrize("count", [1, 15, 16, 128, 129, 300])
def test_each_of_many_runs_comes_with_its_own(database: Database, count: int) -> None:
    ids = [f"{number * 7919 % 1000:032x}" for number in range(count)]
    row = {"experiment_id": 0, "status": "RUNNING", "lifecycle_stage": "active"}
    with database.write() as conn:
        conn.execute(insert(tracking.runs), [{**row, "run_uuid": each} for each in ids])
        for table, value in ((tracking.params, "p"), (tracking.tags, "t")):
            logged = [
                {"run_uuid": each, "key": f"{value}{key}", "value": f"{value} of {each}"}
                for key in range(2)
                for each in ids[1:]  # the first has nothing
            ]
            if logged:
                conn.execute(insert(table), logged)
    with database.read() as conn:
        found = load.get(conn, [*ids, "f" * 32])
    assert sorted(found) == sorted(ids)
    for each in ids:
        run = found[each]
        assert run.info.run_id == each
        own = [] if each == ids[0] else [(f"p{key}", f"p of {each}") for key in range(2)]
        assert [(param.key, param.value) for param in run.data.params] == own
        own = [(key.replace("p", "t"), value.replace("p", "t")) for key, value in own]
        assert [(tag.key, tag.value) for tag in run.data.tags] == own


def test_no_runs_are_none(database: Database) -> None:
    with database.read() as conn:
        assert load.get(conn, []) == {}
        assert load.get(conn, ["f" * 32]) == {}

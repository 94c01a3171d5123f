"""Runs, over HTTP and on both databases."""

import re
import threading
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, update

from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import fetch_tuples
from tandem_metadata.database.tables import tracking
from tandem_metadata.rules import run_names
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import load, load_sql, runs
from tests.metadata.api import INVALID, MISSING
from tests.metadata.tracking_api import Tracking

GENERATED = re.compile(r"[a-z]+-[a-z]+-[0-9]{1,3}")


@pytest.fixture
def api(settings: Settings, database: Database) -> Tracking:
    return Tracking(settings, database)


def test_a_new_run_is_running_and_has_its_place_below_its_experiment(api: Tracking) -> None:
    tags = [
        {"key": "mlflow.runName", "value": "first"},
        {"key": "mlflow.user", "value": "eve"},
        {"key": "t", "value": "1"},
    ]
    fields = {"user_id": "bob", "start_time": "123", "run_name": "first", "tags": tags}
    run = api.call("runs/create", experiment_id="0", **fields)["run"]
    run_id = run["info"]["run_id"]
    assert re.fullmatch("[0-9a-f]{32}", run_id)
    assert run["info"] == {
        "run_id": run_id,
        "run_uuid": run_id,
        "experiment_id": "0",
        "run_name": "first",
        "user_id": "bob",
        "status": "RUNNING",
        "lifecycle_stage": "active",
        "start_time": 123,
        "artifact_uri": f"mlflow-artifacts://artifacts.example.com/0/{run_id}/artifacts",
    }
    assert run["data"]["tags"] == tags
    assert run["inputs"] == {}
    assert api.call("runs/get", run_id=run_id)["run"] == {**run, "outputs": {}}
    assert api.call("runs/get", run_uuid=run_id)["run"]["info"] == run["info"]


def test_a_query_string_of_the_location_stays_at_the_end(api: Tracking) -> None:
    run_id = api.run(api.experiment(artifact_location="s3://b/p/?region=x"))
    assert api.info(run_id)["artifact_uri"] == f"s3://b/p/{run_id}/artifacts?region=x"


def test_the_longest_location_that_is_taken_holds_runs(api: Tracking) -> None:
    run_id = api.run(api.experiment(artifact_location="s3://" + "b" * 152))
    assert len(api.info(run_id)["artifact_uri"]) == 200


def test_a_location_that_mlflow_made_too_long_is_no_fault_of_the_service(
    api: Tracking, database: Database
) -> None:
    with database.write() as conn:
        conn.execute(update(tracking.experiments).values(artifact_location="s3://" + "b" * 200))
    status, body = api.ask("runs/create", experiment_id="0")
    assert status == (200 if database.dialect == "sqlite" else 400), body


@pytest.mark.parametrize(
    ("run_name", "tag", "name"),
    [("n", None, "n"), ("", "t", "t"), ("n", "n", "n"), ("", None, None), ("", "", None)],
)
def test_the_name_and_the_name_tag_are_one(
    api: Tracking, run_name: str, tag: str | None, name: str | None
) -> None:
    tags = [] if tag is None else [{"key": "mlflow.runName", "value": tag}]
    run_id = api.run(run_name=run_name, tags=tags)
    found = api.info(run_id)["run_name"]
    assert found == name if name else GENERATED.fullmatch(found)
    assert api.tags(run_id) == {"mlflow.runName": found}


def test_generated_names_differ() -> None:
    names = {run_names.generate() for _ in range(100)}
    assert len(names) > 90
    assert all(GENERATED.fullmatch(name) for name in names)


def test_a_run_that_cannot_be_stored_is_refused(api: Tracking) -> None:
    for fields in (
        {"run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]},
        {"run_name": "x" * 251},
        {"tags": [{"key": "mlflow.runName", "value": "x" * 251}]},
        {"run_name": "a\x1bb"},
        {"run_name": "a\0"},
        {"run_name": 5},
        {"user_id": "u" * 257},
        {"user_id": "u\0"},
        {"start_time": "soon"},
        {"start_time": 1.5},
        {"start_time": 2**63},
        {"tags": "t"},
        {"tags": ["t"]},
        {"tags": [{"value": "v"}]},
        {"tags": [{"key": "x" * 251, "value": "v"}]},
        {"tags": [{"key": "a\x1bb", "value": "v"}]},
        {"tags": [{"key": "k", "value": "a\0"}]},
        {"tags": [{"key": "k", "value": "1"}, {"key": "k", "value": "1"}]},
        {"experiment_id": ""},
        {"experiment_id": None},
        {"experiment_id": 0},
    ):
        assert api.refused("runs/create", **{"experiment_id": "0", **fields}) == INVALID, fields
    assert api.run_ids() == []


def test_an_update_changes_what_it_gives_only(api: Tracking) -> None:
    run_id = api.run(run_name="before")
    finished = api.call("runs/update", run_id=run_id, status="FINISHED", end_time=99)["run_info"]
    assert (finished["status"], finished["end_time"]) == ("FINISHED", 99)
    renamed = api.call("runs/update", run_uuid=run_id, run_name="after")["run_info"]
    assert renamed == {**finished, "run_name": "after"}
    assert api.tags(run_id) == {"mlflow.runName": "after"}
    assert api.call("runs/update", run_id=run_id, run_name="")["run_info"] == renamed
    assert api.info(run_id) == renamed
    by_number = api.call("runs/update", run_id=run_id, status=4, end_time="100")["run_info"]
    assert (by_number["status"], by_number["end_time"]) == ("FAILED", 100)


def test_renaming_restores_a_name_tag_that_was_deleted(api: Tracking) -> None:
    run_id = api.run(run_name="n")
    api.call("runs/delete-tag", run_id=run_id, key="mlflow.runName")
    assert api.info(run_id)["run_name"] == "n"
    api.call("runs/update", run_id=run_id, run_name="again")
    assert api.tags(run_id) == {"mlflow.runName": "again"}


def test_an_update_that_cannot_be_stored_changes_nothing(api: Tracking) -> None:
    run_id = api.run(run_name="n")
    before = api.info(run_id)
    for fields in (
        {"status": "DONE"},
        {"status": "finished"},
        {"status": 9},
        {"status": True},
        {"status": "3" * 5000},
        {"end_time": "late"},
        {"end_time": 2**63},
        {"run_name": "x" * 251},
        {"run_name": "a\x1bb"},
        {"run_name": 5},
    ):
        both = {"status": "FINISHED", "end_time": 5, **fields}
        assert api.refused("runs/update", run_id=run_id, **both) == INVALID, fields
    assert api.refused("runs/update", status="FINISHED") == INVALID
    assert api.info(run_id) == before
    assert api.tags(run_id) == {"mlflow.runName": "n"}


def test_a_deleted_run_is_read_and_restored_but_not_updated(api: Tracking) -> None:
    run_id = api.run()
    assert api.call("runs/delete", run_id=run_id) == {}
    assert api.call("runs/delete", run_id=run_id) == {}
    assert api.info(run_id)["lifecycle_stage"] == "deleted"
    assert api.refused("runs/update", run_id=run_id, status="KILLED") == INVALID
    assert api.call("runs/restore", run_id=run_id) == {}
    assert api.call("runs/restore", run_id=run_id) == {}
    found = api.info(run_id)
    assert (found["lifecycle_stage"], found["status"]) == ("active", "RUNNING")


def test_an_unknown_run_is_not_found(api: Tracking) -> None:
    for run_id in ("none", "../x", "x" * 5000, "0" * 32):
        for path in ("get", "update", "delete", "restore"):
            assert api.refused(f"runs/{path}", run_id=run_id) == MISSING, (path, run_id)
    for path in ("get", "update", "delete", "restore"):
        assert api.refused(f"runs/{path}") == INVALID, path


def _log_everything(database: Database, run_id: str) -> None:
    metric: dict[str, Any] = {"run_uuid": run_id, "timestamp": 5, "step": 2, "is_nan": False}
    with database.write() as conn:
        conn.execute(
            insert(tracking.latest_metrics),
            [
                {**metric, "key": "a", "value": 0.0, "is_nan": True},
                {**metric, "key": "b", "value": 1.5},
                {**metric, "key": "c", "value": 1.7976931348623157e308},
            ],
        )
        conn.execute(insert(tracking.params).values(run_uuid=run_id, key="p", value=""))
        conn.execute(
            insert(tracking.datasets).values(
                dataset_uuid=f"d{run_id[:30]}",
                experiment_id=0,
                name=run_id,
                digest="x",
                dataset_source_type="s",
                dataset_source="{}",
            )
        )
        conn.execute(
            insert(tracking.inputs),
            [
                {
                    "input_uuid": f"{kind}{run_id[:30]}",
                    "source_type": source,
                    "source_id": source_id,
                    "destination_type": destination,
                    "destination_id": destination_id,
                    "step": 7,
                }
                for kind, source, source_id, destination, destination_id in (
                    ("i", "DATASET", f"d{run_id[:30]}", "RUN", run_id),
                    ("m", "RUN_INPUT", run_id, "MODEL_INPUT", "m-1"),
                    ("o", "RUN_OUTPUT", run_id, "MODEL_OUTPUT", "m-2"),
                )
            ],
        )
        conn.execute(
            insert(tracking.input_tags),
            [{"input_uuid": f"i{run_id[:30]}", "name": name, "value": "v"} for name in "ba"],
        )


def test_a_run_comes_with_all_it_logged(api: Tracking, database: Database) -> None:
    run_id = api.run(run_name="n")
    _log_everything(database, run_id)
    run = api.call("runs/get", run_id=run_id)["run"]
    point = {"timestamp": 5, "step": 2}
    assert run["data"] == {
        "metrics": [
            {"key": "a", "value": "NaN", **point},
            {"key": "b", "value": 1.5, **point},
            {"key": "c", "value": 1.7976931348623157e308, **point},
        ],
        "params": [{"key": "p", "value": ""}],
        "tags": [{"key": "mlflow.runName", "value": "n"}],
    }
    dataset = {"name": run_id, "digest": "x", "source_type": "s", "source": "{}"}
    used = [{"key": "a", "value": "v"}, {"key": "b", "value": "v"}]
    assert run["inputs"] == {
        "dataset_inputs": [{"dataset": dataset, "tags": used}],
        "model_inputs": [{"model_id": "m-1"}],
    }
    assert run["outputs"] == {"model_outputs": [{"model_id": "m-2", "step": 7}]}


def test_many_runs_are_read_by_as_many_statements_as_one(
    api: Tracking, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []

    def fetch(conn: Connection, statement: str, *given: Any) -> Any:
        statements.append(statement)
        return fetch_tuples(conn, statement, *given)

    monkeypatch.setattr(load_sql, "fetch_tuples", fetch)
    ids = [api.run(run_name=name) for name in "abc"]
    for run_id in ids:
        _log_everything(database, run_id)
    counts = []
    for wanted in (ids[:1], ids):
        statements.clear()
        with database.read() as conn:
            event.listen(conn, "before_cursor_execute", lambda *given: statements.append(given[2]))
            by_id = load.get(conn, wanted)
        counts.append(len(statements))
        found = [by_id[run_id] for run_id in reversed(wanted)]
        assert [run.info.run_id for run in found] == list(reversed(wanted))
        assert all(len(run.data.metrics) == 3 for run in found)
        assert [run.inputs.dataset_inputs[0].dataset.name for run in found] == wanted[::-1]
    assert counts == [3, 3]


def test_tags_set_at_once_in_any_order_never_wait_for_each_other(
    api: Tracking, database: Database
) -> None:
    run_id = api.run(run_name="n")
    keys = [f"k{number}" for number in range(20)]
    failures: list[Exception] = []

    def put(order: list[str]) -> None:
        try:
            for turn in range(10):
                with database.write() as conn:
                    runs.put_tags(conn, {(run_id, key): str(turn) for key in order})
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=put, args=(order,)) for order in (keys, keys[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert api.tags(run_id) == {"mlflow.runName": "n", **dict.fromkeys(keys, "9")}


def test_search_finds_runs_by_their_tags(api: Tracking) -> None:
    wanted = api.run(tags=[{"key": "team", "value": "a"}])
    api.run(tags=[{"key": "team", "value": "b"}])
    found = api.call("runs/search", experiment_ids=["0"], filter="tags.team = 'a'")
    assert [run["info"]["run_id"] for run in found["runs"]] == [wanted]
    assert api.call("runs/search", experiment_ids=["0"], filter="tags.team = 'c'") == {}


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t"])
def test_a_name_keeps_the_line_end_that_a_command_printed(api: Tracking, end: str) -> None:
    experiment = api.experiment(f"of{end}")
    name = f"4f2a91c{end}"
    run_id = api.run(experiment, run_name=name, user_id=f"ann{end}")
    assert api.info(run_id)["run_name"] == api.tags(run_id)["mlflow.runName"] == name
    assert api.info(run_id)["user_id"] == f"ann{end}"
    found = api.call(
        "runs/search",
        experiment_ids=[experiment],
        filter=f"attributes.run_name = '{name}' AND tags.`mlflow.runName` = '{name}'",
    )
    assert [run["info"]["run_id"] for run in found["runs"]] == [run_id]
    api.call("runs/update", run_id=run_id, run_name=f"new{end}")
    assert api.info(run_id)["run_name"] == f"new{end}"
    answer = api.call("experiments/get-by-name", experiment_name=f"of{end}")
    assert answer["experiment"]["experiment_id"] == experiment


def test_a_key_keeps_one_line_end(api: Tracking) -> None:
    run_id = api.run()
    api.call("runs/set-tag", run_id=run_id, key="branch\n", value="main\n")
    assert api.tags(run_id)["branch\n"] == "main\n"
    api.call("runs/delete-tag", run_id=run_id, key="branch\n")
    assert "branch\n" not in api.tags(run_id)

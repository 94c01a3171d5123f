"""Tags of runs and experiments, over HTTP and on both databases."""

import json
import threading

import pytest
from sqlalchemy import Connection

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import tags
from tandem_shared.errors import InvalidParameter
from tests.metadata.api import INVALID, MISSING
from tests.metadata.conftest import only_postgresql
from tests.metadata.tracking_api import Tracking

BAD_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    "./a",
    "a/../b",
    "..",
    ".",
    "a$b",
    "a\r\n",
    "a\tb",
    "\0",
    "x" * 251,
    5,
]
MODEL = {
    "artifact_path": "model",
    "flavors": {"python_function": {"loader_module": "m", "config": {"a": 1}}, "other": "text"},
    "utc_time_created": "2024-01-01 00:00:00",
    "run_id": "r",
    "mlflow_version": "2.8.1",
}


@pytest.fixture
def api(settings: Settings, database: Database) -> Tracking:
    return Tracking(settings, database)


def test_a_key_that_cannot_be_stored_is_refused(api: Tracking) -> None:
    run_id = api.run(run_name="n")
    path = "experiments/set-experiment-tag"
    for key in BAD_KEYS:
        assert api.refused("runs/set-tag", run_id=run_id, key=key, value="v") == INVALID, key
        assert api.refused(path, experiment_id="0", key=key, value="v") == INVALID, key
    assert api.tags(run_id) == {"mlflow.runName": "n"}
    assert "tags" not in api.call("experiments/get", experiment_id="0")["experiment"]


def test_a_tag_is_set_then_overwritten_then_deleted(api: Tracking) -> None:
    run_id = api.run(run_name="n")
    for key in ("a", "a/b", "a.b c-d_e:f", "é", "x" * 250, " "):
        for value in ("1", "line\nline", ""):
            assert api.call("runs/set-tag", run_id=run_id, key=key, value=value) == {}
            assert api.tags(run_id)[key] == value
        assert api.call("runs/delete-tag", run_id=run_id, key=key) == {}
        assert api.tags(run_id) == {"mlflow.runName": "n"}
        assert api.refused("runs/delete-tag", run_id=run_id, key=key) == MISSING


def test_a_tag_without_a_value_is_empty_and_old_clients_say_run_uuid(api: Tracking) -> None:
    run_id = api.run()
    api.call("runs/set-tag", run_uuid=run_id, key="k")
    assert api.tags(run_id)["k"] == ""


def test_a_value_that_cannot_be_stored_is_refused(api: Tracking) -> None:
    run_id = api.run(run_name="n")
    for value in (5, "a\0b", ["v"]):
        assert api.refused("runs/set-tag", run_id=run_id, key="k", value=value) == INVALID
    assert api.tags(run_id) == {"mlflow.runName": "n"}


def test_a_long_value_is_cut_unless_the_setting_says_refuse(
    settings: Settings, database: Database
) -> None:
    cutting = Tracking(settings, database)
    run_id = cutting.run(run_name="n", tags=[{"key": "first", "value": "v" * 8001}])
    cutting.call("runs/set-tag", run_id=run_id, key="k", value="v" * 8001)
    assert cutting.tags(run_id)["k"] == cutting.tags(run_id)["first"] == "v" * 8000
    refusing = Tracking(
        Settings(
            backend_store_uri=settings.backend_store_uri,
            default_artifact_root=settings.default_artifact_root,
            truncate_long_values=False,
        ),
        database,
    )
    long = {"key": "other", "value": "v" * 8001}
    assert refusing.refused("runs/set-tag", run_id=run_id, **long) == INVALID
    assert "other" not in cutting.tags(run_id)
    assert refusing.refused("runs/create", experiment_id="0", tags=[long]) == INVALID
    assert cutting.run_ids() == [run_id]


def test_the_name_tag_renames_the_run_unless_it_is_empty(api: Tracking) -> None:
    run_id = api.run(run_name="before")
    api.call("runs/set-tag", run_id=run_id, key="mlflow.runName", value="after")
    assert api.info(run_id)["run_name"] == api.tags(run_id)["mlflow.runName"] == "after"
    api.call("runs/set-tag", run_id=run_id, key="mlflow.runName", value="")
    assert api.info(run_id)["run_name"] == api.tags(run_id)["mlflow.runName"] == "after"
    for value in ("x" * 251, "a\x1bb"):
        fields = {"run_id": run_id, "key": "mlflow.runName", "value": value}
        assert api.refused("runs/set-tag", **fields) == INVALID
    assert api.info(run_id)["run_name"] == api.tags(run_id)["mlflow.runName"] == "after"


def test_unknown_and_deleted_runs_take_no_tags(api: Tracking) -> None:
    model = json.dumps(MODEL)
    assert api.refused("runs/set-tag", run_id="none", key="k", value="v") == MISSING
    assert api.refused("runs/delete-tag", run_id="none", key="k") == MISSING
    assert api.refused("runs/log-model", run_id="none", model_json=model) == MISSING
    assert api.refused("runs/set-tag", key="k", value="v") == INVALID
    run_id = api.run(run_name="n")
    api.call("runs/delete", run_id=run_id)
    assert api.refused("runs/set-tag", run_id=run_id, key="k", value="v") == INVALID
    assert api.refused("runs/delete-tag", run_id=run_id, key="mlflow.runName") == INVALID
    assert api.refused("runs/log-model", run_id=run_id, model_json=model) == INVALID
    assert api.tags(run_id) == {"mlflow.runName": "n"}


def test_an_experiment_tag_is_set_then_overwritten_then_deleted(api: Tracking) -> None:
    for value in ("1", "", "v" * 5000):
        fields = {"experiment_id": "0", "key": "k", "value": value}
        assert api.call("experiments/set-experiment-tag", **fields) == {}
        found = api.call("experiments/get", experiment_id="0")["experiment"]
        assert found["tags"] == [{"key": "k", "value": value}]
    gone = {"experiment_id": "0", "key": "k"}
    assert api.call("experiments/delete-experiment-tag", **gone) == {}
    assert "tags" not in api.call("experiments/get", experiment_id="0")["experiment"]
    assert api.refused("experiments/delete-experiment-tag", **gone) == MISSING


def test_an_experiment_tag_that_is_too_long_is_refused_and_never_cut(api: Tracking) -> None:
    fields = {"experiment_id": "0", "key": "k", "value": "v" * 20001}
    assert api.refused("experiments/set-experiment-tag", **fields) == INVALID
    assert "tags" not in api.call("experiments/get", experiment_id="0")["experiment"]


def test_a_tag_of_an_experiment_has_the_same_limit_on_both_databases(api: Tracking) -> None:
    tag = {"key": "mlflow.note.content", "value": "ä" * 20000}
    api.call("experiments/set-experiment-tag", experiment_id="0", **tag)
    assert api.call("experiments/get", experiment_id="0")["experiment"]["tags"] == [tag]
    created = api.call("experiments/create", name="noted", tags=[tag])["experiment_id"]
    assert api.call("experiments/get", experiment_id=created)["experiment"]["tags"] == [tag]


@only_postgresql
def test_a_tag_that_only_an_older_mlflows_table_is_too_narrow_for_is_refused(
    api: Tracking, database: Database
) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("ALTER TABLE experiment_tags ALTER COLUMN value TYPE varchar(5000)")
    tag = {"key": "k", "value": "v" * 5001}
    for path, fields in (
        ("experiments/set-experiment-tag", {"experiment_id": "0", **tag}),
        ("experiments/create", {"name": "e", "tags": [tag]}),
    ):
        status, body = api.ask(path, **fields)
        assert (status, body["error_code"]) == INVALID
        assert "tandem-metadata db upgrade" in body["message"]


def test_an_experiment_keeps_fifty_custom_views_and_lets_them_change(api: Tracking) -> None:
    views = [{"key": f"mlflow.customView.view{n}", "value": "{}"} for n in range(50)]
    experiment_id = api.experiment(tags=views)
    path = "experiments/set-experiment-tag"
    api.call(path, experiment_id=experiment_id, key=views[0]["key"], value="new")
    more = {"experiment_id": experiment_id, "key": "mlflow.customView.more", "value": ""}
    api.call(path, **more)
    more["key"] = "mlflow.customView.viewMore"
    assert api.refused(path, **more) == INVALID


def test_two_custom_views_at_once_do_not_both_take_the_last_place(
    api: Tracking, database: Database
) -> None:
    views = [{"key": f"mlflow.customView.view{n}", "value": "{}"} for n in range(49)]
    experiment_id = api.experiment(tags=views)
    refused: list[InvalidParameter] = []

    def add(conn: Connection, name: str) -> None:
        tags.set_on_experiment(conn, experiment_id, f"mlflow.customView.view{name}", "{}")

    def add_another() -> None:
        try:
            with database.write() as conn:
                add(conn, "B")
        except InvalidParameter as error:
            refused.append(error)

    thread = threading.Thread(target=add_another)
    with database.write() as conn:
        add(conn, "A")
        thread.start()
        thread.join(0.3)  # it waits; if it did not, it would count without the view above
    thread.join()
    assert len(refused) == 1


def test_models_of_old_clients_gather_in_one_tag(api: Tracking) -> None:
    run_id = api.run()
    api.call("runs/log-model", run_id=run_id, model_json=json.dumps(MODEL))
    second = {**MODEL, "model_uuid": "u", "flavors": None}
    api.call("runs/log-model", run_id=run_id, model_json=json.dumps(second))
    first = {
        "run_id": "r",
        "artifact_path": "model",
        "utc_time_created": "2024-01-01 00:00:00",
        "model_uuid": None,
        "flavors": {"python_function": {"loader_module": "m"}, "other": "text"},
    }
    recorded = json.loads(api.tags(run_id)["mlflow.log-model.history"])
    assert recorded == [first, {**first, "model_uuid": "u", "flavors": {}}]


def test_a_model_that_cannot_be_recorded_is_refused(api: Tracking) -> None:
    run_id = api.run(run_name="n")
    for model_json in (
        "",
        "not JSON",
        "[]",
        "5",
        "{}",
        json.dumps({**MODEL, "flavors": []}),
        json.dumps({**MODEL, "flavors": "text"}),
        json.dumps({key: value for key, value in MODEL.items() if key != "run_id"}),
        json.dumps({**MODEL, "artifact_path": "p" * 8000}),
        "[" * 100_000,
        5,
    ):
        answer = api.refused("runs/log-model", run_id=run_id, model_json=model_json)
        assert answer == INVALID, model_json
    assert api.tags(run_id) == {"mlflow.runName": "n"}


def test_a_history_of_models_that_is_none_is_not_overwritten(api: Tracking) -> None:
    run_id = api.run()
    for broken in ("not JSON", "{}", "[" * 8000):
        api.call("runs/set-tag", run_id=run_id, key="mlflow.log-model.history", value=broken)
        fields = {"run_id": run_id, "model_json": json.dumps(MODEL)}
        assert api.refused("runs/log-model", **fields) == INVALID
        assert api.tags(run_id)["mlflow.log-model.history"] == broken

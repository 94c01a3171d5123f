"""Experiments, over HTTP and on both databases."""

import threading

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import experiments
from tandem_shared.errors import AlreadyExists
from tests.metadata.api import EXISTS, INVALID, MISSING
from tests.metadata.tracking_api import Tracking


@pytest.fixture
def api(settings: Settings, database: Database) -> Tracking:
    return Tracking(settings, database)


def test_a_new_experiment_is_active_and_has_its_place_below_the_root(api: Tracking) -> None:
    experiment_id = api.experiment("fraud", tags=[{"key": "a"}, {"key": "b", "value": "2"}])
    found = api.call("experiments/get", experiment_id=experiment_id)["experiment"]
    assert found.pop("creation_time") == found.pop("last_update_time") > 1_600_000_000_000
    assert found == {
        "experiment_id": experiment_id,
        "name": "fraud",
        "artifact_location": f"mlflow-artifacts://artifacts.example.com/{experiment_id}",
        "lifecycle_stage": "active",
        "workspace": "default",
        "tags": [{"key": "a", "value": ""}, {"key": "b", "value": "2"}],
    }
    by_name = api.call("experiments/get-by-name", experiment_name="fraud")["experiment"]
    assert by_name["experiment_id"] == experiment_id


def test_a_given_artifact_location_is_kept(api: Tracking) -> None:
    for number, location in enumerate(
        (
            "s3://bucket/path",
            "mlflow-artifacts:/p",
            "mlflow-artifacts://host/p",
            "mlflow-artifacts://host:5500/p",
            "http://host:5500/api/2.0/mlflow-artifacts/artifacts/p",
            "/mnt/share",
            "file:///mnt/share",
            "C:\\share",
            "s3://bucket/a..b",
        )
    ):
        experiment_id = api.experiment(f"e{number}", artifact_location=location)
        found = api.call("experiments/get", experiment_id=experiment_id)["experiment"]
        assert found["artifact_location"] == location


def test_an_artifact_location_without_a_host_is_refused_with_a_suggestion(api: Tracking) -> None:
    for location in ("s3:/bucket/p", "s3:bucket/p", "S3:///bucket/p"):
        status, error = api.ask("experiments/create", name="e", artifact_location=location)
        assert (status, error["error_code"]) == INVALID
        assert "did you mean s3://bucket/p?" in error["message"]


def test_an_artifact_location_that_cannot_be_used_is_refused(api: Tracking) -> None:
    for location in (
        "relative/path",
        " s3://bucket",
        "s3:/bucket/p",
        "s3:bucket",
        "s3://",
        "s3:///bucket",
        "gs:/bucket",
        "abfss:/container@account/x",
        "https:/host/p",
        "s3://bucket/p#fragment",
        "s3://bucket/p#",
        "https://host/p;params",
        "runs:/abc/x",
        "file://host/p",
        "s3://bucket/../x",
        "s3://bucket/%2e%2e/x",
        "s3://bucket/%252e%252e%252fx",
        "s3://bucket/p?x=../y",
        "http://[::1/p",
        "s3://bucket/a\tb",
        "s3://bucket/\0",
        "s3://" + "b" * 153,
        5,
    ):
        answer = api.refused("experiments/create", name="e", artifact_location=location)
        assert answer == INVALID, location
    assert api.experiment_names() == ["Default"]


def test_a_name_that_cannot_be_stored_is_refused(api: Tracking) -> None:
    for name in ("", None, 5, ["e"], "x" * 257, "a\x1bb", "a\0b", "a\x7f"):
        assert api.refused("experiments/create", name=name) == INVALID, name
        assert api.refused("experiments/update", experiment_id="0", new_name=name) == INVALID, name
    assert api.experiment_names() == ["Default"]


def test_a_name_of_many_kinds_is_kept(api: Tracking) -> None:
    for name in ("x" * 256, "é" * 256, "a/b", "../c", "   ", "名前"):
        api.experiment(name)
        found = api.call("experiments/get-by-name", experiment_name=name)["experiment"]
        assert found["name"] == name


def test_a_tag_that_cannot_be_stored_keeps_its_experiment_from_being(api: Tracking) -> None:
    for tags in (
        [{"value": "1"}],
        [{"key": "a$b", "value": "1"}],
        [{"key": "a/../b", "value": "1"}],
        [{"key": "x" * 251, "value": "1"}],
        [{"key": "k", "value": "v" * 20001}],
        [{"key": "k", "value": "1"}, {"key": "k", "value": "2"}],
        [{"key": "k", "value": 1}],
        {"k": "v"},
        ["k"],
        [{"key": f"mlflow.customView.view{n}", "value": "{}"} for n in range(51)],
    ):
        assert api.refused("experiments/create", name="e", tags=tags) == INVALID, tags
    assert api.experiment_names() == ["Default"]


def test_a_name_is_taken_by_active_and_by_deleted_experiments_alike(api: Tracking) -> None:
    experiment_id = api.experiment("taken")
    assert api.refused("experiments/create", name="taken") == EXISTS
    assert api.refused("experiments/update", experiment_id="0", new_name="taken") == EXISTS
    _, active = api.ask("experiments/create", name="taken")
    api.call("experiments/delete", experiment_id=experiment_id)
    assert api.refused("experiments/create", name="taken") == EXISTS
    _, deleted = api.ask("experiments/create", name="taken")
    assert "deleted" in deleted["message"]
    assert "deleted" not in active["message"]
    assert api.experiment_names() == ["Default", "taken"]


def test_of_two_experiments_created_with_one_name_at_once_one_wins(database: Database) -> None:
    barrier = threading.Barrier(4)
    outcomes: list[str] = []

    def create() -> None:
        barrier.wait()
        try:
            with database.write() as conn:
                outcomes.append(experiments.create(conn, "same", "", [], root="s3://b"))
        except AlreadyExists:
            outcomes.append("exists")

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("exists") == 3
    assert len(outcomes) == 4


@pytest.mark.parametrize(
    ("experiment_id", "answer"),
    [
        ("7", MISSING),
        ("-1", MISSING),
        (str(2**31), MISSING),
        (str(2**63), MISSING),
        ("9" * 5000, MISSING),
        ("abc", INVALID),
        ("1.5", INVALID),
        ("", INVALID),
        ("1_0", INVALID),
    ],
)
def test_an_unknown_experiment_is_told_apart_from_an_id_that_is_none(
    api: Tracking, experiment_id: str, answer: tuple[int, str]
) -> None:
    for path, fields in (
        ("experiments/get", {}),
        ("experiments/update", {"new_name": "n"}),
        ("experiments/delete", {}),
        ("experiments/restore", {}),
        ("experiments/set-experiment-tag", {"key": "k", "value": "v"}),
        ("experiments/delete-experiment-tag", {"key": "k"}),
        ("runs/create", {}),
    ):
        assert api.refused(path, experiment_id=experiment_id, **fields) == answer, path


def test_an_unknown_name_is_not_found(api: Tracking) -> None:
    status, body = api.ask("experiments/get-by-name", experiment_name="none")
    assert (status, body["error_code"]) == MISSING


def test_renaming_changes_the_name_and_the_time_of_the_last_update(api: Tracking) -> None:
    experiment_id = api.experiment("before")
    before = api.call("experiments/get", experiment_id=experiment_id)["experiment"]
    assert api.call("experiments/update", experiment_id=experiment_id, new_name="after") == {}
    after = api.call("experiments/get", experiment_id=experiment_id)["experiment"]
    assert after["name"] == "after"
    assert after["creation_time"] == before["creation_time"]
    assert after["last_update_time"] >= before["last_update_time"]
    api.call("experiments/update", experiment_id=experiment_id, new_name="after")


def test_deleting_and_restoring_an_experiment_takes_its_runs_along(api: Tracking) -> None:
    experiment_id = api.experiment()
    run_id, elsewhere = api.run(experiment_id), api.run("0")
    assert api.call("experiments/delete", experiment_id=experiment_id) == {}
    found = api.call("experiments/get", experiment_id=experiment_id)["experiment"]
    assert found["lifecycle_stage"] == "deleted"
    assert api.info(run_id)["lifecycle_stage"] == "deleted"
    assert api.info(elsewhere)["lifecycle_stage"] == "active"
    assert api.refused("experiments/delete", experiment_id=experiment_id) == MISSING
    assert api.call("experiments/restore", experiment_id=experiment_id) == {}
    assert api.info(run_id)["lifecycle_stage"] == "active"
    assert api.refused("experiments/restore", experiment_id=experiment_id) == MISSING


def test_a_deleted_experiment_takes_no_changes(api: Tracking) -> None:
    experiment_id = api.experiment()
    api.call("experiments/delete", experiment_id=experiment_id)
    assert api.refused("experiments/update", experiment_id=experiment_id, new_name="n") == (
        400,
        "INVALID_STATE",
    )
    tag = {"experiment_id": experiment_id, "key": "k"}
    assert api.refused("experiments/set-experiment-tag", value="v", **tag) == INVALID
    assert api.refused("experiments/delete-experiment-tag", **tag) == INVALID
    assert api.refused("runs/create", experiment_id=experiment_id) == INVALID
    found = api.call("experiments/get", experiment_id=experiment_id)["experiment"]
    assert "tags" not in found
    assert found["name"] == "e"


def test_search_answers_get_and_post_alike(api: Tracking) -> None:
    api.experiment("first")
    page = api.call("experiments/search", max_results=1)
    assert len(page["experiments"]) == 1
    same = api.call("experiments/search", "GET", max_results="1", view_type="ACTIVE_ONLY")
    assert same["experiments"] == page["experiments"]
    assert api.call("experiments/search", "GET", max_results="5", filter="name = 'none'") == {}

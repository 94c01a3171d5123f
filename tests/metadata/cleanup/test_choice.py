"""What `gc` deletes of what is asked for, and what it protects."""

import fcntl
import os
from typing import Any

import pytest

from tandem_metadata.cleanup import lock
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import experiments
from tandem_shared.clock import now_ms
from tandem_shared.settings import SettingsError
from tests.metadata.cleanup.conftest import Gc
from tests.metadata.cleanup.world import OLD, World, rows
from tests.metadata.cli.commands import MakeCommand, assert_error, command_of
from tests.metadata.conftest import only_sqlite

RUN, OTHER = "0" * 32, "1" * 32
MODEL = "m-" + "2" * 32


@pytest.fixture
def make_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> MakeCommand:
    return command_of(monkeypatch, capsys)


def _ids(database: Database, table: str, key: str) -> set[Any]:
    with database.read() as conn:
        return {row[0] for row in conn.exec_driver_sql(f"SELECT {key} FROM {table}")}


def _runs(database: Database) -> set[Any]:
    return _ids(database, "runs", "run_uuid")


def _reasons(report: dict[str, Any]) -> dict[str, str]:
    return {each["id"]: each["reason"] for each in report["left"]}


@pytest.fixture
def world(database: Database) -> None:
    """Deleted: experiment 2 with all, a run and a model of experiment 1. Active: the rest."""
    with database.write() as conn:
        made = World(conn)
        made.experiment(1, "active")
        made.experiment(2, "deleted")
        made.run(RUN, 1, "deleted")
        made.run(OTHER, 1, "deleted")
        made.logged_model(MODEL, 1, RUN, "deleted")


@pytest.mark.usefixtures("world")
def test_a_plan_changes_nothing(database: Database, gc: Gc) -> None:
    before = rows(database)
    status, report = gc()
    assert (status, report["dry_run"]) == (0, True)
    assert rows(database) == before
    items = {kind: each["items"] for kind, each in report["planned"].items()}
    assert items == {"experiments": 1, "runs": 4, "logged_models": 2, "traces": 1}
    # Of each run: 3 points, a latest one, a param, a tag and its own row.
    assert report["planned"]["runs"]["rows"] >= 4 * 7
    assert all(each["items"] == 0 for each in report["deleted"].values())


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("flags", "gone"),
    [
        (("--run-ids", RUN), {RUN}),
        (("--run-ids", f"{RUN},{OTHER}"), {RUN, OTHER}),
        (("--run-ids", RUN, "--run-ids", OTHER), {RUN, OTHER}),
        (("--logged-model-ids", MODEL), set()),
        (("--trace-ids", "tr-0001"), set()),
        (("--experiment-ids", "2"), {"run-0002", "oth-0002"}),
    ],
)
def test_ids_mean_these_alone(
    database: Database, gc: Gc, flags: tuple[str, ...], gone: set[str]
) -> None:
    before = {table: _ids(database, table, key) for table, key in (
        ("runs", "run_uuid"), ("experiments", "experiment_id"), ("logged_models", "model_id"),
        ("trace_info", "request_id"),
    )}  # fmt: skip
    status, report = gc("--yes", *flags)
    assert (status, report["left"]) == (0, [])
    assert before["runs"] - _runs(database) == gone
    whole = "--experiment-ids" in flags
    assert before["experiments"] - _ids(database, "experiments", "experiment_id") == (
        {2} if whole else set()
    )
    models = before["logged_models"] - _ids(database, "logged_models", "model_id")
    assert models == ({MODEL} if MODEL in flags else {"m-0002"} if whole else set())
    traces = before["trace_info"] - _ids(database, "trace_info", "request_id")
    assert traces == ({"tr-0001"} if "tr-0001" in flags else {"tr-0002"} if whole else set())


@pytest.mark.usefixtures("world")
def test_what_is_active_or_unknown_is_left(database: Database, gc: Gc) -> None:
    before = rows(database)
    status, report = gc(
        "--yes", "--run-ids", "run-0001,nobody", "--experiment-ids", "1,77", "--logged-model-ids",
        "m-0001", "--trace-ids", "nobody",
    )  # fmt: skip
    assert status == 0
    assert rows(database) == before
    active, missing = "it is active; delete it first", "it does not exist, or is gone already"
    assert _reasons(report) == {
        "run-0001": active, "1": active, "m-0001": active, "nobody": missing, "77": missing,
    }  # fmt: skip


@pytest.mark.usefixtures("world")
def test_ids_are_no_matter_of_age_unless_one_is_given(database: Database, gc: Gc) -> None:
    with database.write() as conn:
        World(conn).run("young", 1, "deleted", deleted_time=now_ms())
    assert _reasons(gc("--yes", "--run-ids", "young", "--older-than", "1d")[1]).keys() == {"young"}
    assert "young" in _runs(database)
    assert gc("--yes", "--run-ids", "young")[0] == 0
    assert "young" not in _runs(database)


@pytest.mark.usefixtures("world")
def test_an_experiment_with_an_active_run_is_left(database: Database, gc: Gc) -> None:
    with database.write() as conn:
        World(conn).run("back", 2, "active")
    for flags in ((), ("--experiment-ids", "2")):
        status, report = gc("--yes", *flags)
        assert status == 0
        assert _reasons(report)["2"] == "it holds a run that is active"
        assert 2 in _ids(database, "experiments", "experiment_id")
    # Its deleted runs are runs like others.
    assert _runs(database) & {"run-0002", "back"} == {"back"}


@pytest.mark.parametrize(
    "version",
    [
        {"run_id": RUN},
        {"source": f"runs:/{RUN}/model"},
        {"source": f"s3://bucket/1/{RUN}/artifacts/model"},
        {"source": "models:/x/1", "storage_location": f"mlflow-artifacts:/1/{RUN}/artifacts/m"},
        {"source": "mlflow-artifacts://other.example.com/here/model"},
        {"source": "http://h.example.com/api/2.0/mlflow-artifacts/artifacts/here"},
    ],
)
def test_what_a_version_uses_is_protected(
    database: Database, gc: Gc, version: dict[str, Any]
) -> None:
    with database.write() as conn:
        world = World(conn)
        world.run(RUN, 0, "deleted", location="mlflow-artifacts:/here/model/artifacts")
        world.run(OTHER, 0, "deleted")
        world.version("fraud", 1, **version)
        # What is deleted of a registry protects nothing.
        world.version("fraud", 2, run_id=OTHER, current_stage="Deleted_Internal")
    status, report = gc("--yes", "--leave-artifacts")
    assert status == 0
    assert _reasons(report) == {RUN: "version 1 of 'fraud' uses it"}
    assert _runs(database) == {RUN}
    assert gc("--yes", "--leave-artifacts", "--even-registered")[0] == 0
    assert _runs(database) == set()


@pytest.mark.parametrize(
    "version",
    [
        {"run_id": "run-0002"},
        {"source": f"models:/{MODEL}"},
        {"source": "mlflow-artifacts:/2/models/x/artifacts"},
    ],
)
def test_an_experiment_is_protected_by_what_lies_in_it(
    database: Database, gc: Gc, version: dict[str, Any]
) -> None:
    with database.write() as conn:
        world = World(conn)
        world.experiment(2, "deleted", "mlflow-artifacts:/2")
        world.logged_model(MODEL, 2, "run-0002")
        world.version("fraud", **version)
    assert "2" in _reasons(gc("--yes", "--experiment-ids", "2")[1])
    assert {"run-0002", "oth-0002"} <= _runs(database)


@pytest.mark.usefixtures("world")
def test_flags_that_cannot_be_are_refused(settings: Settings, make_command: MakeCommand) -> None:
    command = make_command("gc", settings)
    for flags, told in (
        (("--older-than", "soon"), "--older-than cannot be 'soon': it must be an age, as 30d"),
        (("--older-than", ""), "--older-than cannot be '': it must be an age"),
        (("--run-ids", ""), "--run-ids holds no id"),
        (("--experiment-ids", "1,x"), "--experiment-ids holds 'x', which no experiment can have"),
        (("--tracking-uri", "http://x"), "give --artifacts-url"),
        (("--jobs",), "Tandem runs no jobs"),
        (("--artifacts-destination", "x"), "metadata service"),
    ):
        assert_error(command(*flags), told)


def test_the_plan_is_shown(settings: Settings, make_command: MakeCommand, world: None) -> None:
    status, out, err = make_command("gc", settings)()
    assert (status, err) == (0, "")
    assert "To be deleted for good:" in out
    assert "Nothing was deleted. To delete it, add --yes." in out
    status, out, _ = make_command("gc", settings)("--yes")
    assert status == 0
    assert "Deleted in" in out
    assert ("VACUUM" in out) == settings.backend_store_uri.startswith("sqlite")


def test_a_plan_of_nothing_says_so(settings: Settings, make_command: MakeCommand) -> None:
    for flags in ((), ("--yes",), ("--run-ids", "none")):
        status, out, _ = make_command("gc", settings)(*flags)
        assert (status, out.splitlines()[-1]) == (0, "There is nothing to delete.")
        assert "Nothing was deleted" not in out
        assert "Deleted in" not in out


def test_a_second_gc_is_refused(
    database: Database, settings: Settings, make_command: MakeCommand
) -> None:
    with lock.alone(database):
        with pytest.raises(SettingsError, match="Another `gc`"), lock.alone(database):
            pass
        assert_error(make_command("gc", settings)("--yes"), "Another `gc` is at work")
        assert make_command("gc", settings)()[0] == 0  # a plan harms nobody
    assert make_command("gc", settings)("--yes")[0] == 0


@only_sqlite
def test_a_file_of_a_lock_that_was_left_is_no_lock(database: Database) -> None:
    path = f"{database.url.database}-gc"
    with open(path, "w"):
        pass
    with lock.alone(database):
        held = os.open(path, os.O_RDWR)
        with pytest.raises(OSError, match="temporarily"):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(held)
    assert not os.path.exists(path)


def test_the_newest_number_is_not_given_again(database: Database, gc: Gc) -> None:
    with database.write() as conn:
        ids = [experiments.create(conn, name, "", [], "mlflow-artifacts:/r") for name in "abc"]
        for each in ids[1:]:
            experiments.delete(conn, each)
        # The last one must be of a location that is no folder of its own, or nothing would be
        # asked of the artifacts service, which there is none of.
        conn.exec_driver_sql("UPDATE experiments SET artifact_location = ''")
    assert gc("--yes", "--older-than", "0d")[0] == 0
    assert _ids(database, "experiments", "experiment_id") == {0, int(ids[0])}
    with database.write() as conn:
        created = experiments.create(conn, "d", "", [], "mlflow-artifacts:/r")
        again = experiments.create(conn, "e", "", [], "mlflow-artifacts:/r")
    assert int(created) > int(ids[-1])
    assert int(again) == int(created) + 1


@only_sqlite
def test_a_number_that_cannot_be_kept_in_mind_stays_until_there_is_a_larger_one(
    database: Database, gc: Gc
) -> None:
    number = 2**40
    with database.write() as conn:
        World(conn).experiment(number, "deleted")
    status, report = gc("--yes")
    assert status == 0
    assert "its row goes once there is another" in _reasons(report)[str(number)]
    assert _runs(database) == set()
    with database.write() as conn:
        World(conn).put("experiments", experiment_id=number + 1, name="next",
                        lifecycle_stage="active", last_update_time=OLD)  # fmt: skip
    assert gc("--yes")[0] == 0
    assert _ids(database, "experiments", "experiment_id") == {0, number + 1}


def test_a_scorer_that_a_guardrail_applies_keeps_its_experiment(database: Database, gc: Gc) -> None:
    with database.write() as conn:
        world = World(conn)
        world.experiment(2, "deleted")
        world.experiment(3, "deleted")
        world.put("guardrails", guardrail_id="g", name="g", scorer_id="sc-0002", scorer_version=1)
    status, report = gc("--yes")
    assert status == 1
    assert [each["id"] for each in report["failed"]] == ["2"]
    assert "guardrail" in report["failed"][0]["reason"]
    assert _ids(database, "experiments", "experiment_id") == {0, 2}

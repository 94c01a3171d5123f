"""What `gc` deletes of each table, and that it deletes nothing else, on each generation."""

import datetime
from collections.abc import Callable

import pytest

from tandem_metadata.cleanup import choice
from tandem_metadata.cleanup import rows as deletion
from tandem_metadata.database.database import Database
from tests.metadata.cleanup.conftest import gc_of
from tests.metadata.cleanup.world import DAY, OLD, World, rows, without_ids

KEPT, DOOMED = 1, 2

Fill = Callable[[World], None]


def _uri(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def _fill(database: Database, fill: Fill) -> None:
    with database.write() as conn:
        fill(World(conn))


def _kept(world: World) -> None:
    """What is in use; some of it names what is deleted, and stays as it is."""
    world.experiment(KEPT, "active")
    world.put(
        "logged_models",
        model_id="m-other",
        experiment_id=KEPT,
        source_run_id="run-0002",
        lifecycle_stage="active",
    )
    world.trace("tr-other", KEPT, "run-0001")
    world.put(
        "assessments", assessment_id="named", trace_id="tr-other", name="n", run_id="run-0002"
    )
    world.put("trace_request_metadata", request_id="tr-other", key="other", value="run-0002")
    world.version("fraud", source="mlflow-artifacts:/1/x", run_id="run-0001")


def _doomed_beside(world: World) -> None:
    """Rows of the kept that belong to the deleted."""
    world.model_metric("m-0001", KEPT, "run-0002", "theirs")
    world.link("trace", "tr-other", "run", "run-0002")
    world.link("run", "run-0002", "trace", "tr-0001")
    world.input("x-1", "RUN_OUTPUT", "run-0002", "MODEL_OUTPUT", "m-0001")
    world.input("x-2", "RUN_INPUT", "oth-0001", "MODEL_INPUT", "m-0002")
    world.input("x-3", "DATASET", "data-0002", "RUN", "run-0001")
    world.put("review_queue_items", queue_id="q-0001", item_type="trace", item_id="tr-0002")


@pytest.fixture(params=[deletion.MOST, 5], ids=["at-once", "in-many-steps"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "MOST", request.param)


@pytest.mark.usefixtures("steps")
def test_an_experiment_goes_with_all_of_its_rows_and_no_others(
    generation: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fill(generation, _kept)
    before = rows(generation)

    def fill(world: World) -> None:
        world.experiment(DOOMED, "deleted")
        _doomed_beside(world)
        # Of a trace that went to another experiment later than its first span.
        world.span("tr-other", DOOMED, "moved")

    _fill(generation, fill)
    evaluation = _evaluation_dataset(DOOMED)
    full = rows(generation)
    registry = {"registered_models", "model_versions"}
    assert all(
        len(full[each]) > len(before[each]) for each in before.keys() - registry if before[each]
    )

    gc = gc_of(_uri(generation), monkeypatch, capsys)
    status, plan = gc()
    assert status == 0
    assert rows(generation) == full
    planned = {kind: each["items"] for kind, each in plan["planned"].items()}
    assert planned == {"experiments": 1, "runs": 2, "logged_models": 1, "traces": 1}

    status, report = gc("--yes")
    assert (status, report["failed"], report["left"]) == (0, [], [])
    assert {kind: each["items"] for kind, each in report["deleted"].items()} == planned
    assert _numbers(report["deleted"]) == _numbers(plan["planned"])
    after = rows(generation)
    # These are of no experiment; and the span is where its trace is.
    assert _take(after, "evaluation_datasets", evaluation)
    moved = [each for each in after["spans"] if "moved" in each]
    assert len(moved) == 1
    assert KEPT in moved[0]
    after["spans"].remove(moved[0])
    assert after == before


def _numbers(figures: dict[str, dict[str, int]]) -> dict[str, int]:
    return {kind: each["rows"] for kind, each in figures.items()}


def _evaluation_dataset(number: int) -> str:
    return f"d-{number:04}"


def _take(found: dict[str, list[tuple[object, ...]]], table: str, id: str) -> bool:
    """Leave a table's row of an id out; returns whether it was there."""
    rest = [each for each in found[table] if id not in each]
    taken = len(found[table]) - len(rest) == 1
    found[table] = rest
    return taken


@pytest.mark.usefixtures("steps")
def test_runs_models_and_traces_go_with_their_rows_alone(
    generation: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def kept(world: World) -> None:
        world.experiment(KEPT, "active")
        world.trace("tr-later", KEPT, "run-0001", at=OLD + 10 * 86_400_000)
        world.sums(KEPT, DAY + datetime.timedelta(days=10))

    _fill(generation, kept)
    before = rows(generation)

    def fill(world: World) -> None:
        world.run("gone", KEPT, "deleted")
        world.logged_model("m-gone", KEPT, "run-0001", "deleted")
        world.model_metric("m-0001", KEPT, "gone", "theirs")
        world.trace("tr-gone", KEPT, "run-0001")
        world.link("trace", "tr-0001", "run", "gone")
        world.link("trace", "tr-gone", "run", "gone")
        world.link("experiment", "1", "model", "m-gone")
        world.put("review_queue_items", queue_id="q-0001", item_type="trace", item_id="tr-gone")
        world.input("x-1", "RUN_OUTPUT", "gone", "MODEL_OUTPUT", "m-gone")
        world.input("x-2", "DATASET", "data-0001", "RUN", "gone")

    _fill(generation, fill)
    gc = gc_of(_uri(generation), monkeypatch, capsys)
    named = ("--trace-ids", "tr-gone", "--run-ids", "gone", "--logged-model-ids", "m-gone")
    _, plan = gc(*named)
    status, report = gc("--yes", *named)
    assert (status, report["left"], report["failed"]) == (0, [], [])
    assert _numbers(report["deleted"]) == _numbers(plan["planned"])
    after = rows(generation)
    # Sums of the trace's day are wrong now. The note stays: a trace of that day is left.
    for table in [each for each in before if each.endswith("_rollups")]:
        before[table] = [each for each in before[table] if DAY not in each]
    assert without_ids(after) == without_ids(before)


def test_rows_of_things_that_go_in_several_groups_are_planned_once(
    generation: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choice, "GROUP", 1)

    def fill(world: World) -> None:
        for number in (DOOMED, DOOMED + 1):
            world.experiment(number, "deleted")
        world.link("trace", "tr-0002", "trace", "tr-0003")
        world.link("trace", "tr-0003", "trace", "tr-0002")
        world.link("trace", "tr-0003", "run", "run-0002")
        world.input("x-1", "DATASET", "data-0002", "RUN", "run-0003")
        world.model_metric("m-0002", DOOMED, "run-0003", "theirs")
        world.span("tr-0002", DOOMED + 1, "moved")
        world.sums(DOOMED, DAY + datetime.timedelta(days=10))

    _fill(generation, fill)
    gc = gc_of(_uri(generation), monkeypatch, capsys)
    _, plan = gc()
    status, report = gc("--yes")
    assert (status, report["left"], report["failed"]) == (0, [], [])
    assert _numbers(report["deleted"]) == _numbers(plan["planned"])


def test_the_database_is_at_the_revision_that_it_had(
    generation: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fill(generation, lambda world: world.experiment(DOOMED, "deleted"))
    revision = generation.revision()
    assert gc_of(_uri(generation), monkeypatch, capsys)("--yes")[0] == 0
    assert generation.revision() == revision

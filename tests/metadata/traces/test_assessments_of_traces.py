"""Assessments that come, move and end with traces, runs and experiments, in every generation."""

from concurrent.futures import ThreadPoolExecutor

from msgspec import structs
from sqlalchemy import select

from tandem_metadata.database import trace_schema
from tandem_metadata.messages.assessments import GivenAssessment, GivenFeedback
from tandem_metadata.store.traces.assessments import create
from tests.metadata.api import INVALID
from tests.metadata.traces.assessing import HUMAN, RUN, Assessing
from tests.metadata.traces.writing import make, name_of, new_id, started


def test_assessments_end_with_the_run_that_made_them(assessing: Assessing) -> None:
    run, other = (
        assessing.call("runs/create", experiment_id="0")["run"]["info"]["run_id"] for _ in range(2)
    )
    assessing.assess(feedback={"value": 1}, metadata={RUN: run})
    kept = [
        assessing.assess(feedback={"value": 2}, metadata={RUN: other}),
        assessing.assess(feedback={"value": 3}, metadata={"run": run}),
        assessing.assess(feedback={"value": 4}),
    ]
    assessing.call("runs/delete", run_id=run)
    assert sorted(assessing.of_info(), key=str) == sorted(kept, key=str)
    assessing.call("runs/restore", run_id=run)
    assert len(assessing.of_info()) == len(kept)


def test_assessments_end_with_the_experiment_of_their_run(assessing: Assessing) -> None:
    experiment = assessing.experiment(assessing.trace_id)
    run = assessing.call("runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
    assessing.assess(feedback={"value": 1}, metadata={RUN: run})
    kept = assessing.assess(feedback={"value": 2})
    assessing.call("experiments/delete", experiment_id=experiment)
    assert assessing.of_info() == [kept]


def test_assessments_end_with_their_trace(assessing: Assessing) -> None:
    assessing.assess(feedback={"value": 1})
    answer = assessing.call(
        "traces/delete-traces", experiment_id="0", request_ids=[assessing.trace_id]
    )
    assert answer == {"traces_deleted": 1}
    with assessing.database.read() as conn:
        table = trace_schema.of(conn).assessments
        chosen = select(table.c.assessment_id).where(table.c.trace_id == assessing.trace_id)
        assert conn.execute(chosen).all() == []


def test_a_trace_starts_with_assessments(assessing: Assessing) -> None:
    mine = f"a-{new_id().hex()}"
    first = {"assessment_name": "a", "source": HUMAN, "feedback": {"value": 1}}
    second = {"assessment_id": mine, "assessment_name": "b", "expectation": {"value": "x"}}
    status, answer = assessing.start(first, second)
    assert status == 200, answer
    made = answer["trace"]["trace_info"]["assessments"]
    assert made == assessing.of_info()
    found = {each["assessment_name"]: each for each in made}
    assert found.keys() == {"a", "b"}
    assert found["a"]["feedback"] == {"value": 1.0}
    assert (found["b"]["assessment_id"], found["b"]["valid"]) == (mine, True)
    row = assessing.row(mine)
    if "aggregate_value" in row:
        assert (row["experiment_id"], row["trace_timestamp_ms"]) == (0, 1_795_885_063_779)
    # The same id again replaces it, and other assessments stay.
    status, answer = assessing.start({**second, "expectation": {"value": "y"}})
    assert status == 200, answer
    found = {each["assessment_name"]: each for each in assessing.of_info()}
    assert found["b"]["expectation"] == {"value": "y"}
    assert found["a"] in made


def test_assessments_follow_their_trace_to_another_experiment_and_time(
    assessing: Assessing,
) -> None:
    made = assessing.assess(feedback={"value": 1})
    experiment = assessing.experiment(assessing.trace_id)
    location = {"mlflow_experiment": {"experiment_id": experiment}}
    moved = {"trace_location": location, "request_time": "2026-01-01T00:00:00Z"}
    new = {"assessment_id": f"a-{new_id().hex()}", "feedback": {"value": 2}}
    assert assessing.start(new, **moved)[0] == 200
    for each in (made, new):
        row = assessing.row(each["assessment_id"])
        if "aggregate_value" in row:
            at = (row["experiment_id"], row["trace_timestamp_ms"])
            assert at == (int(experiment), 1_767_225_600_000)


def test_an_assessment_with_an_id_of_another_trace_gets_one_of_its_own(
    assessing: Assessing,
) -> None:
    theirs = assessing.assess(feedback={"value": 1})
    other, assessing.trace_id = assessing.trace_id, name_of(new_id())
    given = {"assessment_id": theirs["assessment_id"], "feedback": {"value": 2}}
    for _ in range(2):
        assert assessing.start(given, given)[0] == 200
        [mine] = assessing.of_info()
        assert mine["feedback"] == {"value": 2.0}
        assert mine["assessment_id"] != theirs["assessment_id"]
    assessing.trace_id = other
    assert assessing.of_info() == [theirs]


def test_a_trace_with_what_is_no_assessment_is_refused(assessing: Assessing) -> None:
    assessing.trace_id = name_of(new_id())
    for wrong in ({}, {"feedback": {"value": 1}, "span_id": "s" * 51}):
        status, answer = assessing.start({"feedback": {"value": 1}}, wrong)
        assert (status, answer["error_code"]) == INVALID
        assert "assessments[1]" in answer["message"]
    assert assessing.request("GET", "/a-1")[1]["message"].startswith("Trace")


def test_those_that_assess_at_once_while_the_trace_moves_lose_nothing(assessing: Assessing) -> None:
    trace = bytes.fromhex(assessing.trace_id.removeprefix("tr-"))
    elsewhere = assessing.experiment(assessing.trace_id)
    given = GivenAssessment(feedback=GivenFeedback(1))

    def assess(_: int) -> str:
        made = assessing.database.run_in_transaction(
            lambda conn: create(conn, assessing.trace_id, given)
        )
        other = assessing.database.run_in_transaction(
            lambda conn: create(
                conn, assessing.trace_id, structs.replace(given, overrides=made.assessment_id)
            )
        )
        return other.assessment_id

    def move(number: int) -> None:
        experiment = elsewhere if number % 2 else "0"
        make(assessing.database, started(trace, experiment_id=experiment, timestamp_ms=number))

    with ThreadPoolExecutor(4) as threads:
        moved = threads.map(move, range(20))
        made = {*threads.map(assess, range(20))}
        assert [*moved] == [None] * 20
    move(21)
    found = assessing.of_info()
    assert {each["assessment_id"] for each in found if each["valid"]} == made
    assert len(found) == 2 * len(made) == 40
    for each in found:
        row = assessing.row(each["assessment_id"])
        if "aggregate_value" in row:
            assert (row["experiment_id"], row["trace_timestamp_ms"]) == (int(elsewhere), 21)

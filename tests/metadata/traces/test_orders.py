"""A trace is the same in the end, in whatever order and in how many requests it comes."""

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tandem_metadata.database.database import Database
from tandem_metadata.store.traces.changes import Change, Told
from tests.metadata.traces import writing
from tests.metadata.traces.writing import logged, make, new_id, span, started, stored, usage

SPANS = 6
OTHER = "1001"
"""An experiment that no other test makes or deletes."""


@st.composite
def told(draw: st.DrawFn) -> Told:
    """What no sum of spans is, so that it can be told from one."""
    tokens = draw(st.sampled_from([{}, {"input_tokens": 7001}, {"cache_read_input_tokens": 7002}]))
    return Told(
        name=draw(st.sampled_from([None, "agent"])),
        session=draw(st.sampled_from([None, "told"])),
        tokens=tokens,
        costs=draw(st.sampled_from([{}, {"total_cost": 7003.5}])),
        metadata=draw(st.sampled_from([{}, {"mlflow.trace.user": "alice", "k": "v"}])),
        tags=draw(st.sampled_from([{}, {"env": "told", "service.name": "told", "t": "told"}])),
    )


@st.composite
def traces(draw: st.DrawFn) -> Any:
    """How a trace is built: of spans, each twice perhaps, and of what a client tells."""
    parents = [None, *(draw(st.integers(1, number - 1)) for number in range(2, SPANS + 1))]
    used = draw(st.lists(st.integers(0, 3), min_size=SPANS, max_size=SPANS))
    starts = draw(st.lists(st.integers(-5, 5), min_size=SPANS, max_size=SPANS))
    status = draw(st.sampled_from(["OK", "ERROR", "UNSET"]))
    tags = draw(st.sampled_from([{}, {"mlflow.traceTag.t": "root", "mlflow.traceTag.env": "root"}]))
    root = {
        "mlflow.spanInputs": {"q": 1},
        "mlflow.spanOutputs": "answer",
        "session.id": "of spans",
        "user.id": "bob",
        "mlflow.traceTag.mlflow.traceName": "by root",
    } | tags
    start: Any = draw(
        st.none()
        | st.fixed_dictionaries(
            {
                "told": told(),
                "state": st.sampled_from(["OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED"]),
                "request_preview": st.sampled_from([None, "given"]),
                "experiment_id": st.sampled_from(["0", OTHER]),
                "timestamp_ms": st.sampled_from([None, writing.START_MS + 1]),
                "execution_time_ms": st.sampled_from([None, 0, 7, 40]),
            }
        )
    )

    def build(trace: bytes) -> list[Change]:
        spans: list[Change] = [
            logged(
                span(
                    trace,
                    number,
                    parents[number - 1],
                    (usage(number) if used[number - 1] == 0 else {})
                    | (root if number == 1 else {}),
                    start_ms=writing.START_MS + starts[number - 1],
                    status=status,
                    resource={"service.name": "s"},
                ),
                run_id="run",
            )
            for number in range(1, SPANS + 1)
        ]
        return spans if start is None else [*spans, started(trace, **start)]

    return build


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[*HealthCheck],
    phases=[Phase.explicit, Phase.generate],
)
@given(build=traces(), data=st.data())
def test_a_trace_is_the_same_in_any_order(written: Database, build: Any, data: Any) -> None:
    _have_experiments(written)
    expected, trace = new_id(), new_id()
    make(written, *build(expected))
    changes = build(trace)
    order = data.draw(st.permutations(changes))
    again = data.draw(st.lists(st.sampled_from(changes), max_size=3))
    order = [*order, *(each for each in again if not hasattr(each, "told"))]
    while order:
        count = data.draw(st.integers(1, len(order)))
        make(written, *order[:count])
        order = order[count:]
    assert stored(written, trace) == stored(written, expected)


def _have_experiments(database: Database) -> None:
    with database.write() as conn:
        conn.exec_driver_sql(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)"
            f" VALUES ({OTHER}, 'other', 'mlflow-artifacts:/other', 'active')"
            " ON CONFLICT DO NOTHING"
        )

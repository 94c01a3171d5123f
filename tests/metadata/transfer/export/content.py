"""Experiments to export: two with runs, one of which is deleted, and one that is deleted itself."""

from dataclasses import dataclass

from tests.metadata.tracking_api import Tracking

T = 1_700_000_000_123
"""Milliseconds that no second, minute or day is full at."""


@dataclass(frozen=True)
class Content:
    first: str
    second: str
    gone: str
    """Experiments, of which the last is deleted."""
    run: str
    """Of the first experiment, with all that a run can have."""
    bare: str
    """Of the first, with nothing."""
    deleted: str
    """Of the first."""
    other: str
    """Of the second."""


POINTS = (
    # key, value, timestamp, step
    ("loss", 0.5, T, 0),
    ("loss", 0.25, T + 1, 1),
    ("loss", 0.125, T + 1, 2),
    ("odd", "NaN", T, -1),
    ("odd", "Infinity", T, 1),
    ("odd", "-Infinity", T, 2),
    ("odd", 5e-324, T, 3),
    ("odd", -0.5, 0, 2**62),
)


def fill(api: Tracking) -> Content:
    first, second, gone = (api.experiment(name) for name in ("first", "2nd é", "gone"))
    run = api.run(first, start_time=T, run_name="run é", user_id="me", tags=[])
    metrics = [
        {"key": key, "value": value, "timestamp": timestamp, "step": step}
        for key, value, timestamp, step in POINTS
    ]
    params = [{"key": "lr", "value": "0.1"}, {"key": "a/ b", "value": "日本 'q' %\n"}]
    tags = [{"key": "empty", "value": ""}]
    api.call("runs/log-batch", run_id=run, metrics=metrics, params=params, tags=tags)
    api.call("runs/update", run_id=run, status="FINISHED", end_time=T + 5)
    bare, deleted = api.run(first, run_name="bare"), api.run(first, run_name="deleted")
    api.call("runs/log-batch", run_id=deleted, metrics=metrics[:1], params=params[:1])
    api.call("runs/delete", run_id=deleted)
    other = api.run(second, run_name="other")
    api.call("runs/log-batch", run_id=other, metrics=metrics[:2], params=params[:1])
    api.run(gone, run_name="in gone")
    api.call("experiments/delete", experiment_id=gone)
    return Content(first, second, gone, run, bare, deleted, other)

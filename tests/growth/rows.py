"""What is asked of a database, small or large, and the proof that the answers were good ones."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

from tests.benchmark import wrk
from tests.growth.contents import KEYS, LARGEST, Size

PAGE: Final = 100
RUNS: Final = 16
"""Runs that are logged to."""
READ: Final = 1000
"""Runs that are read: as many as the small database has, spread over the large."""
KEPT: Final = 0.7
"""The part of its rate that a row is to keep."""
_MODEL: Final = "model-3"


class Wrong(Exception):
    """A server answered, but not what was asked for."""


JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    requests: Callable[[Size, int], Iterator[Request]]
    """Requests without end; those from one number on differ from those from another."""
    check: Callable[[Any, Size], None]
    """Raise Wrong for an answer that is not as it must be."""
    kept: float | None = None
    """The least part of the small database's rate that the large one is to answer at."""
    milliseconds: float | None = None
    """The most that an answer is to take at the median."""
    loaded: bool = True
    """Whether wrk asks as well, or a single client only."""
    load: Callable[[Size], dict[str, Any]] | None = None
    """What load.lua's function of this name varies; without it, wrk repeats some requests."""
    kind: str = ""
    """That function, if it has another name."""
    clients: wrk.Clients = field(default_factory=wrk.Clients)
    together: int = 1
    """Requests that a single client sends at once; what counts is when all are answered."""
    of_traces: bool = False
    """Whether it is asked of traces, which `db optimize` has nothing to do with."""


def run_id(number: int) -> str:
    """As `contents` gives it to the run of that number."""
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


def spread(size: Size, wanted: int) -> list[str]:
    """So many runs that are not deleted, or all, at even distances over the whole database."""
    active = [number for number in range(size.runs) if number % 50]
    step = max(1, len(active) // wanted)
    return [run_id(number) for number in active[::step][:wanted]]


def _log_metric(size: Size, first: int) -> Iterator[Request]:
    for step, run in enumerate(cycle(spread(size, RUNS)), first):
        body = {"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": step}
        yield _post("runs/log-metric", body)


def _get_run(size: Size, first: int) -> Iterator[Request]:
    for run in _any(size, first):
        yield _get(f"runs/get?run_id={run}")


def _history(size: Size, first: int) -> Iterator[Request]:
    for run in _any(size, first):
        yield _get(f"metrics/get-history?metric_key=metric_3&run_id={run}")


def _any(size: Size, first: int) -> Iterator[str]:
    runs, numbers = spread(size, READ), random.Random(first)
    while True:
        yield numbers.choice(runs)


def _first_page(size: Size, first: int) -> Iterator[Request]:
    while True:
        yield _search()


def _searches(where: str, between: tuple[float, float], order: str = "") -> Any:
    """Searches for a metric above some number between two, another one each time."""

    def requests(size: Size, first: int) -> Iterator[Request]:
        numbers = random.Random(first)
        while True:
            yield _search(where.format(numbers.uniform(*between)), order)

    return requests


def _search(where: str = "", order: str = "") -> Request:
    body: dict[str, Any] = {"experiment_ids": [str(LARGEST)], "max_results": PAGE}
    if where:
        body["filter"] = where
    if order:
        body["order_by"] = [order]
    return _post("runs/search", body)


def _post(path: str, body: dict[str, Any]) -> Request:
    return Request("POST", f"/api/2.0/mlflow/{path}", json.dumps(body))


def _get(path: str) -> Request:
    return Request("GET", f"/api/2.0/mlflow/{path}")


def _check_empty(answer: Any, size: Size) -> None:
    expect(answer == {}, answer)


def _check_run(answer: Any, size: Size) -> None:
    data = answer["run"]["data"]
    expect(len(data["metrics"]) >= KEYS - 1 and len(data["params"]) == KEYS, answer)


def _check_history(answer: Any, size: Size) -> None:
    expect(len(answer["metrics"]) == size.steps, answer)


def _check_first_page(answer: Any, size: Size) -> None:
    times = [int(run["info"]["start_time"]) for run in _page(answer, PAGE)]
    expect(times == sorted(times, reverse=True), times)


def _check_filtered(sorted_by: str) -> Callable[[Any, Size], None]:
    def check(answer: Any, size: Size) -> None:
        runs = _page(answer, min(PAGE, size.runs // 50))
        expect(all(_of(run, "metrics")["metric_0"] > 0.45 for run in runs), answer)
        expect(all(_of(run, "params")["param_1"] == _MODEL for run in runs), answer)
        order = [float(_of(run, "metrics")[sorted_by]) for run in runs]
        expect(order == sorted(order, reverse=True), order)

    return check


def _check_either(answer: Any, size: Size) -> None:
    runs = _page(answer, min(PAGE, size.runs // 50))
    expect(all(_of(run, "metrics")["metric_0"] > 0.45 for run in runs), answer)
    sides = {
        (_of(run, "params")["param_1"] == _MODEL, _of(run, "tags")["label"] == _LABEL)
        for run in runs
    }
    expect((False, False) not in sides and len(sides) > 1, sides)
    order = [float(_of(run, "metrics")["metric_3"]) for run in runs]
    expect(order == sorted(order, reverse=True), order)


def _check_few(answer: Any, size: Size) -> None:
    runs = answer.get("runs", [])
    expect(len(runs) <= size.runs // 1000, len(runs))
    expect(all(_of(run, "metrics")["metric_0"] > 0.999 for run in runs), answer)


def _check_few_of_either(answer: Any, size: Size) -> None:
    runs = answer.get("runs", [])
    expect(len(runs) <= size.runs // 500, len(runs))
    metrics = [_of(run, "metrics") for run in runs]
    expect(all(max(it["metric_0"], it["metric_3"]) > 0.999 for it in metrics), answer)


def _page(answer: Any, least: int) -> list[Any]:
    runs: list[Any] = answer.get("runs", [])
    expect(least <= len({run["info"]["run_id"] for run in runs}) <= PAGE, len(runs))
    return runs


def _of(run: Any, part: str) -> dict[str, Any]:
    return {each["key"]: each["value"] for each in run["data"][part]}


def expect(holds: bool, shown: Any) -> None:
    """Raise Wrong unless it holds."""
    if not holds:
        raise Wrong(f"not the answer that was expected: {str(shown)[:200]}")


_FILTER: Final = f"metrics.metric_0 > {{:.6f}} and params.param_1 = '{_MODEL}'"
_LABEL: Final = "label-8"
_EITHER: Final = (
    f"metrics.metric_0 > {{:.6f}} and (params.param_1 = '{_MODEL}' or tags.label = '{_LABEL}')"
)
_FEW_OF_EITHER: Final = "metrics.metric_0 > {0:.6f} or metrics.metric_3 > {0:.6f}"
_HALF: Final = (0.45, 0.55)
"""A fifth of the runs have the param: a tenth remain, which fill a page unless runs are few."""

ROWS: Final = {
    row.name: row
    for row in (
        Row(
            "log-metric",
            f"log-metric, {RUNS} runs",
            _log_metric,
            _check_empty,
            kept=KEPT,
            load=lambda size: {"runs": spread(size, RUNS)},
        ),
        Row("get-run", "get-run", _get_run, _check_run, kept=KEPT),
        Row("history", "get-history of 10 points", _history, _check_history),
        Row("first-page", "first page of a search", _first_page, _check_first_page, kept=KEPT),
        Row(
            "filtered",
            "filtered by a metric and a param, sorted by that metric",
            _searches(_FILTER, _HALF, "metrics.metric_0 DESC"),
            _check_filtered("metric_0"),
            milliseconds=250,
            loaded=False,
        ),
        Row(
            "filtered-other",
            "filtered by a metric and a param, sorted by another metric",
            _searches(_FILTER, _HALF, "metrics.metric_3 DESC"),
            _check_filtered("metric_3"),
            milliseconds=250,
            loaded=False,
        ),
        Row(
            "few",
            "filtered by a metric that few satisfy",
            _searches("metrics.metric_0 > {:.6f}", (0.9995, 0.9997)),
            _check_few,
            milliseconds=250,
            loaded=False,
        ),
        Row(
            "few-sorted",
            "filtered by a metric that few satisfy, sorted by another",
            _searches("metrics.metric_0 > {:.6f}", (0.9995, 0.9997), "metrics.metric_3 DESC"),
            _check_few,
            milliseconds=250,
            loaded=False,
        ),
        Row(
            "either",
            "filtered by a metric and either a param or a tag, sorted by another metric",
            _searches(_EITHER, _HALF, "metrics.metric_3 DESC"),
            _check_either,
            milliseconds=250,
            loaded=False,
        ),
        Row(
            "few-of-either",
            "filtered by either of two metrics that few satisfy",
            _searches(_FEW_OF_EITHER, (0.9995, 0.9997)),
            _check_few_of_either,
            milliseconds=250,
            loaded=False,
        ),
    )
}

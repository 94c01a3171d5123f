"""Metrics of traces: the same answers in every generation of the schema."""

import json
import math
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import httpx
import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.routes import trace_metrics
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import experiments
from tests.metadata import in_process
from tests.metadata.api import INVALID
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.traces import generations
from tests.metadata.traces import metric_questions as questions
from tests.metadata.traces.metric_questions import DAY, FIRST_MS
from tests.metadata.traces.writes_api import Writes

_PATH: Final = "/ajax-api/3.0/mlflow/traces/metrics"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Settings]]:
    """Settings for a database of each generation, with the traces of `metric_questions`."""
    with ExitStack() as stack:
        found = {}
        for generation in generations.REVISIONS:
            name = f"{generation}-{request.param}"
            uri = stack.enter_context(generations.uri(name, request, tmp_path_factory))
            found[generation] = Settings(
                backend_store_uri=uri, default_artifact_root=ARTIFACT_ROOT, pool_timeout=10.0
            )
            _fill(found[generation])
        yield found


def _fill(settings: Settings) -> None:
    database = Database(settings)
    database.prepare(ARTIFACT_ROOT)
    with database.write() as conn:
        made = [experiments.create(conn, each, "", [], ARTIFACT_ROOT) for each in ("one", "two")]
    assert made == ["1", "2"]
    with _posting(settings, database) as post:
        questions.fill(post, ("1", "2"))
    database.close()


@contextmanager
def _posting(settings: Settings, database: Database) -> Iterator[questions.Post]:
    with in_process.leaving():
        writes = Writes(settings, database)

        def post(path: str, body: bytes, headers: dict[str, str]) -> None:
            answer = writes.http.post(path, content=body, headers=headers)
            assert answer.status_code == 200, answer.text

        yield post


@pytest.fixture
def http(filled: dict[str, Settings]) -> Iterator[dict[str, httpx.Client]]:
    """Clients of the route, by generation."""
    with ExitStack() as stack:
        clients = {}
        for generation, settings in filled.items():
            database = Database(settings)
            stack.callback(database.close)
            context = Context(settings, database)
            clients[generation] = in_process.client(context, bind(context, trace_metrics.ENDPOINTS))
        yield clients


def _ask(http: httpx.Client, question: dict[str, Any]) -> Any:
    answer = http.post(_PATH, json={"experiment_ids": ["1", "2"], **question})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for point in found.get("data_points", []):
        point["values"] = {k: float(f"{float(v):.12g}") for k, v in point["values"].items()}
    return found


def test_answers_are_the_same_in_all_generations(http: dict[str, httpx.Client]) -> None:
    for question in (*questions.OF_THE_UI, *questions.OTHERS):
        wanted = _ask(http["C"], question)
        for generation in ("A", "B"):
            assert _ask(http[generation], question) == wanted, (generation, question)


def _count(metric: str, **more: Any) -> dict[str, Any]:
    counted = [{"aggregation_type": "COUNT"}]
    return {"view_type": "TRACES", "metric_name": metric, "aggregations": counted, **more}


_DAILY: Final = {
    "time_interval_seconds": DAY,
    "start_time_ms": FIRST_MS,
    "end_time_ms": FIRST_MS + 3 * DAY * 1000,
}
_DAYS: Final = [f"2026-11-{day}T00:00:00+00:00" for day in (22, 23, 24)]


def _values(found: Any) -> list[tuple[list[str], dict[str, float]]]:
    return [
        ([*point.get("dimensions", {}).values()], point["values"])
        for point in found.get("data_points", [])
    ]


def test_answers_are_those_of_what_was_sent(http: dict[str, httpx.Client]) -> None:
    for client in http.values():
        found = _ask(client, _count("trace_count", **_DAILY))
        assert _values(found) == [([day], {"COUNT": 4.0}) for day in _DAYS]
        found = _ask(client, _count("trace_count", experiment_ids=["2"]))
        assert found == {"data_points": [{"metric_name": "trace_count", "values": {"COUNT": 1.0}}]}
        summed = [{"aggregation_type": 2}, {"aggregation_type": 4, "percentile_value": 50}]
        cost = {
            "view_type": 2,
            "metric_name": "total_cost",
            "aggregations": summed,
            "dimensions": ["span_model_name"],
        }
        # Traces 2, 3, 6, 7, 10 and 11 have a span with a cost of number / 8 + 0.5.
        assert _values(_ask(client, cost)) == [
            (["claude"], {"SUM": 3.125, "P50.0": 1.5625}),
            (["gpt-4o"], {"SUM": 4.75, "P50.0": 1.0625}),
        ]


def test_nothing_is_counted_as_mlflow_does(http: dict[str, httpx.Client]) -> None:
    for client in http.values():
        for experiment_ids in ([], ["77"], ["99999999999999999999"]):
            zero = _ask(client, _count("trace_count", experiment_ids=experiment_ids))
            assert _values(zero) == [([], {"COUNT": 0.0})]
            by_name = _count(
                "trace_count", experiment_ids=experiment_ids, dimensions=["trace_name"]
            )
            assert _ask(client, by_name) == {}
            averaged = _count("latency", experiment_ids=experiment_ids)
            averaged["aggregations"] = [{"aggregation_type": "AVG"}]
            assert _ask(client, averaged) == {}


@pytest.mark.parametrize(
    "times",
    [(-(2**63), 2**63 - 1), (0, 2**63 - 1), (2**63 - 1, -(2**63))],
    ids=["all", "later", "none"],
)
def test_times_of_any_size_are_taken(http: dict[str, httpx.Client], times: tuple[int, int]) -> None:
    window = {"start_time_ms": times[0], "end_time_ms": times[1]}
    for question in (*questions.OF_THE_UI, *questions.OTHERS):
        asked = {**question, **window}
        intervals = (1, 100 * 366 * DAY) if "time_interval_seconds" in question else (None,)
        for interval in intervals:
            if interval:
                asked["time_interval_seconds"] = interval
            found = [_ask(each, asked) for each in http.values()]
            assert found[0] == found[1] == found[2], asked
            if times[0] > times[1]:
                assert not any(max(each.values()) for _, each in _values(found[0]))


_MOST: Final = sys.float_info.max


@pytest.mark.parametrize(
    ("values", "summed", "mean"),
    [
        ([1e308, 1e308], math.inf, 1e308),
        ([-1e308, -1e308, -1e308], -math.inf, -1e308),
        ([_MOST, _MOST, _MOST], math.inf, _MOST),
        ([1.7e308, 1.7e308, -1.7e308, -1.7e308], 0.0, 0.0),
        ([1.5e308, 1e199, 3.0, -1.5e308], 1e199, 2.5e198),
        ([1e195, 1e-250], 1e195, 5e194),
        ([1e-250, 3e-250], 4e-250, 2e-250),
        ([5e-324, 5e-324], 1e-323, 5e-324),
    ],
    ids=str,
)
@pytest.mark.parametrize("ranked", [False, True])
def test_sums_of_numbers_of_any_size(
    filled: dict[str, Settings],
    http: dict[str, httpx.Client],
    values: list[float],
    summed: float,
    mean: float,
    ranked: bool,
) -> None:
    """A sum beyond all doubles is infinite, as on MLflow's server over SQLite; a mean never is."""
    for generation, settings in filled.items():
        database = Database(settings)
        with database.write() as conn:
            experiment = experiments.create(conn, uuid.uuid4().hex, "", [], ARTIFACT_ROOT)
        with _posting(settings, database) as post:
            questions.fill_large(post, experiment, values)
        database.close()
        median = [{"aggregation_type": 4, "percentile_value": 100}] if ranked else []
        cost = {
            "experiment_ids": [experiment],
            "view_type": "SPANS",
            "metric_name": "total_cost",
            "aggregations": [{"aggregation_type": "SUM"}, {"aggregation_type": "AVG"}, *median],
        }
        given = {
            **cost,
            "view_type": "ASSESSMENTS",
            "metric_name": "assessment_value",
            "aggregations": cost["aggregations"][1:],
        }
        wanted = {"SUM": summed, "AVG": mean} | ({"P100.0": max(values)} if ranked else {})
        if generation != "A":
            ((_, found),) = _values(_ask(http[generation], cost))
            assert found == pytest.approx(wanted, rel=1e-11, abs=0), generation
        if generation == "C" or abs(values[0]) not in _NOT_OF_TEXT:
            del wanted["SUM"]
            ((_, found),) = _values(_ask(http[generation], given))
            assert found == pytest.approx(wanted, rel=1e-11, abs=0), generation


_NOT_OF_TEXT: Final = (_MOST, 5e-324)
"""What is no number in a text on PostgreSQL, whose casts fail at such and a little beyond."""
_PERCENTILE: Final = {"aggregation_type": "PERCENTILE"}
_LATENCY: Final = {"view_type": "TRACES", "metric_name": "latency"}


@pytest.mark.parametrize(
    "question",
    [
        *questions.REFUSED,
        *(
            {**_LATENCY, "aggregations": [each]}
            for each in (
                _PERCENTILE,
                {**_PERCENTILE, "percentile_value": 100.5},
                {**_PERCENTILE, "percentile_value": -1},
                {**_PERCENTILE, "percentile_value": "NaN"},
                {"aggregation_type": "AVG", "percentile_value": 5},
                {"aggregation_type": "MEDIAN"},
                {},
            )
        ),
        _count("trace_count", max_results=0),
        _count("trace_count", max_results=50_001),
        _count("trace_count", view_type="PEOPLE"),
        _count("trace_count", **{**_DAILY, "time_interval_seconds": -1}),
        _count("trace_count", **{**_DAILY, "time_interval_seconds": 2**62}),
        _count("trace_count", filters=["trace.status = 'OK'"] * 31),
        _count("trace_count", aggregations=[{"aggregation_type": "COUNT"}] * 21),
        _count("trace_count", experiment_ids=["1"] * 10_001),
    ],
    ids=lambda each: json.dumps(each)[:150],
)
def test_what_is_no_question_is_refused(
    http: dict[str, httpx.Client], question: dict[str, Any]
) -> None:
    answer = http["A"].post(_PATH, json={"experiment_ids": ["1"], **question})
    assert (answer.status_code, answer.json()["error_code"]) == INVALID, answer.text

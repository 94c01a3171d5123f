"""What servers hold when the load begins, put there through their own REST API."""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

import urllib3

from tests.benchmark import trace_bodies

RUNS = 16
BATCHED_RUNS = 256
"""So many more than connections that no two requests meet at one run: peers refuse one of them."""
SEARCHED_RUNS = 1000
FIELDS = 10
"""Metrics, and params, of a run."""
POINTS = 10_000
MODELS = 1000
TRACES = 1000
_BATCH = 1000
_THREADS = 8
_TRIES = 5
_JSON = {"Content-Type": "application/json"}
TRACE_SEARCH = "/api/3.0/mlflow/traces/search"
T = TypeVar("T")


class Api:
    """A client of `/api/2.0/mlflow`, which sends these headers with each request."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._base = f"{url}/api/2.0/mlflow/"
        self._pool = urllib3.PoolManager(
            maxsize=_THREADS, timeout=120, retries=False, headers=headers
        )

    def post(self, path: str, **body: Any) -> Any:
        return self._answer(path, self._pool.request("POST", self._base + path, json=body))

    def get(self, path: str, **fields: str) -> Any:
        return self._answer(path, self._pool.request("GET", self._base + path, fields=fields))

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The answer to a request of any other path, which is the whole of it."""
        answer = self._pool.request(method, self._url + path, body=body, headers=headers)
        self._check(path, answer)
        return answer.data

    def search_traces(self, experiment: str, where: str = "", most: int = 100) -> list[Any]:
        """The latest traces of an experiment."""
        location = {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": experiment},
        }
        body = {"locations": [location], "filter": where, "max_results": most}
        answer = self.send("POST", TRACE_SEARCH, json.dumps(body).encode(), _JSON)
        found: list[Any] = json.loads(answer).get("traces", [])
        return found

    def trace(self, trace_id: str) -> Any:
        """A trace with its spans."""
        return json.loads(self.send("GET", trace_path(trace_id)))["trace"]

    def _answer(self, path: str, answer: urllib3.BaseHTTPResponse) -> Any:
        self._check(path, answer)
        return json.loads(answer.data)

    def _check(self, path: str, answer: urllib3.BaseHTTPResponse) -> None:
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {answer.data[:300]!r}")


def trace_path(trace_id: str) -> str:
    """Where a trace is read with its spans."""
    return f"/api/3.0/mlflow/traces/get?trace_id={trace_id}&allow_partial=true"


class Content:
    """The content of one server; each part is made when a row first asks for it."""

    def __init__(self, api: Api) -> None:
        self.api = api

    @cached_property
    def logged(self) -> list[str]:
        """Runs to log to."""
        experiment = self._experiment("logged")
        return self._each(lambda number: self._run(experiment, number), range(RUNS))

    @cached_property
    def batched(self) -> list[str]:
        """Runs to log batches to."""
        experiment = self._experiment("batched")
        return self._each(lambda number: self._run(experiment, number), range(BATCHED_RUNS))

    @cached_property
    def created(self) -> str:
        """The experiment to create runs in."""
        return self._experiment("created")

    @cached_property
    def read(self) -> list[str]:
        """Runs with metrics and params."""
        experiment = self._experiment("read")
        return self._each(lambda number: self._full_run(experiment, number), range(RUNS))

    @cached_property
    def searched(self) -> str:
        """An experiment of many runs, each with metrics, params and tags."""
        experiment = self._experiment("searched")
        self._each(lambda number: self._full_run(experiment, number), range(SEARCHED_RUNS))
        return experiment

    @cached_property
    def histories(self) -> list[str]:
        """Runs with a long history of the metric `loss`."""
        experiment = self._experiment("histories")
        return self._each(lambda number: self._history(experiment, number), range(4))

    @cached_property
    def patterns(self) -> list[str]:
        """Patterns of names, percent-encoded, that each match a tenth of the registered models."""
        self._each(self._model, range(MODELS))
        starts = ("model-", "%25odel-", "%25del-", "%25el-", "%25l-", "%25-")
        return [f"{start}{digit}%25" for digit in range(10) for start in starts]

    @cached_property
    def exported(self) -> str:
        """The experiment to send traces to."""
        return self._experiment("exported")

    @cached_property
    def traced(self) -> tuple[str, list[str]]:
        """An experiment of many traces, with what their clients told of them; and their ids."""
        experiment = self._experiment("traced")
        now = time.time_ns() // 10**9
        firsts = range(now - TRACES, now, trace_bodies.TOGETHER)
        made = self._each(lambda first: self._traces(experiment, first), firsts)
        return experiment, [trace_id for ids in made for trace_id in ids]

    def _traces(self, experiment: str, first: int) -> list[str]:
        """Some traces of ten spans, a second after each other, from that second on."""
        (spans,), start = trace_bodies.exported(), trace_bodies.started(experiment)
        ids = [os.urandom(16) for _ in range(trace_bodies.TOGETHER)]
        given = [(trace_id, (first + place) * 10**9) for place, trace_id in enumerate(ids)]
        body = b"".join(trace_bodies.filled(spans, *each) for each in given)
        self.api.send("POST", trace_bodies.EXPORT, body, trace_bodies.headers(experiment))
        for each in given:
            self.api.send("POST", trace_bodies.START, trace_bodies.filled(start, *each), _JSON)
        return [f"tr-{trace_id.hex()}" for trace_id in ids]

    def _experiment(self, name: str) -> str:
        return str(self.api.post("experiments/create", name=name)["experiment_id"])

    def _run(self, experiment: str, number: int) -> str:
        name = f"run-{number}"
        tags = {
            "mlflow.user": "someone",
            "mlflow.source.name": "train.py",
            "mlflow.source.type": "LOCAL",
            "mlflow.runName": name,
        }
        made = self.api.post(
            "runs/create",
            experiment_id=experiment,
            user_id="someone",
            run_name=name,
            start_time=_now(),
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )
        return str(made["run"]["info"]["run_id"])

    def _full_run(self, experiment: str, number: int) -> str:
        run = self._run(experiment, number)
        now = _now()
        # 7919 is coprime to the number of runs: values are spread evenly and follow no other order.
        values = [(number * 7919 + field * 101) % SEARCHED_RUNS for field in range(FIELDS)]
        metrics = [
            {"key": f"metric_{field}", "value": value / SEARCHED_RUNS, "timestamp": now, "step": 1}
            for field, value in enumerate(values)
        ]
        params = [{"key": f"param_{field}", "value": str(field)} for field in range(1, FIELDS)]
        params.append({"key": "param_0", "value": ("adam", "sgd")[number // 2 % 2]})
        self.api.post("runs/log-batch", run_id=run, metrics=metrics, params=params, tags=[])
        return run

    def _history(self, experiment: str, number: int) -> str:
        run = self._run(experiment, number)
        begin = _now() - POINTS
        for first in range(0, POINTS, _BATCH):
            points = [
                {"key": "loss", "value": 1 / (1 + step), "timestamp": begin + step, "step": step}
                for step in range(first, first + _BATCH)
            ]
            self.api.post("runs/log-batch", run_id=run, metrics=points, params=[], tags=[])
        return run

    def _model(self, number: int) -> str:
        made = self.api.post("registered-models/create", name=f"model-{number:03}")
        return str(made["registered_model"]["name"])

    def _each(self, make: Callable[[int], T], numbers: Iterable[int]) -> list[T]:
        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(lambda number: _patiently(lambda: make(number)), numbers))


def _patiently(make: Callable[[], T]) -> T:
    """SQLite under several writers may refuse one; what is half made then belongs to nobody."""
    for _ in range(_TRIES):
        try:
            return make()
        except RuntimeError as error:
            refused = error
            time.sleep(0.5)
    raise refused


def _now() -> int:
    return time.time_ns() // 1_000_000

"""What servers hold when the load begins, put there through their own REST API."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import urllib3

RUNS = 16
BATCHED_RUNS = 256
"""So many more than connections that no two requests meet at one run: peers refuse one of them."""
SEARCHED_RUNS = 1000
FIELDS = 10
"""Metrics, and params, of a run."""
POINTS = 10_000
MODELS = 1000
_BATCH = 1000
_THREADS = 8
_TRIES = 5


class Api:
    """A client of `/api/2.0/mlflow`, which sends these headers with each request."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._base = f"{url}/api/2.0/mlflow/"
        self._pool = urllib3.PoolManager(
            maxsize=_THREADS, timeout=120, retries=False, headers=headers
        )

    def post(self, path: str, **body: Any) -> Any:
        return self._answer(path, self._pool.request("POST", self._base + path, json=body))

    def get(self, path: str, **fields: str) -> Any:
        return self._answer(path, self._pool.request("GET", self._base + path, fields=fields))

    def _answer(self, path: str, answer: urllib3.BaseHTTPResponse) -> Any:
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {answer.data[:300]!r}")
        return json.loads(answer.data)


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

    def _each(self, make: Callable[[int], str], numbers: Iterable[int]) -> list[str]:
        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(lambda number: _patiently(lambda: make(number)), numbers))


def _patiently(make: Callable[[], str]) -> str:
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

"""Clients that log without pause, and what was acknowledged to them."""

import threading
import time

import requests

from tests.harness.processes import Process

_API = "/api/2.0/mlflow"


class Hammer:
    """Clients that log metrics without pause, each its own key, and note what was acknowledged.

    They go on until the server has gone away, or until `stop`; with `through_outages` also while it
    does not answer or says that it cannot serve them.
    """

    def __init__(
        self, url: str, run_id: str, clients: int = 4, *, through_outages: bool = False
    ) -> None:
        self.cut_answers = 0
        """Answers of which the client got the beginning only."""
        self.refusals: set[int] = set()
        """The statuses, other than 200, of answers."""
        self.acknowledged: dict[str, set[int]] = {f"k{index}": set() for index in range(clients)}
        self._url = f"{url}{_API}/runs/log-metric"
        self._run_id = run_id
        self._through_outages = through_outages
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(key,)) for key in self.acknowledged
        ]
        for thread in self._threads:
            thread.start()

    def count(self) -> int:
        """How many metrics were acknowledged so far."""
        return sum(len(steps) for steps in self.acknowledged.values())

    def stop(self) -> None:
        """Send nothing more, and wait for the last answers."""
        self._stopping.set()
        self.join()

    def join(self) -> None:
        """Wait until every client has ended."""
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _work(self, key: str) -> None:
        step = 0
        with requests.Session() as http:
            while not self._stopping.is_set():
                if self._log(http, key, step):
                    self.acknowledged[key].add(step)
                elif not self._through_outages:
                    return
                else:
                    time.sleep(0.02)
                step += 1

    def _log(self, http: requests.Session, key: str, step: int) -> bool:
        fields = {"run_id": self._run_id, "key": key, "value": step, "step": step, "timestamp": 1}
        try:
            response = http.post(self._url, json=fields, timeout=30)
        except requests.ConnectionError:
            return False
        except requests.exceptions.ChunkedEncodingError:
            self.cut_answers += 1
            return False
        if response.status_code != 200:
            self.refusals.add(response.status_code)
            return False
        return True


def stored_steps(service: Process, run_id: str, key: str) -> set[int]:
    """The steps stored of a metric whose values equal its steps; a 503 is asked again."""
    deadline = time.monotonic() + 30
    steps: set[int] = set()
    fields = {"run_id": run_id, "metric_key": key, "max_results": "25000"}
    while True:
        url = f"{service.url}{_API}/metrics/get-history"
        while (response := requests.get(url, params=fields, timeout=60)).status_code == 503:
            assert time.monotonic() < deadline, response.text
            time.sleep(0.1)
        assert response.status_code == 200, response.text
        answer = response.json()
        metrics = answer.get("metrics", [])
        assert all(metric["value"] == metric["step"] for metric in metrics)
        steps |= {metric["step"] for metric in metrics}
        if not (token := answer.get("next_page_token")):
            return steps
        fields["page_token"] = token

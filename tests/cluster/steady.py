"""Small requests without a pause, as a script: `python -m tests.cluster.steady`.

It takes the URLs of metadata and of the artifact proxy, prints a line once every kind of request
has been answered, goes on until its standard input ends, and then prints as JSON how many of each
kind were answered and all that went wrong. Connections are kept open; nothing is tried again.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import requests

from tests.cluster import names

_PAUSE_SECONDS = 0.05
_TIMEOUT = 60

Step = Callable[[requests.Session, int], None]


class Client:
    """One kind of request after the other on one kept connection, in a thread of its own."""

    def __init__(self, name: str, step: Step, stop: threading.Event) -> None:
        self.name = name
        self.answered = 0
        self.failures: list[str] = []
        self._step = step
        self._stop = stop
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with _session() as session:
            number = 0
            while not self._stop.wait(_PAUSE_SECONDS):
                number += 1
                try:
                    self._step(session, number)
                    self.answered += 1
                except Exception as error:
                    self.failures.append(f"{time.strftime('%T')} {self.name} {number}: {error!r}")


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a variable would win over `verify`
    session.verify = os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"]
    return session


def steps(metadata: str, artifacts: str) -> dict[str, Step]:
    """The kinds of requests; each raises when an answer is not what it has to be."""
    api = f"{metadata}/api/2.0/mlflow"
    with _session() as session:
        fields = {"experiment_id": "0", "start_time": 1}
        answer = session.post(f"{api}/runs/create", json=fields, timeout=_TIMEOUT)
        run = _good(answer).json()["run"]["info"]
    # mlflow-artifacts://host/path is path below the proxy.
    folder = f"{artifacts}/{run['artifact_uri'].split('/', 3)[3]}"
    query = {"run_id": run["run_id"]}

    def log(session: requests.Session, number: int) -> None:
        metric = {**query, "key": "loss", "value": number, "timestamp": number, "step": number}
        _good(session.post(f"{api}/runs/log-metric", json=metric, timeout=_TIMEOUT))

    def search(session: requests.Session, number: int) -> None:
        _good(session.get(f"{api}/runs/get", params=query, timeout=_TIMEOUT))

    def store(session: requests.Session, number: int) -> None:
        url, body = f"{folder}/small/{number % 10}.txt", str(number).encode() * 1000
        _good(session.put(url, body, timeout=_TIMEOUT))
        _same(_good(session.get(url, timeout=_TIMEOUT)).content, body)

    def see(session: requests.Session, number: int) -> None:
        listed = session.get(f"{api}/artifacts/list", params=query, timeout=_TIMEOUT)
        _same([file["path"] for file in _good(listed).json()["files"]], ["seen.txt", "small"])
        named = {**query, "path": "seen.txt"}
        fetched = session.get(f"{metadata}/get-artifact", params=named, timeout=_TIMEOUT)
        _same(_good(fetched).content, b"seen")

    with _session() as session:
        _good(session.put(f"{folder}/seen.txt", b"seen", timeout=_TIMEOUT))
        store(session, 0)
    return {"log": log, "search": search, "store": store, "see": see}


def _good(answer: requests.Response) -> requests.Response:
    if answer.status_code != requests.codes.ok:
        raise RuntimeError(f"{answer.status_code} {answer.headers} {answer.text[:300]}")
    return answer


def _same(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise RuntimeError(f"{found!r:.200} instead of {wanted!r:.200}")


def main(metadata: str, artifacts: str) -> dict[str, Any]:
    """Work until standard input ends."""
    stop = threading.Event()
    clients = [Client(name, step, stop) for name, step in steps(metadata, artifacts).items()]
    while not all(client.answered or client.failures for client in clients):
        time.sleep(0.1)
    print("working", flush=True)
    sys.stdin.read()
    stop.set()
    for client in clients:
        client.thread.join()
    return {
        "answered": {client.name: client.answered for client in clients},
        "failures": [failure for client in clients for failure in client.failures],
    }


if __name__ == "__main__":
    names.install()
    print(json.dumps(main(*sys.argv[1:])))

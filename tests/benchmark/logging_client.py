"""`mlflow.log_metric` in a loop, by the stock client in several processes.

Prints the metrics that the server has acknowledged, and how long that took.
"""

import json
import multiprocessing
import sys
import time
from collections import deque
from multiprocessing.synchronize import Barrier
from typing import Any

import mlflow


def main(url: str, processes: str, seconds: str, waiting: str) -> None:
    """`waiting` metrics of a process may be on their way when it logs the next."""
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("clients")
    # Forked, so that the client is imported once.
    context = multiprocessing.get_context("fork")
    barrier, told = context.Barrier(int(processes)), context.SimpleQueue()
    arguments = (barrier, told, float(seconds), int(waiting))
    children = [context.Process(target=_log, args=arguments) for _ in range(int(processes))]
    for child in children:
        child.start()
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        raise SystemExit("a process failed")
    found = [told.get() for _ in children]
    metrics, taken = sum(count for count, _ in found), max(taken for _, taken in found)
    print(json.dumps({"metrics": metrics, "seconds": taken}))


def _log(barrier: Barrier, told: Any, seconds: float, waiting: int) -> None:
    with mlflow.start_run():
        mlflow.log_metric("loss", 1.0, step=0, synchronous=True)  # opens the connection
        barrier.wait(60)  # another may have failed
        begun, step = time.monotonic(), 0
        pending: deque[Any] = deque()
        while time.monotonic() - begun < seconds:
            step += 1
            pending.append(mlflow.log_metric("loss", 1 / step, step=step))
            if waiting and len(pending) > waiting:
                pending.popleft().wait()  # raises what the server refused
        if waiting:
            mlflow.flush_async_logging()
            for each in pending:
                each.wait()
        told.put((step, time.monotonic() - begun))


if __name__ == "__main__":
    main(*sys.argv[1:])

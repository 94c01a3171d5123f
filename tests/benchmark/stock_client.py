"""A directory up and down with MLflow's own client, in a process of its own.

Prints the seconds that both took; the time to import the client is not in them.
"""

import filecmp
import json
import sys
import tempfile
import time
from pathlib import Path

import mlflow
from mlflow import MlflowClient


def main(url: str, source: str) -> None:
    mlflow.set_tracking_uri(url)
    client = MlflowClient()
    run = client.create_run(client.create_experiment("directory")).info
    begun = time.monotonic()
    client.log_artifacts(run.run_id, source, "data")
    up = time.monotonic() - begun
    with tempfile.TemporaryDirectory() as target:
        begun = time.monotonic()
        found = client.download_artifacts(run.run_id, "data", target)
        down = time.monotonic() - begun
        files = [path.relative_to(source) for path in Path(source).rglob("*") if path.is_file()]
        names = [str(path) for path in files]
        same = filecmp.cmpfiles(source, found, names, shallow=False)[0]
    if len(same) != len(files):
        raise SystemExit(f"{len(same)} of {len(files)} files came back as they were")
    print(json.dumps({"up": up, "down": down}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Run by the interpreter of an old client: uses a tracking server and prints what it saw as JSON.

Arguments: the tracking URI, and a name to make experiments with.
"""

import json
import os
import sys
import tempfile

import mlflow
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.tracking import MlflowClient


def main(uri, name):
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    seen = {"client": mlflow.__version__}
    seen["experiments"] = experiments(client, name)
    experiment = mlflow.set_experiment(name)
    with mlflow.start_run(run_name="first", tags={"team": "blue"}) as run:
        run_id = run.info.run_id
        for step in range(5):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.log_metrics({"acc": 0.5, "nan": float("nan"), "inf": float("inf")}, step=1)
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"layers": 3, "name": "naïve"})
        mlflow.set_tags({"a": 1, "b": "two"})
        with mlflow.start_run(run_name="child", nested=True) as child:
            child_id = child.info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric("batch", float(i), 1700000000000 + i, i) for i in range(10)],
        params=[Param("p", "1")],
        tags=[RunTag("t", "1")],
    )
    client.delete_tag(run_id, "t")
    seen["run"] = read(client, run_id)
    seen["parent"] = client.get_run(child_id).data.tags["mlflow.parentRunId"] == run_id
    history = client.get_metric_history(run_id, "loss")
    seen["history"] = [(metric.step, metric.value) for metric in history]
    seen["search"] = search(client, experiment.experiment_id)
    seen["errors"] = errors(client, run_id)
    client.delete_run(child_id)
    seen["deleted"] = client.get_run(child_id).info.lifecycle_stage
    client.restore_run(child_id)
    seen["restored"] = client.get_run(child_id).info.lifecycle_stage
    seen["artifacts"] = artifacts(client, run_id)
    print(json.dumps(seen))


def experiments(client, name):
    made = client.create_experiment(name + "-made", tags={"k": "v"})
    client.set_experiment_tag(made, "x", "y")
    client.rename_experiment(made, name + "-renamed")
    found = client.search_experiments(filter_string=f"name = '{name}-renamed'")
    tags = client.get_experiment(made).tags
    client.delete_experiment(made)
    stage = client.get_experiment(made).lifecycle_stage
    client.restore_experiment(made)
    return {
        "found": [each.experiment_id == made for each in found],
        "tags": dict(tags),
        "deleted": stage,
        "restored": client.get_experiment_by_name(name + "-renamed").lifecycle_stage,
    }


def read(client, run_id):
    run = client.get_run(run_id)
    return {
        "status": run.info.status,
        "name": run.info.run_name,
        "metrics": {key: str(value) for key, value in run.data.metrics.items()},
        "params": run.data.params,
        "tags": {key: run.data.tags.get(key) for key in ("a", "b", "t", "team")},
    }


def search(client, experiment_id):
    def names(filter_string="", **options):
        found = client.search_runs([experiment_id], filter_string, **options)
        return [run.info.run_name for run in found]

    pages = client.search_runs([experiment_id], max_results=1, order_by=["attributes.run_name"])
    rest = client.search_runs(
        [experiment_id], max_results=1, order_by=["attributes.run_name"], page_token=pages.token
    )
    return {
        "by metric": names("metrics.loss < 0.5"),
        "by param": names("params.layers = '3'"),
        "by tag": names("tags.team = 'blue' and attributes.status = 'FINISHED'"),
        "ordered": names(order_by=["attributes.run_name DESC"], run_view_type=ViewType.ALL),
        "pages": [run.info.run_name for run in [*pages, *rest]],
    }


def errors(client, run_id):
    codes = []
    for call in (
        lambda: client.get_run("0" * 32),
        lambda: client.log_param(run_id, "lr", "0.2"),
        lambda: client.search_runs(["0"], "nonsense"),
    ):
        try:
            call()
            codes.append(None)
        except mlflow.exceptions.MlflowException as error:
            codes.append(error.error_code)
    return codes


def artifacts(client, run_id):
    with tempfile.TemporaryDirectory() as directory:
        source = os.path.join(directory, "source")
        os.makedirs(os.path.join(source, "deep"))
        for name, text in (("a.txt", "alpha"), (os.path.join("deep", "b.txt"), "beta")):
            with open(os.path.join(source, name), "w") as file:
                file.write(text)
        client.log_artifact(run_id, os.path.join(source, "a.txt"), "one")
        client.log_artifacts(run_id, source, "all")
        client.log_text(run_id, "hello", "text/hello.txt")
        client.log_dict(run_id, {"k": [1, 2]}, "dict/d.json")
        target = os.path.join(directory, "target")
        os.makedirs(target)
        local = client.download_artifacts(run_id, "all", target)
        with open(os.path.join(local, "deep", "b.txt")) as file:
            downloaded = file.read()
    listed = client.list_artifacts(run_id)
    inside = client.list_artifacts(run_id, "all")
    return {
        "root": sorted((each.path, each.is_dir) for each in listed),
        "inside": sorted((each.path, each.is_dir, each.file_size) for each in inside),
        "downloaded": downloaded,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])

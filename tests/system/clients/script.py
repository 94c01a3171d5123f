"""Run by the interpreter of a client: uses a tracking server and prints what it saw as JSON.

Arguments: the tracking URI, and a name to make experiments with.
"""

import json
import os
import re
import sys
import tempfile

import mlflow
import mlflow.pyfunc
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
    seen["images"] = images(client, run_id)
    seen["models"] = models(client, name.replace(" ", "-"))
    seen["prompts"] = prompts(name.replace(" ", "-"))
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


def images(client, run_id):
    """Names and first bytes of images that were logged by key, each as it comes back."""
    if mlflow.__version__.startswith("2.8."):
        return None
    import numpy

    for step in (0, 7):
        client.log_image(run_id, numpy.zeros((8, 8, 3), "uint8"), key="k", step=step)
    found = []
    with tempfile.TemporaryDirectory() as directory:
        whole = client.download_artifacts(run_id, "images", directory)
        for each in client.list_artifacts(run_id, "images"):
            name = os.path.basename(each.path)
            with open(os.path.join(whole, name), "rb") as file:
                first = file.read(4)
            with open(client.download_artifacts(run_id, each.path), "rb") as file:
                again = file.read(4) == first
            # Without the time and what is random.
            shown = re.sub("timestamp([%+])[0-9]+[%+][-0-9a-z]+", r"timestamp\1", name)
            found.append([shown, first.decode("latin-1"), again])
    return sorted(found)


class Adder(mlflow.pyfunc.PythonModel):
    """Adds the number in its file."""

    def load_context(self, context):
        with open(context.artifacts["number"]) as file:
            self.number = int(file.read())

    def predict(self, context, model_input, params=None):
        return [each + self.number for each in model_input]


def models(client, name):
    with tempfile.TemporaryDirectory() as directory:
        runs = [logged(directory, number, name) for number in (1, 2)]
    client.set_registered_model_alias(name, "champion", "1")
    client.transition_model_version_stage(name, "1", "Production")
    client.transition_model_version_stage(name, "2", "Production", archive_existing_versions=True)
    client.set_registered_model_tag(name, "team", "blue")
    client.set_model_version_tag(name, "1", "checked", "yes")
    client.update_model_version(name, "1", "the first")
    copied = mlflow.register_model(f"models:/{name}/1", name + "-copy")
    found = client.search_model_versions(f"name = '{name}'")
    latest = client.get_latest_versions(name)
    by_uri = {
        uri.replace(name, "adder").replace(runs[0], "run"): load(uri)
        for uri in (
            f"models:/{name}@champion",
            f"models:/{name}/2",
            f"models:/{name}/Production",
            f"models:/{name}/latest",
            f"models:/{name}-copy/{copied.version}",
            f"runs:/{runs[0]}/model",
        )
    }
    again = mlflow.register_model(f"runs:/{runs[1]}/model", name)
    client.delete_model_version(name, again.version)
    client.rename_registered_model(name, name + "-renamed")
    model = client.get_registered_model(name + "-renamed")
    first = client.get_model_version_by_alias(name + "-renamed", "champion")
    client.delete_registered_model(name + "-copy")
    left = client.search_registered_models(f"name LIKE '{name}-%'")
    return {
        "added": by_uri,
        "stages": sorted((int(each.version), each.current_stage) for each in found),
        "latest": sorted((int(each.version), each.current_stage) for each in latest),
        "third": int(again.version),
        "model": [model.tags, {alias: int(number) for alias, number in model.aliases.items()}],
        "first": [int(first.version), first.description, first.tags, first.run_id == runs[0]],
        "left": [each.name[len(name) :] for each in left],
    }


def logged(directory, number, name):
    path = os.path.join(directory, "number.txt")
    with open(path, "w") as file:
        file.write(str(number))
    with mlflow.start_run() as run:
        mlflow.pyfunc.log_model(
            "model",
            python_model=Adder(),
            artifacts={"number": path},
            registered_model_name=name,
            pip_requirements=["mlflow"],
        )
    return run.info.run_id


def load(uri):
    return mlflow.pyfunc.load_model(uri).predict([0])[0]


def prompts(name):
    """None where the client knows no prompts yet."""
    if not hasattr(mlflow, "register_prompt"):
        return None
    mlflow.register_prompt(name + "-prompt", "Hello {{name}}", tags={"lang": "en"})
    mlflow.set_prompt_alias(name + "-prompt", "production", 1)
    loaded = mlflow.load_prompt(f"prompts:/{name}-prompt@production")
    return [int(loaded.version), loaded.format(name="Ann")]


if __name__ == "__main__":
    main(*sys.argv[1:])

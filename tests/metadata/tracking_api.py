"""Experiments, runs and tags, asked inside the test."""

from typing import Any

from tests.metadata.api import Api


class Tracking(Api):
    def tags(self, run_id: str) -> dict[str, str]:
        data = self.call("runs/get", run_id=run_id)["run"]["data"]
        return {tag["key"]: tag["value"] for tag in data.get("tags", [])}

    def info(self, run_id: str) -> Any:
        return self.call("runs/get", run_id=run_id)["run"]["info"]

    def experiment_names(self) -> list[str]:
        found = self.call("experiments/search", max_results=1000, view_type="ALL")
        return sorted(experiment["name"] for experiment in found["experiments"])

    def run_ids(self) -> list[str]:
        found = self.call("runs/search", experiment_ids=["0"], run_view_type="ALL")
        return sorted(run["info"]["run_id"] for run in found.get("runs", []))

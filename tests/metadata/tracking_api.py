"""The endpoints of experiments, runs and tags, asked in-process as a client asks them."""

import json
from typing import Any

from tandem_metadata.database.database import Database
from tandem_metadata.routes import experiments, runs, tags
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tests.metadata import in_process

ENDPOINTS = [*experiments.ENDPOINTS, *runs.ENDPOINTS, *tags.ENDPOINTS]


class Api:
    """Sends requests; `post` and `get` return the answer's body and insist on status 200."""

    def __init__(self, settings: Settings, database: Database) -> None:
        context = Context(settings, database)
        self._client = in_process.client(context, bind(context, ENDPOINTS))

    def ask(self, method: str, path: str, fields: dict[str, Any]) -> tuple[int, Any]:
        url = f"/api/2.0/mlflow/{path}"
        if method == "GET":
            answer = self._client.get(url, params=fields)
        else:
            answer = self._client.post(
                url, content=json.dumps(fields), headers={"Content-Type": "application/json"}
            )
        return answer.status_code, answer.json()

    def post(self, path: str, **fields: Any) -> Any:
        status, body = self.ask("POST", path, fields)
        assert status == 200, body
        return body

    def get(self, path: str, **fields: Any) -> Any:
        status, body = self.ask("GET", path, fields)
        assert status == 200, body
        return body

    def refused(self, path: str, **fields: Any) -> tuple[int, str]:
        status, body = self.ask("GET" if path.endswith("/get") else "POST", path, fields)
        assert set(body) == {"error_code", "message"}, body
        assert body["message"]
        return status, body["error_code"]

    def experiment(self, name: str = "e", **fields: Any) -> str:
        return str(self.post("experiments/create", name=name, **fields)["experiment_id"])

    def run(self, experiment_id: str = "0", **fields: Any) -> str:
        run = self.post("runs/create", experiment_id=experiment_id, **fields)["run"]
        return str(run["info"]["run_id"])

    def tags(self, run_id: str) -> dict[str, str]:
        data = self.get("runs/get", run_id=run_id)["run"]["data"]
        return {tag["key"]: tag["value"] for tag in data.get("tags", [])}

    def info(self, run_id: str) -> Any:
        return self.get("runs/get", run_id=run_id)["run"]["info"]

    def experiment_names(self) -> list[str]:
        found = self.post("experiments/search", max_results=1000, view_type="ALL")
        return sorted(experiment["name"] for experiment in found["experiments"])

    def run_ids(self) -> list[str]:
        found = self.post("runs/search", experiment_ids=["0"], run_view_type="ALL")
        return sorted(run["info"]["run_id"] for run in found.get("runs", []))

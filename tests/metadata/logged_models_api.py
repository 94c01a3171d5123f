"""An in-process client of the endpoints of logged models and of logging to them."""

from typing import Any

from tandem_metadata.database.database import Database
from tandem_metadata.routes import datasets, experiments, logged_models, metrics, params, runs
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tests.metadata import in_process

_ENDPOINTS = [
    *datasets.ENDPOINTS,
    *experiments.ENDPOINTS,
    *logged_models.ENDPOINTS,
    *metrics.ENDPOINTS,
    *params.ENDPOINTS,
    *runs.ENDPOINTS,
]
Json = dict[str, Any]
MODELS = "logged-models"


class Api:
    """Requests with plain dicts; all but `ask` and `refused` require status 200."""

    def __init__(self, settings: Settings, database: Database) -> None:
        context = Context(settings, database)
        self._client = in_process.client(context, bind(context, _ENDPOINTS))

    def ask(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, Any]:
        url = f"/api/2.0/mlflow/{path}"
        answer = self._client.request(method, url, json=body, params=query)
        return answer.status_code, answer.json()

    def done(self, method: str, path: str, body: object = None, **query: str) -> Json:
        status, answer = self.ask(method, path, body, **query)
        assert status == 200, answer
        found: Json = answer
        return found

    def refused(self, method: str, path: str, body: object = None, **query: str) -> Json:
        """The fields of a refusal and its status."""
        status, answer = self.ask(method, path, body, **query)
        assert set(answer) == {"error_code", "message"}, answer
        return {"status": status, **answer}

    def model(self, **fields: object) -> Json:
        """A new logged model of experiment 0."""
        model: Json = self.done("POST", MODELS, {"experiment_id": "0", **fields})["model"]
        return model

    def model_id(self, **fields: object) -> str:
        return str(self.model(**fields)["info"]["model_id"])

    def get(self, model_id: str, **query: str) -> Json:
        model: Json = self.done("GET", f"{MODELS}/{model_id}", **query)["model"]
        return model

    def all(self) -> list[Json]:
        found: list[Json] = self.done("POST", f"{MODELS}/search", {"experiment_ids": ["0"]}).get(
            "models", []
        )
        return found

    def run(self) -> str:
        run = self.done("POST", "runs/create", {"experiment_id": "0"})["run"]
        return str(run["info"]["run_id"])

    def run_metrics(self, run_id: str) -> list[Json]:
        run = self.done("GET", "runs/get", run_id=run_id)["run"]
        found: list[Json] = run["data"].get("metrics", [])
        return found

    def model_metrics(self, model_id: str) -> list[Json]:
        found: list[Json] = self.get(model_id)["data"].get("metrics", [])
        return found


INVALID = {"status": 400, "error_code": "INVALID_PARAMETER_VALUE"}
MISSING = {"status": 404, "error_code": "RESOURCE_DOES_NOT_EXIST"}


def assert_refused(refusal: Json, expected: Json, naming: str = "") -> None:
    """The refusal has the status and code, and its message names what is wrong."""
    assert {name: refusal[name] for name in expected} == expected, refusal
    assert naming in refusal["message"]

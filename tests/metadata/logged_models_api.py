"""Logged models and logging to them, asked inside the test."""

from tests.metadata.api import Api, Json

MODELS = "logged-models"


class LoggedModels(Api):
    def model(self, experiment_id: str = "0", **fields: object) -> Json:
        """A new logged model."""
        model: Json = self.call(MODELS, experiment_id=experiment_id, **fields)["model"]
        return model

    def model_id(self, **fields: object) -> str:
        return str(self.model(**fields)["info"]["model_id"])

    def get(self, model_id: str, **query: str) -> Json:
        model: Json = self.call(f"{MODELS}/{model_id}", "GET", **query)["model"]
        return model

    def all(self) -> list[Json]:
        found = self.call(f"{MODELS}/search", experiment_ids=["0"])
        models: list[Json] = found.get("models", [])
        return models

    def run_metrics(self, run_id: str) -> list[Json]:
        run = self.call("runs/get", run_id=run_id)["run"]
        found: list[Json] = run["data"].get("metrics", [])
        return found

    def model_metrics(self, model_id: str) -> list[Json]:
        found: list[Json] = self.get(model_id)["data"].get("metrics", [])
        return found


def assert_refused(
    refusal: tuple[int, str, str], expected: tuple[int, str], naming: str = ""
) -> None:
    """The refusal has the status and code, and its message names what is wrong."""
    *code, message = refusal
    assert tuple(code) == expected, message
    assert naming in message

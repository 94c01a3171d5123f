"""An in-process client of the model registry's endpoints."""

import json
import uuid
from typing import Any

from sqlalchemy import insert, select, update

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.database.tables.logged_models import logged_model_tags, logged_models
from tandem_metadata.database.tables.webhooks import webhook_events, webhooks
from tandem_metadata.routes import experiments, model_versions, registered_models, runs
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tests.metadata import in_process

ENDPOINTS = [
    *experiments.ENDPOINTS,
    *runs.ENDPOINTS,
    *registered_models.ENDPOINTS,
    *model_versions.ENDPOINTS,
]

INVALID = (400, "INVALID_PARAMETER_VALUE")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
EXISTS = (400, "RESOURCE_ALREADY_EXISTS")

PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}

_METHODS = {
    "registered-models/get": "GET",
    "registered-models/update": "PATCH",
    "registered-models/delete": "DELETE",
    "registered-models/delete-tag": "DELETE",
    "model-versions/get": "GET",
    "model-versions/get-download-uri": "GET",
    "model-versions/update": "PATCH",
    "model-versions/delete": "DELETE",
    "model-versions/delete-tag": "DELETE",
    "runs/get": "GET",
}


class Registry:
    """Sends requests; methods that return a body require status 200."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.database = database
        context = Context(settings, database)
        self._client = in_process.client(context, bind(context, ENDPOINTS))

    def ask(self, path: str, method: str = "", **fields: Any) -> tuple[int, Any]:
        """The status and the body; `method` defaults to the endpoint's own."""
        method = method or _METHODS.get(path, "POST")
        url = f"/api/2.0/mlflow/{path}"
        if method == "GET":
            answer = self._client.get(url, params=fields)
        else:
            answer = self._client.request(
                method,
                url,
                content=json.dumps(fields),
                headers={"Content-Type": "application/json"},
            )
        return answer.status_code, answer.json()

    def call(self, path: str, method: str = "", **fields: Any) -> Any:
        status, body = self.ask(path, method, **fields)
        assert status == 200, body
        return body

    def refused(self, path: str, method: str = "", **fields: Any) -> tuple[int, str]:
        status, body = self.ask(path, method, **fields)
        assert set(body) == {"error_code", "message"}, body
        assert body["message"]
        return status, body["error_code"]

    def model(self, name: str = "m", **fields: Any) -> Any:
        return self.call("registered-models/create", name=name, **fields)["registered_model"]

    def get(self, name: str = "m") -> Any:
        return self.call("registered-models/get", name=name)["registered_model"]

    def create_version(self, name: str = "m", source: str = "s3://b/c", **fields: Any) -> Any:
        answer = self.call("model-versions/create", name=name, source=source, **fields)
        return answer["model_version"]

    def version(self, version: str | int, name: str = "m") -> Any:
        answer = self.call("model-versions/get", name=name, version=str(version))
        return answer["model_version"]

    def download_uri(self, version: str | int, name: str = "m") -> Any:
        answer = self.call("model-versions/get-download-uri", name=name, version=str(version))
        return answer.get("artifact_uri")

    def tags(self, version: str | int, name: str = "m") -> dict[str, str]:
        return {t["key"]: t["value"] for t in self.version(version, name).get("tags", [])}

    def latest(self, name: str = "m", **fields: Any) -> list[str]:
        found = self.call("registered-models/get-latest-versions", name=name, **fields)
        return [version["version"] for version in found.get("model_versions", [])]

    def prompt(self, name: str = "p") -> Any:
        return self.model(name, tags=[PROMPT])

    def prompt_version(self, name: str = "p", text: str = "Hi {{you}}") -> Any:
        tags = [PROMPT, {"key": "mlflow.prompt.text", "value": text}]
        return self.create_version(name, "dummy-source", tags=tags)

    def run(self, **fields: Any) -> Any:
        return self.call("runs/create", experiment_id="0", **fields)["run"]["info"]

    def logged_model(self, location: str, run_id: str | None = None, **values: Any) -> str:
        """The id of a new logged model."""
        model_id = f"m-{uuid.uuid4().hex}"
        with self.database.write() as conn:
            conn.execute(
                insert(logged_models).values(
                    {
                        "model_id": model_id,
                        "experiment_id": 0,
                        "name": "logged",
                        "artifact_location": location,
                        "creation_timestamp_ms": 1,
                        "last_updated_timestamp_ms": 1,
                        "status": 2,
                        "lifecycle_stage": "active",
                        "source_run_id": run_id,
                        **values,
                    }
                )
            )
        return model_id

    def logged_model_tags(self, model_id: str) -> dict[str, str]:
        columns = logged_model_tags.c
        with self.database.read() as conn:
            rows = conn.execute(
                select(columns.tag_key, columns.tag_value).where(columns.model_id == model_id)
            ).all()
        return {row.tag_key: row.tag_value for row in rows}

    def spoil_logged_model_tag(self, model_id: str, value: str) -> None:
        columns = logged_model_tags.c
        with self.database.write() as conn:
            conn.execute(
                update(logged_model_tags)
                .where(columns.model_id == model_id)
                .values(tag_value=value)
            )

    def subscribe(self, *events: tuple[str, str]) -> None:
        """Create a webhook that subscribes to events, each an entity and an action."""
        webhook = uuid.uuid4().hex
        with self.database.write() as conn:
            conn.execute(
                insert(webhooks).values(
                    webhook_id=webhook, name="w", url="https://example.com", status="ACTIVE"
                )
            )
            conn.execute(
                insert(webhook_events),
                [{"webhook_id": webhook, "entity": e, "action": a} for e, a in events],
            )

    def recorded(self) -> list[tuple[str, Any]]:
        """The recorded deliveries in any order: `entity.action` and the data."""
        with self.database.read() as conn:
            bodies = conn.execute(select(deliveries.c.body)).scalars().all()
        events = [json.loads(body) for body in bodies]
        return [(f"{event['entity']}.{event['action']}", event["data"]) for event in events]

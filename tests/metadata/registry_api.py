"""An in-process client of the model registry's endpoints."""

import json
import uuid
from typing import Any

from sqlalchemy import insert, select, update

from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.database.tables.logged_models import logged_model_tags, logged_models
from tandem_metadata.database.tables.webhooks import webhook_events, webhooks
from tests.metadata.api import Api

PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}


class Registry(Api):
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

    def run_info(self, **fields: Any) -> Any:
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

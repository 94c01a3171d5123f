"""The registered models, prompts and versions for tests of searches."""

from typing import Any

from sqlalchemy import Connection, insert

from tandem_metadata.database.tables.registry import (
    model_version_tags,
    model_versions,
    registered_model_aliases,
    registered_model_tags,
    registered_models,
)

IS_PROMPT = "mlflow.prompt.is_prompt"
_DELETED = "Deleted_Internal"

MODELS: list[dict[str, Any]] = [
    {"name": "fraud", "updated": 300, "tags": {"team": "red", "k.dot": "x"}},
    {"name": "Fraud_2", "updated": 100, "tags": {"team": "Red", "my key": "v"}},
    {"name": "churn 100%", "updated": 300, "tags": {"team": "blue", IS_PROMPT: "false"}},
    {"name": "delta*[x]?", "updated": None, "tags": {"team": None}},
    {"name": "greet", "updated": 200, "tags": {IS_PROMPT: "true", "team": "red"}},
    {"name": "hello", "updated": 400, "tags": {IS_PROMPT: "true", "_ids": ",1,12,"}},
]

VERSIONS: list[dict[str, Any]] = [
    {"name": "fraud", "version": 1, "updated": 10, "run": "r1", "tags": {"ok": "yes"}},
    {"name": "fraud", "version": 2, "updated": 40, "run": "r2", "source": "s3://b/Two"},
    {"name": "fraud", "version": 3, "updated": 90, "stage": _DELETED, "tags": {"ok": "yes"}},
    {"name": "fraud", "version": 10, "updated": 20, "stage": "Production", "tags": {"ok": "no"}},
    {"name": "Fraud_2", "version": 1, "updated": 40, "tags": {"ok": "YES", "my key": "v"}},
    {"name": "Fraud_2", "version": 2, "updated": None, "run": "r1"},
    {"name": "greet", "version": 1, "updated": 50, "tags": {IS_PROMPT: "true", "ok": "yes"}},
    {"name": "greet", "version": 2, "updated": 60, "tags": {IS_PROMPT: "true"}},
    {"name": "greet", "version": 3, "updated": 70},
]


def fill(conn: Connection) -> None:
    """Store all of it."""
    for model in MODELS:
        store_model(conn, model)
    for version in VERSIONS:
        store_version(conn, version)
    conn.execute(insert(registered_model_aliases).values(name="fraud", alias="best", version=2))


def store_model(conn: Connection, model: dict[str, Any]) -> None:
    times = {"creation_time": 1, "last_updated_time": model["updated"]}
    conn.execute(insert(registered_models).values(name=model["name"], **times))
    for key, value in model["tags"].items():
        tag = {"name": model["name"], "key": key, "value": value}
        conn.execute(insert(registered_model_tags).values(**tag))


def store_version(conn: Connection, version: dict[str, Any]) -> None:
    identity = {"name": version["name"], "version": version["version"]}
    conn.execute(
        insert(model_versions).values(
            creation_time=100 - version["version"],
            last_updated_time=version["updated"],
            current_stage=version.get("stage", "None"),
            run_id=version.get("run"),
            source=version.get("source", "s3://b/one"),
            status="READY",
            **identity,
        )
    )
    for key, value in version.get("tags", {}).items():
        conn.execute(insert(model_version_tags).values(key=key, value=value, **identity))

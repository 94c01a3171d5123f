"""Events of the registry, recorded in the transaction of the change, on both databases."""

from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.registry_api import PROMPT, Registry

EVENTS = (
    ("registered_model", "created"),
    ("model_version", "created"),
    ("model_version_tag", "set"),
    ("model_version_tag", "deleted"),
    ("model_version_alias", "created"),
    ("model_version_alias", "deleted"),
    ("prompt", "created"),
    ("prompt_version", "created"),
    ("prompt_tag", "set"),
    ("prompt_tag", "deleted"),
    ("prompt_version_tag", "set"),
    ("prompt_version_tag", "deleted"),
    ("prompt_alias", "created"),
    ("prompt_alias", "deleted"),
)
TEXT = {"key": "mlflow.prompt.text", "value": "Hi {{you}}"}
TYPE = {"key": "_mlflow_prompt_type", "value": "text"}
OWN = {"key": "own", "value": "1"}


@pytest.fixture
def api(settings: Settings, database: Database) -> Registry:
    registry = Registry(settings, database)
    registry.subscribe(*EVENTS)
    return registry


def _use(api: Registry, name: str) -> None:
    """Send every request that causes an event, except creations."""
    version = {"name": name, "version": "+1"}
    api.call("registered-models/set-tag", name=name, key="k", value="v")
    api.call("registered-models/delete-tag", name=name, key="k")
    api.call("model-versions/set-tag", **version, key="k", value="v")
    api.call("model-versions/delete-tag", **version, key="k")
    api.call("registered-models/alias", **version, alias="a")
    api.call("registered-models/alias", "DELETE", name=name, alias="a")


def _sorted(events: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(events, key=lambda event: event[0])


def test_events_of_models_are_recorded(api: Registry) -> None:
    api.model("m", tags=[OWN], description="d")
    api.create_version("m", run_id="r", tags=[OWN])
    _use(api, "m")
    assert _sorted(api.recorded()) == [
        (
            "model_version.created",
            {
                "name": "m",
                "version": "1",
                "source": "s3://b/c",
                "run_id": "r",
                "tags": {"own": "1"},
                "description": None,
            },
        ),
        ("model_version_alias.created", {"name": "m", "alias": "a", "version": "1"}),
        ("model_version_alias.deleted", {"name": "m", "alias": "a"}),
        ("model_version_tag.deleted", {"name": "m", "version": "1", "key": "k"}),
        ("model_version_tag.set", {"name": "m", "version": "1", "key": "k", "value": "v"}),
        ("registered_model.created", {"name": "m", "tags": {"own": "1"}, "description": "d"}),
    ]


def test_events_of_prompts_are_recorded(api: Registry) -> None:
    api.model("p", tags=[PROMPT, TYPE, OWN])
    api.create_version("p", "dummy-source", tags=[PROMPT, TEXT, TYPE, OWN], description="d")
    _use(api, "p")
    assert _sorted(api.recorded()) == [
        ("prompt.created", {"name": "p", "tags": {"own": "1"}, "description": ""}),
        ("prompt_alias.created", {"name": "p", "alias": "a", "version": "1"}),
        ("prompt_alias.deleted", {"name": "p", "alias": "a"}),
        ("prompt_tag.deleted", {"name": "p", "key": "k"}),
        ("prompt_tag.set", {"name": "p", "key": "k", "value": "v"}),
        (
            "prompt_version.created",
            {
                "name": "p",
                "version": "1",
                "template": "Hi {{you}}",
                "tags": {"own": "1"},
                "description": "d",
            },
        ),
        ("prompt_version_tag.deleted", {"name": "p", "version": "1", "key": "k"}),
        ("prompt_version_tag.set", {"name": "p", "version": "1", "key": "k", "value": "v"}),
    ]


def test_event_of_a_version_omits_a_run_that_only_its_logged_model_names(api: Registry) -> None:
    run_id = api.run()
    model_id = api.logged_model("s3://b/c", run_id)
    api.model("m")
    version = api.create_version("m", f"models:/{model_id}", model_id=model_id)
    assert version["run_id"] == run_id
    api.create_version("m", "models:/m/latest")
    told = {data["source"]: data["run_id"] for _, data in api.recorded() if "source" in data}
    assert told == {f"models:/{model_id}": None, "models:/m/1": run_id}  # as in MLflow's events


def test_events_of_refused_requests_are_not_recorded(api: Registry) -> None:
    api.model("m")
    api.create_version("m")
    before = api.recorded()
    for path, fields in (
        ("registered-models/create", {}),
        ("registered-models/create", {"tags": [PROMPT]}),
        ("model-versions/create", {"source": "/etc"}),
        ("model-versions/create", {"source": "s3://b/c", "model_id": "m-none"}),
        ("model-versions/set-tag", {"version": "2", "key": "k", "value": "v"}),
        ("model-versions/delete-tag", {"version": "2", "key": "k"}),
        ("registered-models/alias", {"alias": "latest", "version": "1"}),
        ("registered-models/alias", {"alias": "a", "version": "2"}),
    ):
        api.refused(path, name="m", **fields)
    assert api.recorded() == before

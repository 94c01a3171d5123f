"""What is done to one model leaves another alone that has the same versions, tags and aliases."""

from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.logged_models_api import MODELS, LoggedModels
from tests.metadata.registry_api import Registry

TAG = [{"key": "k", "value": "v"}]

CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("registered-models/update", {"description": "new"}),
    ("registered-models/set-tag", {"key": "k", "value": "new"}),
    ("registered-models/delete-tag", {"key": "k"}),
    ("registered-models/alias", {"alias": "a", "version": "2"}),
    ("model-versions/update", {"version": "1", "description": "new"}),
    ("model-versions/set-tag", {"version": "1", "key": "k", "value": "new"}),
    ("model-versions/delete-tag", {"version": "1", "key": "k"}),
    (
        "model-versions/transition-stage",
        {"version": "2", "stage": "Staging", "archive_existing_versions": True},
    ),
    ("model-versions/create", {"source": "s3://b/new"}),
    ("registered-models/rename", {"new_name": "m"}),
]


@pytest.fixture
def api(settings: Settings, database: Database) -> Registry:
    return Registry(settings, database)


def _fill(api: Registry, name: str) -> None:
    api.model(name, tags=TAG, description="d")
    for _ in range(2):
        api.create_version(name, tags=TAG, description="d")
    fields = {"version": "1", "stage": "Staging"}
    api.call("model-versions/transition-stage", name=name, **fields)
    api.call("registered-models/alias", name=name, alias="a", version="1")


def _all(api: Registry, name: str) -> list[Any]:
    return [api.get(name), api.version(1, name), api.version(2, name)]


def test_a_change_of_a_registered_model_is_its_own(api: Registry) -> None:
    for name in ("m", "other"):
        _fill(api, name)
    before = _all(api, "other")
    assert before[0]["aliases"] == [{"alias": "a", "version": "1"}]
    for path, fields in CHANGES:
        mine = _all(api, "m")
        api.call(path, name="m", **fields)
        assert _all(api, "m") != mine, path
        assert _all(api, "other") == before, path
    api.call("registered-models/alias", "DELETE", name="m", alias="a")
    assert _all(api, "other") == before
    api.call("model-versions/delete", name="m", version="1")
    assert _all(api, "other") == before
    api.call("registered-models/delete", name="m")
    assert _all(api, "other") == before


def test_a_change_of_a_version_is_its_own(api: Registry) -> None:
    _fill(api, "m")
    api.call("registered-models/alias", name="m", alias="b", version="2")
    before = api.version(2)
    for path, fields in CHANGES:
        if fields.get("version") == "1":
            api.call(path, name="m", **fields)
            assert api.version(2) == before, path
    api.call("model-versions/delete", name="m", version="1")
    assert api.version(2) == before


def test_a_change_of_a_logged_model_is_its_own(settings: Settings, database: Database) -> None:
    api = LoggedModels(settings, database)
    mine, other = (api.model_id(tags=TAG, params=TAG) for _ in range(2))
    path = f"{MODELS}/{mine}"
    # The same key with two values is no change of a param where the models are two.
    api.call(f"{MODELS}/{other}/params", params=[{"key": "p", "value": "other"}])
    before = api.get(other)
    api.call(f"{path}/params", params=[{"key": "p", "value": "mine"}])
    api.call(path, "PATCH", status="LOGGED_MODEL_READY")
    api.call(f"{path}/tags", "PATCH", tags=[{"key": "k", "value": "new"}])
    assert api.get(other) == before
    api.call(f"{path}/tags/k", "DELETE")
    assert api.get(other) == before
    api.call(path, "DELETE")
    assert api.get(other) == before

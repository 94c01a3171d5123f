"""Aliases of model versions, over HTTP and on both databases."""

from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.api import INVALID, MISSING
from tests.metadata.registry_api import Registry

ALIAS = "registered-models/alias"


@pytest.fixture
def api(settings: Settings, database: Database) -> Registry:
    registry = Registry(settings, database)
    registry.model()
    for _ in range(3):
        registry.create_version()
    return registry


def _by_alias(api: Registry, alias: str) -> Any:
    return api.call(ALIAS, "GET", name="m", alias=alias)["model_version"]


def test_alias_belongs_to_one_version(api: Registry) -> None:
    for version in ("1", "2"):
        assert api.call(ALIAS, name="m", alias="champion", version=version) == {}
    api.call(ALIAS, name="m", alias="b-2_é", version="2")
    assert _by_alias(api, "champion") == api.version(2)
    assert api.version(2)["aliases"] == ["b-2_é", "champion"]
    assert "aliases" not in api.version(1)
    assert {alias["alias"]: alias["version"] for alias in api.get()["aliases"]} == {
        "champion": "2",
        "b-2_é": "2",
    }


def test_alias_that_is_deleted_is_not_found(api: Registry) -> None:
    api.call(ALIAS, name="m", alias="a", version="1")
    for _ in range(2):
        assert api.call(ALIAS, "DELETE", name="m", alias="a") == {}
    assert api.refused(ALIAS, "GET", name="m", alias="a") == INVALID
    assert "aliases" not in api.get()


def test_alias_that_is_invalid_or_reserved_is_refused(api: Registry) -> None:
    for alias in ("", "a b", "a/b", "a.b", "a\n", "x" * 256, 5, None):
        assert api.refused(ALIAS, name="m", alias=alias, version="1") == INVALID, alias
        assert api.refused(ALIAS, "DELETE", name="m", alias=alias) == INVALID, alias
    for alias in ("latest", "LATEST", "v1", "V22"):
        assert api.refused(ALIAS, name="m", alias=alias, version="1") == INVALID, alias
    for alias in ("", "a b", "x" * 256):
        assert api.refused(ALIAS, "GET", name="m", alias=alias) == INVALID, alias
    assert "aliases" not in api.get()
    for alias in ("x" * 255, "v", "v1a", "latest2"):
        api.call(ALIAS, name="m", alias=alias, version="1")


def test_alias_latest_is_the_highest_version_of_any_stage(api: Registry) -> None:
    api.call("model-versions/transition-stage", name="m", version="1", stage="Production")
    assert _by_alias(api, "latest") == api.version(3)
    api.call("model-versions/delete", name="m", version="3")
    assert _by_alias(api, "Latest") == api.version(2)
    api.model("empty")
    assert api.refused(ALIAS, "GET", name="empty", alias="latest") == MISSING


def test_alias_of_an_unknown_model_or_version_is_not_found(api: Registry) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert api.refused(ALIAS, method, name="none", alias="a", version="1") == MISSING
    assert api.refused(ALIAS, name="m", alias="a", version="4") == MISSING
    api.call("model-versions/delete", name="m", version="3")
    assert api.refused(ALIAS, name="m", alias="a", version="3") == MISSING
    assert "aliases" not in api.get()

"""Registered models and their tags, over HTTP and on both databases."""

import pytest
from sqlalchemy import event, insert, select

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import registry
from tandem_metadata.settings import Settings
from tandem_metadata.store.registry import model_versions, registered_models
from tests.metadata.api import EXISTS, INVALID, MISSING
from tests.metadata.registry_api import PROMPT, Registry

NO_NAMES = ("", " ", "a/b", "a:b", ".", "..", "..a", "a\0b", 5, None, ["m"])
ODD_NAMES = ("x" * 257, "a\x1bb", "a\x7f")


@pytest.fixture
def api(settings: Settings, database: Database) -> Registry:
    return Registry(settings, database)


def test_new_model_has_the_fields_of_its_request(api: Registry) -> None:
    tags = [{"key": "a"}, {"key": "b", "value": "1"}, {"key": "b", "value": "2"}]
    model = api.model("fraud", tags=tags, description="finds fraud")
    assert api.get("fraud") == model
    assert model.pop("creation_timestamp") == model.pop("last_updated_timestamp") > 1.6e12
    assert model == {
        "name": "fraud",
        "description": "finds fraud",
        "tags": [{"key": "a", "value": ""}, {"key": "b", "value": "2"}],
    }


def test_model_names_of_many_kinds_are_accepted(api: Registry) -> None:
    for name in ("x" * 256, "é" * 256, " a ", "a..b", ".a", "名前", "a b#c?d@e%20"):
        api.model(name)
        assert api.get(name)["name"] == name


def test_model_name_that_is_invalid_is_refused(api: Registry) -> None:
    api.model()
    for name in (*NO_NAMES, *ODD_NAMES):
        assert api.refused("registered-models/create", name=name) == INVALID, name
        answer = api.refused("registered-models/rename", name="m", new_name=name)
        assert answer == INVALID, name
    for name in NO_NAMES:
        for path in ("rename", "update", "delete", "set-tag", "get-latest-versions"):
            fields = {"name": name, "new_name": "n", "key": "k", "value": "v"}
            assert api.refused(f"registered-models/{path}", **fields) == INVALID, (path, name)
    for name in ("", "a/b", ".."):
        assert api.refused("registered-models/get", name=name) == INVALID, name
    assert api.get()["name"] == "m"


def test_model_name_that_only_mlflow_accepts_can_be_read_and_renamed(api: Registry) -> None:
    with api.database.write() as conn:
        conn.execute(insert(registry.registered_models).values(name="a\x1bb", creation_time=1))
    assert api.get("a\x1bb")["name"] == "a\x1bb"
    assert api.create_version("a\x1bb")["version"] == "1"
    api.call("registered-models/alias", name="a\x1bb", alias="best", version="1")
    api.call("registered-models/rename", name="a\x1bb", new_name="m")
    assert api.version(1)["aliases"] == ["best"]
    for name in ODD_NAMES:
        assert api.refused("registered-models/delete", name=name) == MISSING, name


def test_unknown_model_is_not_found(api: Registry) -> None:
    for path in ("get", "rename", "update", "delete", "set-tag", "delete-tag"):
        fields = {"name": "none", "new_name": "n", "key": "k", "value": "v"}
        assert api.refused(f"registered-models/{path}", **fields) == MISSING, path
    for method in ("GET", "POST"):
        path = "registered-models/get-latest-versions"
        assert api.refused(path, method, name="none") == MISSING


def test_new_model_with_invalid_fields_is_not_created(api: Registry) -> None:
    for fields in (
        {"description": "x" * 5001},
        {"description": 5},
        {"tags": {"k": "v"}},
        {"tags": ["k"]},
        {"tags": [{"value": "1"}]},
        {"tags": [{"key": "a$b"}]},
        {"tags": [{"key": "a/../b"}]},
        {"tags": [{"key": "x" * 251}]},
        {"tags": [{"key": "k", "value": "v" * 5001}]},
        {"tags": [{"key": "k", "value": 1}]},
        {"tags": [{"key": "k", "value": "\0"}]},
    ):
        assert api.refused("registered-models/create", name="m", **fields) == INVALID, fields
    assert api.refused("registered-models/get", name="m") == MISSING
    api.model(description="x" * 5000, tags=[{"key": "k" * 250, "value": "v" * 5000}])


def test_model_name_belongs_to_one_model_or_prompt(api: Registry) -> None:
    api.model("m")
    api.prompt("p")
    messages = {}
    for name in ("m", "p"):
        for tags in ([], [PROMPT]):
            status, body = api.ask("registered-models/create", name=name, tags=tags)
            assert (status, body["error_code"]) == EXISTS
            messages[name, bool(tags)] = body["message"]
    assert "prompt" not in messages["m", False]
    assert "model" not in messages["p", True]
    for mixed in (messages["m", True], messages["p", False]):
        assert "prompt" in mixed
        assert "registered model" in mixed
    for name, taken in (("m", "p"), ("p", "m")):
        assert api.refused("registered-models/rename", name=name, new_name=taken) == EXISTS
    assert "tags" not in api.get("m")
    assert api.get("p")["tags"] == [PROMPT]


def test_model_description_is_changed_and_emptied(api: Registry) -> None:
    before = api.model(description="before")
    answer = api.call("registered-models/update", name="m", description="after")
    model = answer["registered_model"]
    assert model == api.get()
    assert model["description"] == "after"
    assert model["creation_timestamp"] == before["creation_timestamp"]
    assert model["last_updated_timestamp"] >= before["last_updated_timestamp"]
    for description in ("x" * 5001, 5):
        answer = api.refused("registered-models/update", name="m", description=description)
        assert answer == INVALID
    assert api.get() == model
    assert "description" not in api.call("registered-models/update", name="m")["registered_model"]


def test_renamed_model_keeps_its_versions_tags_and_aliases(api: Registry) -> None:
    api.model("before", tags=[{"key": "k", "value": "v"}], description="d")
    for number in range(3):
        api.create_version("before", tags=[{"key": "n", "value": str(number)}])
    api.call("registered-models/alias", name="before", alias="champion", version="2")
    api.call("model-versions/delete", name="before", version="3")
    renamed = api.call("registered-models/rename", name="before", new_name="after")
    assert renamed["registered_model"] == api.get("after")
    assert api.refused("registered-models/get", name="before") == MISSING
    assert api.refused("model-versions/get", name="before", version="1") == MISSING
    model = api.get("after")
    assert model["description"] == "d"
    assert model["tags"] == [{"key": "k", "value": "v"}]
    assert model["aliases"] == [{"alias": "champion", "version": "2"}]
    assert api.tags(2, "after") == {"n": "1"}
    assert api.version(2, "after")["aliases"] == ["champion"]
    assert api.version(1, "after")["last_updated_timestamp"] == model["last_updated_timestamp"]
    assert api.create_version("after")["version"] == "4"
    api.model("before")
    assert "latest_versions" not in api.get("before")


def test_renamed_model_may_keep_its_name(api: Registry) -> None:
    api.model()
    api.create_version()
    api.call("registered-models/rename", name="m", new_name="m")
    assert api.latest() == ["1"]


def test_deleted_model_loses_versions_tags_and_aliases(api: Registry) -> None:
    for name in ("m", "other"):
        api.model(name, tags=[{"key": "k", "value": "v"}])
        api.create_version(name, tags=[{"key": "k", "value": "v"}])
        api.create_version(name)
        api.call("registered-models/alias", name=name, alias="a", version="1")
    api.call("model-versions/delete", name="m", version="2")
    assert api.call("registered-models/delete", name="m") == {}
    assert api.refused("registered-models/delete", name="m") == MISSING
    assert api.refused("model-versions/get", name="m", version="1") == MISSING
    new = api.model()
    assert new.keys() == {"name", "creation_timestamp", "last_updated_timestamp"}
    assert api.create_version()["version"] == "1"
    assert "aliases" not in api.version(1)
    assert api.tags(1) == {}
    assert api.get("other")["aliases"] == [{"alias": "a", "version": "1"}]


def test_latest_versions_are_those_of_each_stage(api: Registry) -> None:
    api.model()
    assert api.latest() == []
    for number, stage in enumerate(("None", "Production", "None", "Production", "Staging"), 1):
        api.create_version(tags=[{"key": "n", "value": str(number)}])
        api.call("model-versions/transition-stage", name="m", version=str(number), stage=stage)
    api.call("registered-models/alias", name="m", alias="a", version="4")
    assert api.latest() == ["3", "4", "5"]
    assert api.latest(stages=["production", "ARCHIVED"]) == ["4"]
    assert api.latest(method="GET", stages=["Staging", "none"]) == ["3", "5"]
    found = api.call("registered-models/get-latest-versions", name="m", stages=["Production"])
    assert found["model_versions"] == [api.version(4)]
    assert found["model_versions"][0]["aliases"] == ["a"]
    latest = api.get()["latest_versions"]
    assert [version["tags"][0]["value"] for version in latest] == ["3", "4", "5"]
    assert all("aliases" not in version for version in latest)
    api.call("model-versions/delete", name="m", version="4")
    assert api.latest() == ["2", "3", "5"]


def test_latest_versions_refuse_an_unknown_stage(api: Registry) -> None:
    api.model()
    for stages in (["prod"], [""], "Production", ["Deleted_Internal"], [1]):
        path = "registered-models/get-latest-versions"
        assert api.refused(path, name="m", stages=stages) == INVALID, stages


def test_model_tags_are_set_changed_and_deleted(api: Registry) -> None:
    api.model()
    api.call("registered-models/set-tag", name="m", key="a/b c.d:e-f_g")
    for value in ("1", "2"):
        assert api.call("registered-models/set-tag", name="m", key="k", value=value) == {}
    assert api.get()["tags"] == [{"key": "a/b c.d:e-f_g", "value": ""}, {"key": "k", "value": "2"}]
    for _ in range(2):
        assert api.call("registered-models/delete-tag", name="m", key="k") == {}
    assert api.get()["tags"] == [{"key": "a/b c.d:e-f_g", "value": ""}]


def test_model_tag_that_is_invalid_is_refused(api: Registry) -> None:
    api.model()
    for key in ("", "a$b", "../a", "/a", "a//b", "x" * 251, 5, None):
        answer = api.refused("registered-models/set-tag", name="m", key=key, value="v")
        assert answer == INVALID, key
        assert api.refused("registered-models/delete-tag", name="m", key=key) == INVALID, key
    for value in ("v" * 5001, 5, "\0", ["v"]):
        answer = api.refused("registered-models/set-tag", name="m", key="k", value=value)
        assert answer == INVALID
    assert "tags" not in api.get()


def test_many_models_are_read_by_as_many_statements_as_one(
    api: Registry, database: Database
) -> None:
    for number in range(6):
        api.model(f"m{number}", tags=[{"key": "k", "value": "v"}])
        for _ in range(2):
            api.create_version(f"m{number}", tags=[{"key": "k", "value": "v"}])
        api.call("registered-models/alias", name=f"m{number}", alias="a", version="1")
    counts = set()
    for limit in (1, 6):
        statements: list[str] = []
        with database.read() as conn:
            models = conn.execute(select(registry.registered_models).limit(limit)).all()
            versions = conn.execute(select(registry.model_versions).limit(limit * 2)).all()
            event.listen(conn, "before_cursor_execute", lambda *a, s=statements: s.append(a[2]))
            found = registered_models.from_rows(conn, models)
            assert [model.latest_versions[0].version for model in found] == ["2"] * limit
            assert len(model_versions.from_rows(conn, versions)) == limit * 2
        counts.add(len(statements))
    assert counts == {6}

"""Versions of registered models and their tags, over HTTP and on both databases."""

import pytest
from sqlalchemy import select, update

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.registry import model_version_tags, model_versions
from tandem_metadata.settings import Settings
from tandem_metadata.store.registry import model_version_search, registered_model_search
from tests.metadata.api import INVALID, MISSING
from tests.metadata.conftest import only_sqlite
from tests.metadata.registry_api import PROMPT, Registry


@pytest.fixture
def api(settings: Settings, database: Database) -> Registry:
    return Registry(settings, database)


def test_new_version_has_the_fields_of_its_request(api: Registry) -> None:
    api.model()
    tags = [{"key": "a"}, {"key": "b", "value": "1"}, {"key": "b", "value": "2"}]
    version = api.create_version(
        run_id="a1", run_link="http://x/#/r", description="d", tags=tags, source="s3://b/c"
    )
    assert api.version(1) == version
    moment = version.pop("creation_timestamp")
    assert moment == version.pop("last_updated_timestamp") == api.get()["last_updated_timestamp"]
    assert version == {
        "name": "m",
        "version": "1",
        "current_stage": "None",
        "description": "d",
        "source": "s3://b/c",
        "run_id": "a1",
        "status": "READY",
        "run_link": "http://x/#/r",
        "tags": [{"key": "a", "value": ""}, {"key": "b", "value": "2"}],
    }


def test_new_version_without_optional_fields_stores_them_empty_as_mlflow_does(
    api: Registry,
) -> None:
    api.model()
    version = api.create_version()
    assert (version["description"], version["run_id"], version["run_link"]) == ("", "", "")


def test_version_numbers_are_never_used_twice(api: Registry) -> None:
    api.model()
    assert [api.create_version()["version"] for _ in range(3)] == ["1", "2", "3"]
    for number in ("2", "3"):
        api.call("model-versions/delete", name="m", version=number)
    assert api.create_version()["version"] == "4"
    api.model("other")
    assert api.create_version("other")["version"] == "1"


def test_new_version_with_invalid_fields_is_not_created(api: Registry) -> None:
    before = api.model()
    for fields in (
        {"source": ""},
        {"source": None},
        {"source": 5},
        {"source": "s3://b/" + "x" * 494},
        {"source": "s3://b/a\nb"},
        {"description": "x" * 5001},
        {"run_link": "x" * 501},
        {"run_id": "x" * 33},
        {"run_id": 5},
        {"tags": [{"key": "a$b"}]},
        {"tags": [{"key": "x" * 251}]},
        {"tags": [{"key": "k", "value": "v" * 100_001}]},
        {"tags": [{"key": "k", "value": 1}]},
        {"tags": {"k": "v"}},
        {"name": "a/b"},
        {"name": ""},
    ):
        request = {"name": "m", "source": "s3://b/c", **fields}
        assert api.refused("model-versions/create", **request) == INVALID, fields
    assert api.refused("model-versions/create", name="none", source="s3://b/c") == MISSING
    assert api.get() == before
    version = api.create_version(
        source="s3://b/" + "x" * 493, tags=[{"key": "k" * 250, "value": "v" * 100_000}]
    )
    assert version["version"] == "1"


def test_unknown_version_is_not_found_and_an_invalid_number_is_refused(api: Registry) -> None:
    api.model()
    api.create_version()
    for version, answer in (
        ("2", MISSING),
        ("0", MISSING),
        ("-1", MISSING),
        (str(2**31), MISSING),
        ("9" * 5000, MISSING),
        ("one", INVALID),
        ("1.0", INVALID),
        ("", INVALID),
        ("1_0", INVALID),
    ):
        fields = {"name": "m", "version": version}
        for path, more in (
            ("model-versions/get", {}),
            ("model-versions/get-download-uri", {}),
            ("model-versions/update", {"description": "d"}),
            ("model-versions/transition-stage", {"stage": "Staging"}),
            ("model-versions/set-tag", {"key": "k", "value": "v"}),
            ("model-versions/delete-tag", {"key": "k"}),
            ("model-versions/delete", {}),
            ("registered-models/alias", {"alias": "a"}),
        ):
            assert api.refused(path, **fields, **more) == answer, (path, version)
    assert api.version("+1")["version"] == "1"
    assert api.refused("model-versions/get", name="none", version="1") == MISSING
    assert api.refused("model-versions/get", name="a/b", version="1") == INVALID


def test_version_description_is_changed_and_removed(api: Registry) -> None:
    api.model()
    before = api.create_version(description="before")
    answer = api.call("model-versions/update", name="m", version="1", description="after")
    assert answer["model_version"] == api.version(1)
    assert api.version(1)["description"] == "after"
    assert api.version(1)["last_updated_timestamp"] >= before["last_updated_timestamp"]
    too_long = {"name": "m", "version": "1", "description": "x" * 5001}
    assert api.refused("model-versions/update", **too_long) == INVALID
    assert api.version(1) == answer["model_version"]
    api.call("model-versions/update", name="m", version="1")
    assert "description" not in api.version(1)


def test_deleted_version_is_not_found_and_its_row_stays_redacted(
    api: Registry, database: Database
) -> None:
    api.model()
    api.create_version(description="d", run_id="a1", tags=[{"key": "k", "value": "v"}])
    api.create_version()
    api.call("registered-models/alias", name="m", alias="gone", version="1")
    api.call("registered-models/alias", name="m", alias="stays", version="2")
    assert api.call("model-versions/delete", name="m", version="1") == {}
    for path in ("get", "get-download-uri", "delete"):
        assert api.refused(f"model-versions/{path}", name="m", version="1") == MISSING
    assert api.get()["aliases"] == [{"alias": "stays", "version": "2"}]
    with database.read() as conn:
        row = conn.execute(select(model_versions).where(model_versions.c.version == 1)).one()
        tags = conn.execute(select(model_version_tags)).all()
    assert (row.current_stage, row.description) == ("Deleted_Internal", None)
    assert row.source == "REDACTED-SOURCE-PATH"
    assert (row.run_id, row.run_link) == ("REDACTED-RUN-ID", "REDACTED-RUN-LINK")
    assert len(tags) == 1  # MLflow keeps them too


def test_version_stage_is_accepted_in_any_case(api: Registry) -> None:
    api.model()
    api.create_version()
    for given, stored in (
        ("staging", "Staging"),
        ("PRODUCTION", "Production"),
        ("Archived", "Archived"),
        ("none", "None"),
    ):
        answer = api.call("model-versions/transition-stage", name="m", version="1", stage=given)
        assert answer["model_version"]["current_stage"] == stored
        assert answer["model_version"] == api.version(1)
    for stage in ("prod", "", "Deleted_Internal", " Staging", 5, None):
        fields = {"name": "m", "version": "1", "stage": stage}
        assert api.refused("model-versions/transition-stage", **fields) == INVALID, stage
    assert api.version(1)["current_stage"] == "None"


def test_version_transition_archives_others_of_the_stage(api: Registry) -> None:
    for name in ("m", "other"):
        api.model(name)
        for number in ("1", "2", "3", "4"):
            api.create_version(name)
            stage = "Production" if number in "12" else "Staging"
            api.call("model-versions/transition-stage", name=name, version=number, stage=stage)

    def move(stage: str) -> tuple[int, str]:
        fields = {"version": "3", "stage": stage, "archive_existing_versions": True}
        status, body = api.ask("model-versions/transition-stage", name="m", **fields)
        return status, body.get("error_code", "")

    for stage in ("None", "Archived"):
        assert move(stage) == INVALID
    assert move("production") == (200, "")
    stages = [api.version(number)["current_stage"] for number in (1, 2, 3, 4)]
    assert stages == ["Archived", "Archived", "Production", "Staging"]
    assert api.version(1, "other")["current_stage"] == "Production"
    moments = {api.version(number)["last_updated_timestamp"] for number in (1, 2, 3)}
    assert moments == {api.get()["last_updated_timestamp"]}


def test_version_tags_are_set_changed_and_deleted(api: Registry) -> None:
    api.model()
    api.create_version()
    api.create_version()
    version = {"name": "m", "version": "1"}
    for value in ("1", "2"):
        assert api.call("model-versions/set-tag", **version, key="k", value=value) == {}
    api.call("model-versions/set-tag", **version, key="e")
    assert api.tags(1) == {"e": "", "k": "2"}
    assert api.tags(2) == {}
    api.call("model-versions/set-tag", name="m", version="2", key="k", value="of 2")
    for _ in range(2):
        assert api.call("model-versions/delete-tag", **version, key="k") == {}
    assert api.tags(1) == {"e": ""}
    assert api.tags(2) == {"k": "of 2"}


def test_version_tag_that_is_invalid_is_refused(api: Registry) -> None:
    api.model()
    api.create_version()
    version = {"name": "m", "version": "1"}
    for key in ("", "a$b", "../a", "x" * 251, 5):
        assert api.refused("model-versions/set-tag", **version, key=key, value="v") == INVALID, key
        assert api.refused("model-versions/delete-tag", **version, key=key) == INVALID, key
    for value in ("v" * 100_001, 5, "\0"):
        assert api.refused("model-versions/set-tag", **version, key="k", value=value) == INVALID
    assert api.tags(1) == {}
    api.call("model-versions/set-tag", **version, key="k", value="v" * 100_000)


def test_prompt_version_has_text_and_a_placeholder_source(api: Registry) -> None:
    api.prompt()
    text = "Hi {{you}},\nhow are you?"
    version = api.prompt_version(text=text)
    assert version["source"] == "dummy-source"
    assert api.tags(1, "p") == {"mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": text}
    assert api.latest("p") == ["1"]
    assert api.call("registered-models/alias", "GET", name="p", alias="latest")
    for source in ("s3://b/c", "prompt", "/etc"):
        fields = {"name": "p", "source": source, "tags": [PROMPT]}
        assert api.refused("model-versions/create", **fields) == INVALID
    long = [PROMPT, {"key": "mlflow.prompt.text", "value": "x" * 100_001}]
    fields = {"name": "p", "source": "dummy-source", "tags": long}
    assert api.refused("model-versions/create", **fields) == INVALID
    assert api.create_version("p", "prompt-template", tags=[PROMPT])["version"] == "2"


def test_prompt_cannot_have_a_models_version_nor_a_model_a_prompts(api: Registry) -> None:
    api.model("m")
    api.prompt("p")
    fields = {"name": "m", "source": "dummy-source", "tags": [PROMPT]}
    assert api.refused("model-versions/create", **fields) == INVALID
    assert api.refused("model-versions/create", name="p", source="s3://b/c") == INVALID
    assert api.latest("m") == api.latest("p") == []


def test_prompt_is_found_with_any_spelling_of_its_mark(api: Registry) -> None:
    mark = {**PROMPT, "value": "True"}
    api.model("p", tags=[mark])
    api.create_version("p", "dummy-source", tags=[mark])
    _assert_only_prompts_are_there(api)
    api.call("registered-models/set-tag", name="p", **mark)
    api.call("model-versions/set-tag", name="p", version="1", **mark)
    _assert_only_prompts_are_there(api)


def _assert_only_prompts_are_there(api: Registry) -> None:
    asked = f"tags.`{PROMPT['key']}` = 'true'"
    with api.database.read() as conn:
        assert registered_model_search.search(conn) == ([], None)
        assert model_version_search.search(conn) == ([], None)
        (prompt,), _ = registered_model_search.search(conn, filter=asked)
        (version,), _ = model_version_search.search(conn, filter=asked)
    assert prompt.name == version.name == "p"


@only_sqlite
def test_version_numbers_of_more_than_32_bits_are_used_on_sqlite(
    api: Registry, database: Database
) -> None:
    api.call("registered-models/create", name="m")
    api.call("model-versions/create", name="m", source="s3://b/c")
    with database.write() as conn:
        conn.execute(update(model_versions).values(version=2**40))
    named = {"name": "m", "version": str(2**40)}
    api.call("model-versions/update", **named, description="d")
    api.call("model-versions/set-tag", **named, key="k", value="v")
    api.call("registered-models/alias", **named, alias="a")
    found = api.call("model-versions/get", **named)["model_version"]
    assert (found["version"], found["description"]) == (str(2**40), "d")
    assert (found["tags"], found["aliases"]) == ([{"key": "k", "value": "v"}], ["a"])
    new = api.call("model-versions/create", name="m", source="s3://b/c")["model_version"]
    assert new["version"] == str(2**40 + 1)

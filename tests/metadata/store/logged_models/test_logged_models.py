"""Creating, reading, finalizing and deleting logged models; their tags and params."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.messages.logged_models import LoggedModelParameter, LoggedModelTag
from tandem_metadata.settings import Settings
from tandem_metadata.store.logged_models import logged_models
from tests.metadata.api import INVALID, MISSING, Json
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.logged_models_api import MODELS, LoggedModels, assert_refused


@pytest.fixture
def api(settings: Settings, database: Database) -> LoggedModels:
    return LoggedModels(settings, database)


def pairs(**values: str) -> list[Json]:
    return [{"key": key, "value": value} for key, value in values.items()]


def test_logged_model_is_created_pending_below_its_experiments_artifacts(api: LoggedModels) -> None:
    before = time.time_ns() // 1_000_000
    model = api.model(
        name="forest", model_type="agent", source_run_id="r",
        params=pairs(depth="3", alpha="x"), tags=pairs(team="red", empty=""),
    )  # fmt: skip
    info = model["info"]
    assert re.fullmatch("m-[0-9a-f]{32}", info["model_id"])
    assert info["artifact_uri"] == f"{ARTIFACT_ROOT}0/models/{info['model_id']}/artifacts"
    assert before <= info["creation_timestamp_ms"] == info["last_updated_timestamp_ms"]
    assert (info["experiment_id"], info["name"]) == ("0", "forest")
    assert info["status"] == "LOGGED_MODEL_PENDING"
    assert (info["model_type"], info["source_run_id"]) == ("agent", "r")
    assert info["tags"] == pairs(empty="", team="red")
    assert model["data"] == {"params": pairs(alpha="x", depth="3")}
    assert api.get(info["model_id"]) == model


def test_logged_model_without_a_name_gets_one(api: LoggedModels) -> None:
    for model in (api.model(), api.model(name="", model_type=None)):
        assert re.fullmatch(r"[a-z]+-[a-z]+-\d+", model["info"]["name"])
        assert (model["info"]["model_type"], model["info"]["source_run_id"]) == ("", "")
        assert model["data"] == {}
        assert "tags" not in model["info"]


@pytest.mark.parametrize(
    ("fields", "naming"),
    [
        ({"experiment_id": ""}, "experiment_id"),
        ({"experiment_id": 0}, "experiment_id"),
        ({"experiment_id": "x"}, "'x'"),
        *(({"name": f"a{character}b"}, "name") for character in "/:.%\"'\x1b"),
        ({"name": "n" * 501}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": 5}, "name"),
        ({"model_type": "t" * 501}, "model_type"),
        ({"model_type": "a\x1bb"}, "model_type"),
        ({"source_run_id": "r" * 33}, "source_run_id"),
        ({"params": {}}, "params"),
        ({"params": [3]}, "params[0]"),
        ({"params": [{"value": "v"}]}, "params[0].key"),
        ({"params": [{"key": "k", "value": 5}]}, "params[0].value"),
        ({"params": pairs(a="1") + pairs(a="1")}, "'a'"),
        ({"params": pairs(**{"k" * 256: "v"})}, "params[0].key"),
        ({"tags": [*pairs(a="1"), {"key": "", "value": "v"}]}, "tags[1].key"),
        ({"tags": pairs(a="1") + pairs(a="2")}, "'a'"),
        ({"tags": pairs(**{"k" * 256: "v"})}, "tags[0].key"),
        ({"tags": pairs(**{"a\x1bb": "v"})}, "tags[0].key"),
    ],
)
def test_logged_model_with_invalid_fields_is_refused(
    api: LoggedModels, fields: Json, naming: str
) -> None:
    body = {"experiment_id": "0", "params": pairs(p="1"), "tags": pairs(t="1"), **fields}
    assert_refused(api.refusal(MODELS, **body), INVALID, naming)
    assert api.all() == []


def test_logged_model_keys_and_values_may_be_long_and_of_any_characters(api: LoggedModels) -> None:
    entries = pairs(**{"k" * 255: "v" * 100_000, "a/../b & c": "", "é": "日本"})
    model = api.model(name="n" * 500, params=entries, tags=entries)
    assert {each["key"]: each["value"] for each in model["data"]["params"]} == {
        each["key"]: each["value"] for each in entries
    }
    assert model["info"]["tags"] == model["data"]["params"]


def test_logged_model_needs_an_active_experiment(api: LoggedModels) -> None:
    assert_refused(api.refusal(MODELS, experiment_id="77"), MISSING, "77")
    gone = api.call("experiments/create", name="gone")["experiment_id"]
    model_id = api.model_id(experiment_id=gone)
    api.call("experiments/delete", experiment_id=gone)
    assert_refused(api.refusal(MODELS, experiment_id=gone), INVALID, "deleted")
    assert api.get(model_id)["info"]["experiment_id"] == gone


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("LOGGED_MODEL_READY", "LOGGED_MODEL_READY"),
        (3, "LOGGED_MODEL_UPLOAD_FAILED"),
        ("1", "LOGGED_MODEL_PENDING"),
        (0, "LOGGED_MODEL_STATUS_UNSPECIFIED"),
    ],
)
def test_logged_model_is_finalized_with_a_status(
    api: LoggedModels, status: object, name: str
) -> None:
    created = api.model(tags=pairs(a="1"))
    path = f"{MODELS}/{created['info']['model_id']}"
    model = api.call(path, "PATCH", status=status)["model"]
    assert model["info"].pop("status") == name
    times = ("creation_timestamp_ms", "last_updated_timestamp_ms")
    assert created["info"][times[0]] == model["info"][times[0]] <= model["info"][times[1]]
    for each in (created["info"], model["info"]):
        each.pop(times[1])
    del created["info"]["status"]
    assert model == created


@pytest.mark.parametrize("status", [None, "", "READY", "logged_model_ready", 4, -1, 1.5, [2]])
def test_logged_model_status_that_is_unknown_is_refused(api: LoggedModels, status: object) -> None:
    model = api.model()
    path = f"{MODELS}/{model['info']['model_id']}"
    assert_refused(api.refusal(path, "PATCH", status=status), INVALID, "status")
    assert api.get(model["info"]["model_id"]) == model


def test_logged_model_id_comes_from_the_path_not_the_body(api: LoggedModels) -> None:
    one, other = api.model_id(name="one"), api.model_id(name="other")
    body = {"model_id": other, "status": 2, "tags": pairs(t="1"), "params": pairs(p="1")}
    assert api.call(f"{MODELS}/{one}", "PATCH", **body)["model"]["info"]["name"] == "one"
    api.call(f"{MODELS}/{one}/tags", "PATCH", **body)
    api.call(f"{MODELS}/{one}/params", **body)
    api.call(f"{MODELS}/{one}", "DELETE", **body)
    untouched = api.get(other)
    assert (untouched["info"]["status"], untouched["data"]) == ("LOGGED_MODEL_PENDING", {})


def test_logged_model_tags_are_set_replaced_and_deleted(api: LoggedModels) -> None:
    model_id = api.model_id(tags=pairs(a="1", b="1"))
    path = f"{MODELS}/{model_id}/tags"
    repeated = [*pairs(b="2", c="2"), *pairs(c="3", **{"x/y z": "4"}), {"key": "d"}]
    assert api.call(path, "PATCH", tags=repeated) == {}
    assert api.call(path, "PATCH") == {}
    assert api.call(f"{path}/a", "DELETE") == {}
    expected = pairs(b="2", c="3", d="", **{"x/y z": "4"})
    assert api.get(model_id)["info"]["tags"] == expected
    assert api.call(f"{path}/x/y z", "DELETE") == {}
    assert_refused(api.refusal(f"{path}/a", "DELETE"), MISSING, "'a'")
    assert api.get(model_id)["info"]["tags"] == expected[:-1]


@pytest.mark.parametrize(
    "bad",
    [{"value": "1"}, {"key": ""}, {"key": "k" * 256}, {"key": "a\x00"}, {"key": "k", "value": 1}],
)
def test_logged_model_tags_with_an_invalid_one_set_none(api: LoggedModels, bad: Json) -> None:
    model = api.model()
    path = f"{MODELS}/{model['info']['model_id']}/tags"
    assert_refused(api.refusal(path, "PATCH", tags=[*pairs(a="1"), bad]), INVALID, "tags[1]")
    assert api.get(model["info"]["model_id"]) == model


def test_logged_model_params_are_added_and_never_changed(api: LoggedModels) -> None:
    model_id = api.model_id(params=pairs(a="1"))
    path = f"{MODELS}/{model_id}/params"
    assert api.call(path, params=[*pairs(b="2", a="1"), {"key": "c"}]) == {}
    assert api.call(path) == {}
    for bad in (pairs(d="1", a="2"), pairs(d="1") + pairs(d="1"), [*pairs(d="1"), {"key": ""}]):
        assert_refused(api.refusal(path, params=bad), INVALID)
    assert api.get(model_id)["data"] == {"params": pairs(a="1", b="2", c="")}


def test_logged_model_that_is_deleted_is_found_if_allowed_and_accepts_logging(
    api: LoggedModels,
) -> None:
    model_id = api.model_id(tags=pairs(a="1"))
    path = f"{MODELS}/{model_id}"
    for _ in range(2):
        assert api.call(path, "DELETE") == {}
    for query in ({}, {"allow_deleted": "1"}, {"allow_deleted": ""}):
        assert_refused(api.refusal(path, "GET", **query), MISSING, model_id)
    assert api.all() == []
    api.call(path, "PATCH", status=2)
    api.call(f"{path}/tags", "PATCH", tags=pairs(b="1"))
    api.call(f"{path}/tags/a", "DELETE")
    api.call(f"{path}/params", params=pairs(p="1"))
    model = api.get(model_id, allow_deleted="True")
    assert model["info"]["status"] == "LOGGED_MODEL_READY"
    assert (model["info"]["tags"], model["data"]) == (pairs(b="1"), {"params": pairs(p="1")})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", {}),
        ("PATCH", "", {"status": 2}),
        ("DELETE", "", {}),
        ("PATCH", "/tags", {"tags": pairs(a="1")}),
        ("PATCH", "/tags", {}),
        ("DELETE", "/tags/a", {}),
        ("POST", "/params", {"params": pairs(a="1")}),
        ("POST", "/params", {}),
    ],
)
def test_logged_model_that_is_unknown_is_a_404(
    api: LoggedModels, method: str, path: str, body: object
) -> None:
    assert_refused(api.refusal(f"{MODELS}/m-0{path}", method, **body), MISSING, "m-0")


def test_logged_model_artifact_uri_needs_an_active_model(
    api: LoggedModels, database: Database
) -> None:
    model = api.model()
    model_id = model["info"]["model_id"]
    with database.read() as conn:
        assert logged_models.artifact_uri(conn, model_id) == model["info"]["artifact_uri"]
    api.call(f"{MODELS}/{model_id}", "DELETE")
    for gone in (model_id, "m-0"):
        with database.read() as conn, pytest.raises(logged_models.NotFound):
            logged_models.artifact_uri(conn, gone)


def test_logged_model_accepts_concurrent_clients(api: LoggedModels, database: Database) -> None:
    model_id = api.model_id()
    keys = [f"k{number}" for number in range(20)]

    def log(index: int) -> None:
        ordered = keys if index % 2 else keys[::-1]
        with database.write() as conn:
            logged_models.log_params(
                conn, model_id, [LoggedModelParameter(k, "1") for k in ordered]
            )
            tags = [LoggedModelTag(key, str(index)) for key in ordered]
            logged_models.set_tags(conn, model_id, tags)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(log, range(12)))
    model = api.get(model_id)
    assert len(model["data"]["params"]) == len(model["info"]["tags"]) == len(keys)
    assert len({tag["value"] for tag in model["info"]["tags"]}) == 1

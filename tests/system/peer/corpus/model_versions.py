"""Model versions, their sources, stages and tags, and prompts."""

from typing import Any

from tests.system.peer.ask import Ask, delete, get, patch, post

_STAGE = "model-versions/transition-stage"
_SERVED = "http://127.0.0.1:1/api/2.0/mlflow-artifacts/artifacts"
_PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}
_TEXT = {"key": "mlflow.prompt.text", "value": "Hi {{you}},\nhow are you?"}


def _create(name: str, model: str = "mv1", **fields: Any) -> Ask:
    return post(name, "model-versions/create", {"name": model, "source": "s3://b/c", **fields})


def _source(source: str, **fields: Any) -> Ask:
    """A version of that source."""
    given = ", ".join(f"{name} {value}" for name, value in fields.items())
    return _create(f"from {source} with {given or 'nothing'}", "mv2", source=source, **fields)


def _get(name: str, version: str, model: str = "mv1") -> Ask:
    return get(name, "model-versions/get", {"name": model, "version": version})


def _uri(name: str, version: str, model: str = "mv1") -> Ask:
    return get(name, "model-versions/get-download-uri", {"name": model, "version": version})


def _move(name: str, version: str, stage: Any, **fields: Any) -> Ask:
    return post(name, _STAGE, {"name": "mv1", "version": version, "stage": stage, **fields})


def _tag(title: str, /, **fields: Any) -> Ask:
    return post(title, "model-versions/set-tag", {"name": "mv1", "version": "1", **fields})


_CREATING = [
    post("a model", "registered-models/create", {"name": "mv1"}),
    post("one for what is too long", "registered-models/create", {"name": "mv-wide"}),
    _create("create"),
    _create("create with everything", run_id="r1", run_link="http://x/#/r", description="d",
            tags=[{"key": "k", "value": "v"}, {"key": "k", "value": "w"}, {"key": "e"}]),
    _create("create with empty fields", run_id="", run_link="", description="", model_id=""),
    _create("create with nulls", run_id=None, run_link=None, description=None, tags=None),
    _create("create of nobody", "nobody"),
    _create("create with a bad name", "a/b"),
    _create("create without a source", source=None),
    _create("create with an empty source", source=""),
    _create("create with a number for a source", source=5),
    _create("create with a number for a run", run_id=5),
    _create("create with a bad tag", tags=[{"key": "a$b", "value": "v"}]),
    _create("create with a tag without a key", tags=[{"value": "v"}]),
    _create("create with a key of 251", tags=[{"key": "k" * 251, "value": "v"}]),
    _create("create with a value of 100000", tags=[{"key": "k", "value": "v" * 100_000}]),
    _create("create with a value of 100001", tags=[{"key": "k", "value": "v" * 100_001}]),
    _create("create with tags that are no list", tags={"k": "v"}),
    _create("create with a description of 5001", "mv-wide", description="d" * 5001),
    _create("create with a source of 501", "mv-wide", source="s3://b/" + "s" * 494),
    _create("create with a link of 501", "mv-wide", run_link="l" * 501),
    _create("create with a run of 33", "mv-wide", run_id="r" * 33),
    post("create without a name", "model-versions/create", {"source": "s3://b/c"}),
    _get("get", "1"),
    _get("get everything", "2"),
    _get("get a version with a sign", "+1"),
    _get("get a version with spaces", " 1 "),
    _get("get an unknown version", "99"),
    _get("get version 0", "0"),
    _get("get version -1", "-1"),
    _get("get a version beyond int64", "9" * 30),
    _get("get a word", "one"),
    _get("get a fraction", "1.0"),
    _get("get an empty version", ""),
    _get("get of nobody", "1", "nobody"),
    _get("get of a bad name", "1", "a/b"),
    get("get without a version", "model-versions/get", {"name": "mv1"}),
    get("get without a name", "model-versions/get", {"version": "1"}),
    _uri("the download URI", "1"),
    _uri("the download URI of an unknown version", "99"),
    _uri("the download URI of a word", "one"),
    get("the download URI of nothing", "model-versions/get-download-uri"),
    patch("update", "model-versions/update", {"name": "mv1", "version": "1", "description": "n"}),
    patch("update to nothing", "model-versions/update", {"name": "mv1", "version": "2"}),
    patch("update to the empty string", "model-versions/update", {
        "name": "mv1", "version": "3", "description": "",
    }),
    patch("update an unknown version", "model-versions/update", {"name": "mv1", "version": "99"}),
    patch("update a word", "model-versions/update", {"name": "mv1", "version": "one"}),
    patch("update without a version", "model-versions/update", {"name": "mv1"}),
    patch("update with a number", "model-versions/update", {
        "name": "mv1", "version": "1", "description": 5,
    }),
]  # fmt: skip

_STAGES = [
    _move("to staging", "1", "staging"),
    _move("to production", "2", "PRODUCTION"),
    _move("a second one to production", "3", "Production"),
    _move("to a wrong stage", "1", "prod"),
    _move("to an empty stage", "1", ""),
    _move("to a number", "1", 5),
    _move("to the stage of deleted ones", "1", "Deleted_Internal"),
    _move("an unknown version to staging", "99", "Staging"),
    _move("a word to staging", "one", "Staging"),
    _move("to none and archive", "1", "None", archive_existing_versions=True),
    _move("to archived and archive", "1", "archived", archive_existing_versions=True),
    _move("archive a word", "1", "Production", archive_existing_versions="yes"),
    _move("to production and archive", "1", "Production", archive_existing_versions=True),
    _get("the first one is archived", "2"),
    _get("the second one too", "3"),
    _move("archive not", "2", "Production", archive_existing_versions=False),
    post("move without a version", _STAGE, {"name": "mv1", "stage": "Staging"}),
    post("move without a stage", _STAGE, {"name": "mv1", "version": "1"}),
    post("move of nobody", _STAGE, {"name": "nobody", "version": "1", "stage": "Staging"}),
    get("the stages", "registered-models/get", {"name": "mv1"}),
]

_TAGS = [
    _tag("set a tag", key="k", value="v"),
    _tag("set it again", key="k", value="w"),
    _tag("set no value", key="empty"),
    _tag("set a dotted key", key="a.b/c d:e-f_g", value="x"),
    _tag("set a tag without a key", value="v"),
    _tag("set a bad key", key="a$b", value="v"),
    _tag("set a key of 251", key="k" * 251, value="v"),
    _tag("set a value of 100001", key="long", value="v" * 100_001),
    _tag("set a number", key="n", value=5),
    _tag("tag an unknown version", version="99", key="k", value="v"),
    _tag("tag a word", version="one", key="k", value="v"),
    _tag("tag of nobody", name="nobody", key="k", value="v"),
    _get("get the tags", "1"),
    delete("delete a tag", "model-versions/delete-tag", {
        "name": "mv1", "version": "1", "key": "k",
    }),
    delete("delete it again", "model-versions/delete-tag", {
        "name": "mv1", "version": "1", "key": "k",
    }),
    delete("delete a bad key", "model-versions/delete-tag", {
        "name": "mv1", "version": "1", "key": "a$b",
    }),
    delete("delete a tag without a key", "model-versions/delete-tag", {
        "name": "mv1", "version": "1",
    }),
    delete("delete a tag of an unknown version", "model-versions/delete-tag", {
        "name": "mv1", "version": "99", "key": "k",
    }),
    _get("get the tags that stay", "1"),
]  # fmt: skip

_SOURCES = [
    post("a model for sources", "registered-models/create", {"name": "mv2"}),
    post("a run", "runs/create", {"experiment_id": "0", "run_name": "sources"},
         mvrun="run.info.run_id", mvuri="run.info.artifact_uri"),
    post("another run", "runs/create", {"experiment_id": "0", "run_name": "other"},
         mvother="run.info.run_id", mvotheruri="run.info.artifact_uri"),
    post("a logged model", "logged-models",
         {"experiment_id": "0", "name": "logged", "source_run_id": "${mvrun}"},
         mvmodel="model.info.model_id", mvmodeluri="model.info.artifact_uri"),
    _source("gs://b/c"),
    _source("dbfs:/c"),
    _source("wasbs://c@a.blob.core.windows.net/x"),
    _source("other://x/y"),
    _source("s3://b//c//d"),
    *(_source(source) for source in (
        "s3://b", "s3://b/", "s3:b/c", "s3://b/../c", "s3://b/./c", "s3://b/%2e%2e/c",
        "s3://b/%252e%252e%252fc", "s3://b/c%00", "http://[::1/c", "C:\\model",
        "hdfs://namenode/c", "viewfs:///c", "ftp://host/c", "r2://b@host/c", "abfss://f@a.net/c",
        "https://elsewhere.example.com/c", "mlflow-artifacts://elsewhere/0/x",
        "mlflow-artifacts:/0/x", "/etc/passwd", "file:///etc/passwd", "file://host/etc/passwd",
        "model", "../model", ".", f"{_SERVED}/x",
    )),
    _source("/etc/passwd", run_id="${mvrun}"),
    _source("file:///etc", run_id="${mvrun}"),
    _source("model", run_id="${mvrun}"),
    _source("mlflow-artifacts:/0/x", run_id="${mvrun}"),
    _source("${mvuri}/model", run_id="${mvrun}"),
    _source("${mvuri}", run_id="${mvrun}"),
    _source("${mvuri}//a/", run_id="${mvrun}"),
    _source("${mvuri}"),
    _source("${mvuri}/1", run_id=""),
    _source("${mvuri}/2", run_id="0" * 32),
    _source("${mvuri}/3", run_id="${mvother}"),
    _source("${mvotheruri}", run_id="${mvrun}"),
    _source("${mvuri}x", run_id="${mvrun}"),
    _source("${mvuri}/../x", run_id="${mvrun}"),
    _source("${mvuri}/%2e%2e/x", run_id="${mvrun}"),
    _source("${mvuri}/4", model_id="${mvmodel}", run_id="${mvrun}"),
    _source("${mvmodeluri}", model_id="${mvmodel}"),
    _source("${mvmodeluri}/sub", model_id="${mvmodel}"),
    _source("${mvmodeluri}"),
    _source("${mvmodeluri}/1", model_id="m-none"),
    _source("${mvmodeluri}/2", run_id="${mvrun}"),
    _source("s3://b/c", model_id="${mvmodel}"),
    _source("s3://b/d", model_id="m-none"),
    _source("models:/${mvmodel}", model_id="${mvmodel}"),
    _source("MODELS:/${mvmodel}", model_id="${mvmodel}"),
    _source("models:/${mvmodel}", model_id="${mvmodel}", run_id="${mvother}"),
    _source("models:/${mvmodel}"),
    _source("models:/${mvmodel}/", model_id="${mvmodel}"),
    _source("models://host/${mvmodel}", model_id="${mvmodel}"),
    _source("models:/m-other", model_id="${mvmodel}"),
    _source("models:/m-none", model_id="m-none"),
    get("the logged model knows its versions", "logged-models/${mvmodel}"),
    _source("runs:/${mvrun}/model", run_id="${mvrun}"),
    _source("runs:/${mvrun}", run_id="${mvrun}"),
    _source("runs:/r/model", run_id="r"),
    _source("runs:/${mvrun}/model"),
    _source("runs:/${mvrun}/model/", run_id="${mvother}"),
    _source("runs:/${mvrun}/model", model_id="${mvmodel}"),
    _source("runs://host/${mvrun}/model", run_id="${mvrun}"),
    _source("runs:/", run_id="r"),
    _source("runs:r/model", run_id="r"),
    post("an alias", "registered-models/alias", {"name": "mv2", "alias": "a", "version": "1"}),
    post("a stage", _STAGE, {"name": "mv2", "version": "2", "stage": "Staging"}),
    *(_source(source) for source in (
        "models:/mv2/1", "models:/mv2/01", "models:/mv2@a", "models:/mv2@latest",
        "models:/mv2/latest", "models:/mv2/LATEST", "models:/mv2/staging", "models:/mv2/none",
        "models:/mv2/99", "models:/mv2/Production", "models:/mv2/prod", "models:/mv2@none",
        "models:/mv2@", "models:/mv2/", "models:/mv2/1/x", "models:/", "models:mv2/1",
        "models://host/mv2/1", "models:/nobody/1", "models:/nobody@a", "models:/a:b/1",
    )),
    _source("models:/mv2/1", run_id=""),
    _source("models:/mv2/1", run_id="${mvrun}"),
    _source("models:/mv2/1", model_id="${mvmodel}"),
    _source("models:/mv2/1", model_id=""),
    *(_uri(f"the URI of copy {number}", str(number), "mv2") for number in range(1, 24)),
    get("the model with all its sources", "registered-models/get", {"name": "mv2"}),
]  # fmt: skip

_DELETING = [
    post("an alias to go", "registered-models/alias", {
        "name": "mv1", "alias": "gone", "version": "4",
    }),
    delete("delete", "model-versions/delete", {"name": "mv1", "version": "4"}),
    delete("delete it once more", "model-versions/delete", {"name": "mv1", "version": "4"}),
    delete("delete a word", "model-versions/delete", {"name": "mv1", "version": "one"}),
    delete("delete without a version", "model-versions/delete", {"name": "mv1"}),
    delete("delete of nobody", "model-versions/delete", {"name": "nobody", "version": "1"}),
    _get("get the deleted one", "4"),
    _uri("the URI of the deleted one", "4"),
    _source("models:/mv1/4"),
    get("its alias is gone", "registered-models/alias", {"name": "mv1", "alias": "gone"}),
    get("the others stay", "registered-models/get", {"name": "mv1"}),
    _create("its number is not given again"),
]  # fmt: skip

_PROMPTS = [
    post("a prompt", "registered-models/create", {"name": "mvp", "tags": [_PROMPT]}),
    _create("a prompt's version", "mvp", source="dummy-source", tags=[_PROMPT, _TEXT]),
    _create("a prompt's version of the store", "mvp", source="prompt-template", tags=[_PROMPT]),
    _create("a prompt's version with a place", "mvp", tags=[_PROMPT]),
    _create("a prompt's version with a path", "mvp", source="/etc", tags=[_PROMPT]),
    _create("a text of 100001", "mvp", source="dummy-source", tags=[
        _PROMPT, {"key": "mlflow.prompt.text", "value": "x" * 100_001},
    ]),
    _create("a placeholder for a model", source="dummy-source"),
    _create("a copy of a prompt", source="models:/mvp/1"),
    _get("get a prompt's version", "1", "mvp"),
    _uri("the URI of a prompt's version", "1", "mvp"),
    get("the latest prompt", "registered-models/alias", {"name": "mvp", "alias": "latest"}),
    _create("a prompt in a model", source="dummy-source", tags=[_PROMPT]),
    _create("a model in a prompt", "mvp"),
]  # fmt: skip

REQUESTS = [*_CREATING, *_STAGES, *_TAGS, *_SOURCES, *_DELETING, *_PROMPTS]

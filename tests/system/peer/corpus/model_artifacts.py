"""The artifacts of logged models and of model versions, as the metadata host has them."""

from tests.system.peer.ask import ARTIFACTS, Ask, get, post

_UNKNOWN = "m-" + "0" * 32
_FILES = "/ajax-api/2.0/mlflow/logged-models"
_ROOT = "${mafiles}/models/${ma}/artifacts"


def _put(name: str, path: str, body: bytes) -> Ask:
    return Ask(name, "PUT", f"{ARTIFACTS}artifacts/{_ROOT}/{path}", body)


def _list(title: str, path: str | None = None, model: str = "${ma}") -> Ask:
    query = {} if path is None else {"artifact_directory_path": path}
    return get(title, f"logged-models/{model}/artifacts/directories", query)


def _file(title: str, path: str | None, model: str = "${ma}") -> Ask:
    query = {} if path is None else {"artifact_file_path": path}
    return get(title, f"{_FILES}/{model}/artifacts/files", query)


def _version(title: str, /, **query: str) -> Ask:
    query = {"name": "with artifacts", "version": "1", "path": "MLmodel", **query}
    given = {key: value for key, value in query.items() if value != "-"}
    return get(title, "/model-versions/get-artifact", given)


REQUESTS = [
    post("an experiment", "experiments/create", {"name": "ma"}, mafiles="experiment_id"),
    post(
        "a model",
        "logged-models",
        {"experiment_id": "${mafiles}", "name": "files"},
        ma="model.info.model_id",
    ),
    _list("the artifacts of an empty model"),
    _put("upload for the model", "MLmodel", b"flavors: {}\n"),
    _put("upload deeper", "data/sub/a.txt", b"deep"),
    _put("upload a unicode name", "data/%E6%97%A5%20%2B.txt", b"day"),
    _list("the artifacts of a model"),
    _list("the artifacts below an empty path", ""),
    _list("the artifacts below a directory", "data"),
    _list("the artifacts below a directory with a slash", "data/"),
    _list("the artifacts further below", "data/sub"),
    _list("the artifacts below a file", "MLmodel"),
    _list("the artifacts below nothing", "nosuch"),
    _list("the artifacts above the model", "../"),
    _list("the artifacts above the model, encoded", "%2e%2e/"),
    _list("the artifacts of an absolute path", "/etc"),
    _list("the artifacts of an unknown model", model=_UNKNOWN),
    get(
        "the ajax twin of a listing",
        "/ajax-api/2.0/mlflow/logged-models/${ma}/artifacts/directories",
    ),
    _file("a file", "MLmodel"),
    _file("a deep file", "data/sub/a.txt"),
    _file("a file with a unicode name", "data/日 +.txt"),
    _file("a file that is not there", "nosuch"),
    _file("a file above the model", "../../x"),
    _file("a file of an absolute path", "/etc/passwd"),
    _file("a directory as a file", "data"),
    _file("a file without a path", None),
    _file("a file of an empty path", ""),
    _file("a file of an unknown model", "MLmodel", _UNKNOWN),
    get("a file without the web's prefix", "logged-models/${ma}/artifacts/files", {
        "artifact_file_path": "MLmodel",
    }),
    post("a registered model", "registered-models/create", {"name": "with artifacts"}),
    post("a version", "model-versions/create", {
        "name": "with artifacts", "source": "models:/${ma}", "model_id": "${ma}",
    }),
    _version("a version's file"),
    _version("a version's deep file", path="data/sub/a.txt"),
    _version("a version's file that is not there", path="nosuch"),
    _version("a file above a version", path="../../x"),
    _version("a file of a version, of an absolute path", path="/etc/passwd"),
    _version("a directory of a version as a file", path="data"),
    _version("a file of no version", version="-"),
    _version("a file of no model", name="-"),
    _version("no file of a version", path="-"),
    _version("a file of an unknown version", version="2"),
    _version("a file of a version that is a word", version="one"),
    _version("a file of an unknown model's version", name="nosuch"),
    get("a version's file under the API", "model-versions/get-artifact", {
        "name": "with artifacts", "version": "1", "path": "MLmodel",
    }),
]  # fmt: skip

"""The artifact proxy, and what the metadata host says of artifacts."""

from typing import Any

from tests.system.peer.ask import ARTIFACTS, Ask, get, post

_FILES = f"{ARTIFACTS}artifacts"
_AT = 1660000000000


def _put(name: str, path: str, body: bytes, **headers: str) -> Ask:
    return Ask(name, "PUT", f"{_FILES}/{path}", body, headers=headers)


def _down(name: str, path: str) -> Ask:
    return Ask(name, "GET", f"{_FILES}/{path}")


def _head(name: str, path: str) -> Ask:
    return Ask(name, "HEAD", f"{_FILES}/{path}")


def _delete(name: str, path: str) -> Ask:
    return Ask(name, "DELETE", f"{_FILES}/{path}")


def _list(name: str, **query: Any) -> Ask:
    return get(name, _FILES, query)


def _sign(what: str, name: str, /, **body: Any) -> Ask:
    """A request for a presigned URL; None leaves a field out."""
    given = {"run_id": "${a1}", "path": "top.txt", **body}
    fields = {key: value for key, value in given.items() if value is not None}
    return post(f"sign {what} {name}", f"artifacts/presigned-{what}-url", fields)


def _upload(name: str, body: bytes = b"up", /, kind: str = "text/plain", **query: str) -> Ask:
    """An upload by the web UI's endpoint; "-" leaves a parameter out."""
    query = {"run_uuid": "${a1}", "path": "up/x.txt", **query}
    given = tuple((key, value) for key, value in query.items() if value != "-")
    headers = {"Content-Type": kind} if kind else {}
    return Ask(name, "POST", _UPLOAD, body, given, headers)


_UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"
_IMAGE = "k%25step%250%25timestamp%251795885658165%2507ab.png"
"""As clients 2.15 to 3.10 send it."""
_MOST = 10 * 1024 * 1024
_PART = {"part_number": 1, "etag": "e", "url": "http://127.0.0.1/p"}

REQUESTS = [
    _list("list the empty root"),
    _list("list a directory that is not there", path="peer"),
    _put("upload a text", "peer/a.txt", b"hello"),
    _put("upload an empty file", "peer/empty.bin", b""),
    _put("upload deeper", "peer/sub/b.json", b'{"a": 1}'),
    _put("upload deeper still", "peer/sub/deep/c.csv", b"a,b\n1,2\n"),
    _put("upload a name with spaces", "peer/with%20space.txt", b"space"),
    _put("upload a unicode name", "peer/%E6%97%A5%E6%9C%AC.txt", "日本".encode()),
    _put("upload a name with a plus", "peer/a+b.txt", b"plus"),
    _put("upload an image's name", f"names/{_IMAGE}", b"image"),
    _put("upload a name with an encoded letter", "names/k%25st%2541.png", b"letter"),
    _put("upload a name with half a character", "names/k%25st%25ff.png", b"half"),
    _put("upload a name with an encoded slash", "names/k%25st%252fa.png", b"slash"),
    _put("upload a name with an encoded hash", "names/k%25st%2523a.png", b"hash"),
    _list("list names with percent signs", path="names"),
    _list("list a name that was a slash", path="names/k%st"),
    _down("download an image's name", f"names/{_IMAGE}"),
    _down("download a name with an encoded letter", "names/k%25st%2541.png"),
    _down("download what came of it", "names/k%25stA.png"),
    _down("download a name with half a character", "names/k%25st%EF%BF%BD.png"),
    _put("upload with a type", "peer/typed.html", b"<b>x</b>", **{"Content-Type": "text/html"}),
    _put("upload without an extension", "peer/README", b"plain"),
    _put("upload an image", "peer/dot.png", b"\x89PNG\r\n\x1a\n"),
    _put("overwrite", "peer/a.txt", b"hello again"),
    _down("download a text", "peer/a.txt"),
    _down("download an empty file", "peer/empty.bin"),
    _down("download JSON", "peer/sub/b.json"),
    _down("download CSV", "peer/sub/deep/c.csv"),
    _down("download a name with spaces", "peer/with%20space.txt"),
    _down("download a unicode name", "peer/%E6%97%A5%E6%9C%AC.txt"),
    _down("download a name with a plus", "peer/a+b.txt"),
    _down("download HTML", "peer/typed.html"),
    _down("download without an extension", "peer/README"),
    _down("download an image", "peer/dot.png"),
    _down("download what is not there", "peer/nosuch.txt"),
    _down("download a directory", "peer/sub"),
    _head("the head of a file", "peer/a.txt"),
    _list("list the root"),
    _list("list a directory", path="peer"),
    _list("list a directory with a slash", path="peer/"),
    _list("list deeper", path="peer/sub"),
    _list("list a file", path="peer/a.txt"),
    _list("list an empty path", path=""),
    _list("list a path that climbs", path="../"),
    _list("list a path that climbs inside", path="peer/../.."),
    _list("list an absolute path", path="/etc"),
    _list("list a path that climbs, encoded", path="%2e%2e/"),
    _list("list a path that climbs, encoded twice", path="%252e%252e/"),
    _list("list a path with a fragment", path="peer#x"),
    _list("list a path with a query", path="peer?x"),
    _list("list a file scheme", path="file:///etc"),
    _down("download a path that climbs", "../../etc/passwd"),
    _down("download a path that climbs, encoded", "%2e%2e/%2e%2e/etc/passwd"),
    _down("download a path that climbs, encoded twice", "%252e%252e/%252e%252e/etc/passwd"),
    _down("download an absolute path", "/etc/passwd"),
    _down("download an absolute path, encoded", "%2Fetc%2Fpasswd"),
    _down("download a path with a backslash", "..%5C..%5Cetc"),
    _put("upload a path that climbs", "peer/../../x", b"x"),
    _put("upload a path that climbs, encoded", "peer/%2e%2e/%2e%2e/x", b"x"),
    _put("upload an absolute path, encoded", "%2Ftmp%2Fx", b"x"),
    _put("upload over a directory", "peer/sub", b"x"),
    _put("upload below a file", "peer/a.txt/b.txt", b"x"),
    _delete("delete a path that climbs", "peer/%2e%2e/%2e%2e/x"),
    _delete("delete a file", "peer/a.txt"),
    _down("it is gone", "peer/a.txt"),
    _delete("delete a file that is not there", "peer/nosuch.txt"),
    _delete("delete a directory", "peer/sub"),
    _list("list after deleting", path="peer"),
    post(
        "a multipart upload to disk",
        f"{ARTIFACTS}mpu/create/peer/big",
        {"path": "big", "num_parts": 2},
    ),
    post(
        "complete no multipart upload",
        f"{ARTIFACTS}mpu/complete/peer/big",
        {"path": "big", "upload_id": "u", "parts": [_PART]},
    ),
    post(
        "abort no multipart upload",
        f"{ARTIFACTS}mpu/abort/peer/big",
        {"path": "big", "upload_id": "u"},
    ),
    get("a presigned URL on disk", f"{ARTIFACTS}presigned/peer/README"),
    get("the ajax twin of a listing", "/ajax-api/2.0/mlflow-artifacts/artifacts", {"path": "peer"}),
    post("upload by POST", f"{_FILES}/peer/x", {}),
    Ask("delete everything", "DELETE", _FILES),
    post(
        "an experiment with artifacts",
        "experiments/create",
        {"name": "files"},
        files="experiment_id",
    ),
    post(
        "a run with artifacts",
        "runs/create",
        {"experiment_id": "${files}", "run_name": "with files", "start_time": _AT},
        a1="run.info.run_id",
    ),
    get("the artifacts of an empty run", "artifacts/list", {"run_id": "${a1}"}),
    _put("upload for the run", "${files}/${a1}/artifacts/m/model.txt", b"model"),
    _put("upload more for the run", "${files}/${a1}/artifacts/top.txt", b"top!"),
    get("the artifacts of a run", "artifacts/list", {"run_id": "${a1}"}),
    get("the artifacts of a run by run_uuid", "artifacts/list", {"run_uuid": "${a1}"}),
    get("the artifacts below a directory", "artifacts/list", {"run_id": "${a1}", "path": "m"}),
    get("the artifacts below a file", "artifacts/list", {"run_id": "${a1}", "path": "top.txt"}),
    get("the artifacts below nothing", "artifacts/list", {"run_id": "${a1}", "path": "nosuch"}),
    get("the artifacts above the run", "artifacts/list", {"run_id": "${a1}", "path": "../"}),
    get("the artifacts of an absolute path", "artifacts/list", {"run_id": "${a1}", "path": "/etc"}),
    get("the artifacts of no run", "artifacts/list"),
    get("the artifacts of an unknown run", "artifacts/list", {"run_id": "0" * 32}),
    get("fetch an artifact", "/get-artifact", {"run_id": "${a1}", "path": "m/model.txt"}),
    get("fetch an artifact by run_uuid", "/get-artifact", {"run_uuid": "${a1}", "path": "top.txt"}),
    get("fetch what is not there", "/get-artifact", {"run_id": "${a1}", "path": "nosuch.txt"}),
    get("fetch above the run", "/get-artifact", {"run_id": "${a1}", "path": "../../x"}),
    get("fetch without a path", "/get-artifact", {"run_id": "${a1}"}),
    get("fetch without a run", "/get-artifact", {"path": "top.txt"}),
    get("fetch from an unknown run", "/get-artifact", {"run_id": "0" * 32, "path": "top.txt"}),
    *(
        ask
        for what in ("upload", "download")
        for ask in (
            _sign(what, "of a run"),
            _sign(what, "without a run", run_id=None),
            _sign(what, "without a path", path=None),
            _sign(what, "above the run", path="../x"),
            _sign(what, "of an unknown run", run_id="0" * 32),
            _sign(what, "for a word", expiration="soon"),
        )
    ),
    _sign("upload", "of a run and a model", model_id="m-1"),
    _sign("upload", "of an unknown model", run_id=None, model_id="m-" + "0" * 32),
    _sign("download", "for no time", expiration=0),
    _sign("download", "for too long", expiration=604801),
    _upload("upload from the web"),
    _upload("upload from the web again", b'{"a": 1}', kind="application/json"),
    _upload("upload from the web to the top", path="web.txt"),
    _upload("upload from the web without a type", kind="", path="up/untyped"),
    _upload("upload from the web by a name", path="up/a b%20é+;c.txt"),
    _upload("upload from the web without a run", run_uuid="-"),
    _upload("upload from the web by run_id", run_uuid="-", run_id="${a1}"),
    _upload("upload from the web without a path", path="-"),
    _upload("upload from the web to an empty path", path=""),
    _upload("upload from the web for an unknown run", run_uuid="0" * 32),
    _upload("upload from the web above the run", path="../x"),
    _upload("upload from the web above the run, encoded", path="%2e%2e/x"),
    _upload("upload from the web to an absolute path", path="/etc/x"),
    _upload("upload from the web with a fragment", path="up/a#b"),
    _upload("upload from the web to a directory", path="up"),
    _upload("upload from the web to a directory with a slash", path="up/"),
    _upload("upload from the web below a file", path="up/x.txt/y"),
    _upload("upload from the web of nothing", b""),
    _upload("upload from the web of a form", b"a=b", kind="application/x-www-form-urlencoded"),
    _upload("upload from the web of parts", b"--x", kind="multipart/form-data; boundary=x"),
    _upload("upload from the web of 10 MiB", b"x" * _MOST, path="up/long"),
    _upload("upload from the web of more than 10 MiB", b"x" * (_MOST + 1)),
    get("upload from the web by GET", _UPLOAD, {"run_uuid": "${a1}", "path": "up/x.txt"}),
    Ask("upload from the web by PUT", "PUT", _UPLOAD, b"x"),
    Ask("upload from the web under the API", "POST", "/api/2.0/mlflow/upload-artifact", b"x"),
    get("what was uploaded from the web", "artifacts/list", {"run_id": "${a1}", "path": "up"}),
    get("fetch what was uploaded", "/get-artifact", {"run_id": "${a1}", "path": "up/x.txt"}),
    post("delete the run with artifacts", "runs/delete", {"run_id": "${a1}"}),
    _upload("upload from the web for a deleted run", path="up/late.txt"),
]

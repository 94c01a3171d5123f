"""Bad input to both services for real: each a 4xx that says what to change, and nothing stored."""

import json
import os
import socket
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.harness.processes import Process, eventually
from tests.system import services
from tests.system.services import Stack

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"

RUN = object()
"""Stands for the id of the run under test."""
DELETED = object()
"""Stands for the id of a deleted run."""
UNKNOWN = "f" * 32


def _post(service: Process, path: str, body: Any) -> requests.Response:
    headers = {"Content-Type": "application/json"}
    data = body if isinstance(body, bytes) else json.dumps(body)
    return requests.post(service.url + path, data=data, headers=headers, timeout=60)


class Scene:
    """A run with something in it, its experiment, and a deleted run."""

    def __init__(self, stack: Stack) -> None:
        self.metadata = stack.metadata
        name = f"bad-{uuid.uuid4().hex}"
        self.experiment = self.post("experiments/create", {"name": name})["experiment_id"]
        self.run = self._create()
        self.deleted = self._create()
        self.post("runs/delete", {"run_id": self.deleted})
        self.post("runs/log-parameter", {"run_id": self.run, "key": "p", "value": "1"})
        metric = {"run_id": self.run, "key": "m", "value": 1, "timestamp": 1}
        self.post("runs/log-metric", metric)

    def _create(self) -> str:
        run = self.post("runs/create", {"experiment_id": self.experiment})["run"]
        run_id: str = run["info"]["run_id"]
        return run_id

    def post(self, path: str, body: Any) -> Any:
        response = _post(self.metadata, f"{API}/{path}", body)
        assert response.status_code == 200, response.text
        return response.json()

    def everything(self) -> list[Any]:
        """All that the database holds of experiments and runs, as the API shows it."""
        experiments = self.post("experiments/search", {"max_results": 10_000, "view_type": "ALL"})
        ids = [each["experiment_id"] for each in experiments["experiments"]]
        runs = self.post("runs/search", {"experiment_ids": ids, "run_view_type": "ALL"})
        return [experiments, runs]

    def fill(self, value: Any) -> Any:
        """The value with the scene's ids in place of their stand-ins."""
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        return {id(RUN): self.run, id(DELETED): self.deleted}.get(id(value), value)


@pytest.fixture(scope="module")
def scene(stack: Stack) -> Scene:
    return Scene(stack)


def _metric(**fields: Any) -> dict[str, Any]:
    return {"run_id": RUN, "key": "k", "value": 1, "timestamp": 1, **fields}


_BODIES = {
    "a brace too few": ("experiments/create", b'{"name": "x"', 400, "JSON"),
    "no JSON": ("runs/log-metric", b"key=loss", 400, "JSON"),
    "a list": ("runs/create", b"[]", 400, "object"),
    "no UTF-8": ("experiments/create", b'{"name": "\xff"}', 400, "UTF-8"),
    "a deep nest": ("runs/create", b'{"a":' * 5000 + b"1" + b"}" * 5000, 400, "nested"),
    "a number too long": ("runs/log-metric", b'{"value": ' + b"9" * 5000 + b"}", 400, ""),
    "a number for a name": ("experiments/create", {"name": 7}, 400, "'name'"),
    "a list for tags": ("runs/create", {"experiment_id": "0", "tags": [1]}, 400, "tags"),
    "a word for a value": ("runs/log-metric", _metric(value="high"), 400, "'value'"),
    "a word for a step": ("runs/log-metric", _metric(step="first"), 400, "'step'"),
    "a step beyond int64": ("runs/log-metric", _metric(step=2**63), 400, "'step'"),
    "a timestamp beyond int64": ("runs/log-metric", _metric(timestamp=-(2**63) - 1), 400, "'tim"),
    "no name": ("experiments/create", {}, 400, "'name'"),
    "no key": ("runs/log-metric", {"run_id": RUN, "value": 1, "timestamp": 1}, 400, "'key'"),
    "no run": ("runs/set-tag", {"key": "k", "value": "v"}, 400, "'run_id'"),
    "no dataset": ("runs/log-inputs", {"run_id": RUN, "datasets": [{}]}, 400, "dataset"),
    "an unknown run": ("runs/log-metric", _metric(run_id=UNKNOWN), 404, UNKNOWN),
    "an unknown experiment": ("runs/create", {"experiment_id": "987654321"}, 404, "987654321"),
    "an experiment beyond int64": ("experiments/delete", {"experiment_id": "9" * 25}, 4, ""),
    "an experiment that is no number": ("runs/create", {"experiment_id": "x"}, 400, "x"),
    "a deleted run": ("runs/log-metric", _metric(run_id=DELETED), 400, "deleted"),
    "a batch for a deleted run": (
        "runs/log-batch",
        {"run_id": DELETED, "params": [{"key": "a", "value": "b"}]},
        400,
        "deleted",
    ),
    "another value for a param": (
        "runs/log-parameter",
        {"run_id": RUN, "key": "p", "value": "2"},
        400,
        "'p'",
    ),
    "a long metric key": ("runs/log-metric", _metric(key="k" * 251), 400, "250"),
    "a long param key": (
        "runs/log-parameter",
        {"run_id": RUN, "key": "k" * 251, "value": ""},
        400,
        "250",
    ),
    "a long tag key": ("runs/set-tag", {"run_id": RUN, "key": "k" * 251, "value": ""}, 400, "250"),
    "a long experiment name": ("experiments/create", {"name": "n" * 501}, 400, "name"),
    "a long digest": (
        "runs/log-inputs",
        {
            "run_id": RUN,
            "datasets": [
                {"dataset": {"name": "n", "digest": "d" * 37, "source_type": "s", "source": "s"}}
            ],
        },
        400,
        "36",
    ),
    "1001 metrics": (
        "runs/log-batch",
        {"run_id": RUN, "metrics": [{"key": "k", "value": 1, "timestamp": 1}] * 1001},
        400,
        "1000",
    ),
    "a bad tag after good metrics": (
        "runs/log-batch",
        {
            "run_id": RUN,
            "metrics": [{"key": "good", "value": 1, "timestamp": 1}],
            "tags": [{"key": "a\nb", "value": "v"}],
        },
        400,
        "tags",
    ),
    "a changed param after good metrics": (
        "runs/log-batch",
        {
            "run_id": RUN,
            "metrics": [{"key": "good", "value": 1, "timestamp": 1}],
            "params": [{"key": "new", "value": "1"}, {"key": "p", "value": "2"}],
        },
        400,
        "'p'",
    ),
    "a NUL in a name": ("experiments/create", {"name": "a\0b"}, 400, "NUL"),
    "a NUL in a tag": ("runs/set-tag", {"run_id": RUN, "key": "k", "value": "a\0b"}, 400, "NUL"),
    "a NUL in a run id": ("runs/delete", {"run_id": "a\0b"}, 400, "NUL"),
    "a control character in a key": ("runs/log-metric", _metric(key="a\x07b"), 400, "key"),
    "a control character in a name": ("experiments/create", {"name": "a\x1bb"}, 400, "control"),
    "half a surrogate": ("experiments/create", b'{"name": "\\udc00"}', 400, "surrogate"),
    "a key that climbs": ("runs/log-metric", _metric(key="../k"), 400, "../k"),
    "a key that is absolute": ("runs/log-metric", _metric(key="/k"), 400, "/k"),
    "a param key that climbs": (
        "runs/log-parameter",
        {"run_id": RUN, "key": "a/../b", "value": "1"},
        400,
        "a/../b",
    ),
    "a tag key with a double slash": (
        "runs/set-tag",
        {"run_id": RUN, "key": "a//b", "value": "1"},
        400,
        "a//b",
    ),
    "a location that climbs": (
        "experiments/create",
        {"name": "climber", "artifact_location": "mlflow-artifacts:/a/../../b"},
        400,
        "'..'",
    ),
    "a model that is no JSON": ("runs/log-model", {"run_id": RUN, "model_json": "{"}, 400, "model"),
}


@pytest.mark.parametrize("case", _BODIES)
def test_a_bad_request_is_refused_and_stores_nothing(case: str, scene: Scene) -> None:
    path, body, status, word = _BODIES[case]
    before = scene.everything()
    response = _post(scene.metadata, f"{API}/{path}", scene.fill(body))
    _assert_refused(response, status, word)
    assert scene.everything() == before


def _assert_refused(response: requests.Response, status: int, word: str) -> None:
    assert status in (response.status_code, response.status_code // 100), response.text
    answer = response.json()
    assert answer["error_code"] not in ("INTERNAL_ERROR", "")
    assert word in answer["message"]
    assert "Traceback" not in answer["message"]


_FILTERS = {
    "metrics.loss <": "<",
    "metrics.loss < 'abc'": "'abc'",
    "nosuch.key = 'x'": "nosuch",
    "attributes.nosuch = 'x'": "nosuch",
    "params.p = 'a' XOR params.p = 'b'": "XOR",
    "params.p = 'open": "'open",
    "params.p ~ 'x'": "~",
    "tags.t = 'a' tags.t = 'b'": "tags.t",
    "params.p = 'a'; DROP TABLE runs": ";",
}


@pytest.mark.parametrize("text", _FILTERS)
def test_a_bad_filter_is_refused_with_the_part_at_fault(text: str, scene: Scene) -> None:
    body = {"experiment_ids": [scene.experiment], "filter": text}
    response = _post(scene.metadata, f"{API}/runs/search", body)
    _assert_refused(response, 400, _FILTERS[text])


def test_a_page_token_belongs_to_its_query(scene: Scene) -> None:
    query = {"experiment_ids": [scene.experiment], "run_view_type": "ALL", "max_results": 1}
    token = scene.post("runs/search", {**query, "order_by": ["run_name"]})["next_page_token"]
    for other in (
        {**query, "order_by": ["start_time"]},
        {**query, "order_by": ["run_name"], "filter": "metrics.m = 1"},
        {**query, "order_by": ["run_name"], "run_view_type": "ACTIVE_ONLY"},
    ):
        response = _post(scene.metadata, f"{API}/runs/search", {**other, "page_token": token})
        _assert_refused(response, 400, "page_token")
    experiments = {"max_results": 1, "page_token": token}
    response = _post(scene.metadata, f"{API}/experiments/search", experiments)
    _assert_refused(response, 400, "page_token")


_PATHS = (
    "..", "../x", "a/../../x", "%2e%2e/x", "a/%2e%2e/%2e%2e/x", "%252e%252e/x", "a/%252e%252e/x",
    "%2Fetc/x", "/etc/x", "%252Fetc%252Fx", "a//b", "a/./b", "./b", "a%0ab", "a%5C..%5Cb", "C:%5Cx",
    "a%23b", "x" * 300, "a/" * 600 + "b",
)  # fmt: skip


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
@pytest.mark.parametrize("path", _PATHS)
def test_a_bad_path_is_refused_and_stores_nothing(method: str, path: str, stack: Stack) -> None:
    before = _names(stack)
    response = _raw(stack.artifacts, method, f"{FILES}/{path}", b"x" if method == "PUT" else b"")
    status = int(response.split(b" ", 2)[1])
    assert 400 <= status < 500, response
    assert b"INVALID_PARAMETER_VALUE" in response
    assert _names(stack) == before


@pytest.mark.parametrize("path", ["..", "a/../..", "/etc", "%2e%2e", "%252e%252e", "a\0b", "a//b"])
def test_a_bad_path_is_not_listed(path: str, stack: Stack, scene: Scene) -> None:
    for url, query in (
        (stack.artifacts.url + FILES, {"path": path}),
        (f"{stack.metadata.url}{API}/artifacts/list", {"run_id": scene.run, "path": path}),
        (f"{stack.metadata.url}/get-artifact", {"run_id": scene.run, "path": path}),
    ):
        _assert_refused(requests.get(url, params=query), 400, "path")


def _names(stack: Stack) -> list[str]:
    files = requests.get(stack.artifacts.url + FILES).json().get("files", [])
    return [file["path"] for file in files]


def test_a_directory_is_not_fetched_as_a_file(stack: Stack) -> None:
    place = f"{stack.artifacts.url}{FILES}/dir-{uuid.uuid4().hex}"
    assert requests.put(f"{place}/sub/a.txt", data=b"a").status_code == 200
    assert requests.get(f"{place}/sub").status_code in (400, 404)
    below_a_file = requests.put(f"{place}/sub/a.txt/b", data=b"b")
    # An object store has no directories: there both names can be.
    assert below_a_file.status_code == (200 if stack.destination.startswith("s3:") else 400)
    assert requests.get(f"{place}/sub/a.txt").content == b"a"


def test_a_body_shorter_than_announced_leaves_nothing(stack: Stack) -> None:
    name = f"short-{uuid.uuid4().hex}.bin"
    host, port = _address(stack.artifacts)
    with socket.create_connection((host, port), timeout=30) as connection:
        head = f"PUT {FILES}/{name} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 500_000)
    eventually(lambda: _logged(stack.artifacts, name))
    assert requests.get(f"{stack.artifacts.url}{FILES}/{name}").status_code == 404
    assert name not in _names(stack)


def _logged(service: Process, name: str) -> bool:
    return any(name in str(line.get("path")) for line in service.log_lines())


def test_a_body_over_the_limit_is_refused(tmp_path: Path) -> None:
    limits = {"TANDEM_MAX_BODY_BYTES": "10000", "TANDEM_MAX_ARTIFACT_BYTES": "10000"}
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with services.stack(tmp_path, database, str(tmp_path / "files"), variables=limits) as stack:
        body = {"name": "x", "tags": [{"key": "k", "value": "v" * 10_000}]}
        response = _post(stack.metadata, f"{API}/experiments/create", body)
        _assert_refused(response, 413, "10000")
        found = _post(stack.metadata, f"{API}/experiments/search", {"max_results": 10})
        assert [each["name"] for each in found.json()["experiments"]] == ["Default"]
        url = f"{stack.artifacts.url}{FILES}/big.bin"
        _assert_refused(requests.put(url, data=b"x" * 10_001), 413, "10000")
        chunks = (b"x" * 1000 for _ in range(11))
        _assert_refused(requests.put(url, data=chunks), 413, "10000")
        assert requests.put(url, data=b"x" * 10_000).status_code == 200
        assert _names(stack) == ["big.bin"]


def test_a_symlink_out_of_the_root_is_not_followed(sqlite_stack: Stack, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    root = Path(sqlite_stack.destination)
    root.mkdir(exist_ok=True)
    os.symlink(outside, root / "link")
    os.symlink(outside / "secret.txt", root / "file-link")
    files = sqlite_stack.artifacts.url + FILES
    for path in ("link/secret.txt", "file-link"):
        response = requests.get(f"{files}/{path}")
        assert 400 <= response.status_code < 500
        assert "secret" not in response.text.replace(path, "")
    assert requests.get(files, params={"path": "link"}).json().get("files", []) == []
    response = requests.put(f"{files}/link/new.txt", data=b"x")
    assert 400 <= response.status_code < 500
    requests.delete(f"{files}/link/secret.txt")
    requests.delete(f"{files}/link")
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]


def _address(service: Process) -> tuple[str, int]:
    parts = urlsplit(service.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _raw(service: Process, method: str, target: str, body: bytes) -> bytes:
    """One request exactly as written: clients tidy such paths before they send them."""
    host, port = _address(service)
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(head.encode() + body)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer

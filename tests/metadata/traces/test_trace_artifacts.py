"""`get-trace-artifact`: stored spans, and the files that clients keep on the artifacts host."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from tandem_metadata.app import create_app
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces import spans
from tests.metadata.artifacts_host import ArtifactsHost, answer, serve
from tests.metadata.traces import rows

_TRACE = f"tr-{1:032x}"
_OLD = f"{2:032x}"
_ARCHIVED = f"tr-{3:032x}"
_NOWHERE = f"tr-{4:032x}"
_ATTACHMENT = "0b5f7f0c-6a8e-4d0e-9d0c-1f8f4f6c2a11"
_PATH = "/ajax-api/3.0/mlflow/get-trace-artifact"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture(scope="module")
def host() -> Iterator[ArtifactsHost]:
    with serve() as running:
        yield running


@pytest.fixture
def stored(host: ArtifactsHost, sqlite_template: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    """A database of some traces, and the documents of the spans of one."""
    path = Path(shutil.copy(sqlite_template, tmp_path / "mlflow.db"))
    database = Database(Settings(backend_store_uri=f"sqlite:///{path}"))
    with database.write() as conn:
        rows.experiment(conn, 1, f"{host.root}1")
        for trace_id, more in ((_TRACE, rows.IN_DATABASE), (_OLD, {})):
            location = f"{host.root}1/traces/{trace_id}/artifacts"
            rows.trace(conn, trace_id, tags={"mlflow.artifactLocation": location, **more})
        rows.trace(conn, _ARCHIVED, tags={"mlflow.trace.spansLocation": "ARCHIVE_REPO"})
        rows.trace(conn, _NOWHERE)
        documents = rows.spans(conn, _TRACE, 5, q="Grüße")
    database.close()
    return path, documents


@pytest.fixture
def http(host: ArtifactsHost, stored: tuple[Path, list[str]]) -> Iterator[httpx.Client]:
    host.seen.clear()
    host.answer = answer(b'{"spans": []}', Content_Type="text/html")
    settings = Settings(
        backend_store_uri=f"sqlite:///{stored[0]}",
        default_artifact_root=host.root,
        artifacts_timeout=5.0,
    )
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("part_spans", [2, spans.PART_SPANS])
@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_stored_spans_are_answered_as_they_are(
    http: httpx.Client,
    stored: tuple[Path, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    part_spans: int,
) -> None:
    monkeypatch.setattr(spans, "PART_SPANS", part_spans)
    if part_spans == 2:
        monkeypatch.setattr(spans, "PART_BYTES", 100)
    path = f"/ajax-api/{version}/mlflow/get-trace-artifact"
    given = http.get(path, params={"request_id": _TRACE})
    assert given.status_code == 200
    assert given.headers["content-disposition"] == "attachment; filename=traces.json"
    assert given.headers["content-type"].startswith("text/plain")
    assert given.headers["x-content-type-options"] == "nosniff"
    assert given.content == f'{{"spans":[{",".join(stored[1])}]}}'.encode()
    assert [span["name"] for span in json.loads(given.content)["spans"]] == [
        f"step {number}" for number in range(5)
    ]


def test_some_stored_spans(http: httpx.Client, stored: tuple[Path, list[str]]) -> None:
    given = http.get(_PATH, params={"request_id": _TRACE, "skip_spans": 3, "max_spans": 1})
    assert given.headers["x-tandem-spans"] == "5"
    assert given.content == f'{{"spans":[{stored[1][0]},{stored[1][3]}]}}'.encode()


def test_spans_in_a_file_are_relayed_as_an_attachment(
    http: httpx.Client, host: ArtifactsHost
) -> None:
    given = http.get(_PATH, params={"request_id": _OLD})
    assert (given.status_code, given.content) == (200, b'{"spans": []}')
    assert given.headers["content-disposition"] == "attachment; filename=traces.json"
    assert "sandbox" in given.headers["content-security-policy"]
    assert [path for path, _ in host.seen] == [f"{_FILES}/1/traces/{_OLD}/artifacts/traces.json"]


@pytest.mark.parametrize("trace_id", [_TRACE, _OLD])
def test_attachments_are_relayed(http: httpx.Client, host: ArtifactsHost, trace_id: str) -> None:
    host.answer = answer(b"\x89PNG")
    given = http.get(_PATH, params={"request_id": trace_id, "path": _ATTACHMENT})
    assert (given.status_code, given.content) == (200, b"\x89PNG")
    folder = f"{_FILES}/1/traces/{trace_id}/artifacts"
    assert [path for path, _ in host.seen] == [f"{folder}/attachments/{_ATTACHMENT}"]


@pytest.mark.parametrize(
    "path",
    [
        "../traces.json",
        "..",
        f"../{_ATTACHMENT}",
        f"{_ATTACHMENT}/..",
        f"%2e%2e/{_ATTACHMENT}",
        _ATTACHMENT.upper(),
        f"{_ATTACHMENT}\n",
        "a.png",
        "/etc/passwd",
    ],
)
def test_no_path_leaves_the_attachments_of_the_trace(
    http: httpx.Client, host: ArtifactsHost, path: str
) -> None:
    given = http.get(_PATH, params={"request_id": _OLD, "path": path})
    assert given.status_code == 400
    assert given.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert re.search("UUID|Invalid path", given.json()["message"])
    assert host.seen == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, (400, "BAD_REQUEST")),
        ({"path": _ATTACHMENT}, (400, "BAD_REQUEST")),
        ({"request_id": "tr-nobody"}, (404, "RESOURCE_DOES_NOT_EXIST")),
        ({"request_id": "tr-nobody", "path": _ATTACHMENT}, (404, "RESOURCE_DOES_NOT_EXIST")),
        ({"request_id": _ARCHIVED}, (404, "RESOURCE_DOES_NOT_EXIST")),
        ({"request_id": _NOWHERE}, (404, "RESOURCE_DOES_NOT_EXIST")),
        ({"request_id": _NOWHERE, "path": _ATTACHMENT}, (404, "RESOURCE_DOES_NOT_EXIST")),
    ],
)
def test_what_is_not_there_is_refused(
    http: httpx.Client, query: dict[str, str], expected: tuple[int, str]
) -> None:
    given = http.get(_PATH, params=query)
    assert (given.status_code, given.json()["error_code"]) == expected


def test_a_missing_file_is_not_found(http: httpx.Client, host: ArtifactsHost) -> None:
    host.answer = answer(b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}', 404)
    given = http.get(_PATH, params={"request_id": _OLD})
    assert (given.status_code, given.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_clients_ask_the_artifacts_service_and_not_under_api(http: httpx.Client) -> None:
    given = http.get(_PATH.replace("/ajax-api", "/api"), params={"request_id": _TRACE})
    assert given.status_code in (404, 501)

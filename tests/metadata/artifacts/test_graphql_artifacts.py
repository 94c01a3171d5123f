"""Listings of artifacts by GraphQL, which the artifacts service answers."""

from pathlib import Path
from typing import Any

import pytest

from tests.metadata.artifacts_host import ArtifactsHost, Handler, Metadata, answer, metadata

_FIELDS = "{ rootUri files { path isDir fileSize } nextPageToken apiError { code } }"
_FILES = (
    b'{"files": [{"path": "d", "is_dir": true}, {"path": "a", "is_dir": false, "file_size": 3}]}'
)
_LISTED = [
    {"path": "d", "isDir": True, "fileSize": "0"},
    {"path": "a", "isDir": False, "fileSize": "3"},
]


def _post(service: Metadata, query: str, headers: dict[str, str] | None = None) -> Any:
    body = {"query": query, "variables": {"run": service.run}}
    return service.http.post("/graphql", json=body, headers=headers)


def _ask(*fields: str) -> str:
    return f"query ($run: String) {{ {' '.join(fields)} }}"


def _list(path: str = "", alias: str = "found") -> str:
    given = f', path: "{path}"' if path else ""
    return f"{alias}: mlflowListArtifacts(input: {{runId: $run{given}}}) {_FIELDS}"


def test_graphql_lists_artifacts_by_the_callers_credentials(
    service: Metadata, host: ArtifactsHost
) -> None:
    host.answer = answer(_FILES)
    given = _post(service, _ask(_list()), {"Authorization": "Bearer t"}).json()
    assert given["errors"] is None
    assert given["data"]["found"] == {
        "rootUri": f"{host.root}e/{service.run}/artifacts", "files": _LISTED,
        "nextPageToken": "", "apiError": None,
    }  # fmt: skip
    [(_, headers)] = host.seen
    assert headers["authorization"] == "Bearer t"


def test_graphql_asks_once_for_a_listing_under_two_names(
    service: Metadata, host: ArtifactsHost
) -> None:
    host.answer = answer(_FILES)
    data = _post(service, _ask(_list(), _list(alias="same"), _list("d", "below"))).json()["data"]
    assert data["found"]["files"] == data["same"]["files"] == _LISTED
    assert [each["path"] for each in data["below"]["files"]] == ["d/d", "d/a"]
    assert len(host.seen) == 2


def test_graphql_listing_holds_no_connection_of_the_database(
    host: ArtifactsHost, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"TANDEM_POOL_SIZE": "1", "TANDEM_POOL_TIMEOUT": "1"}
    statuses = []

    def read_meanwhile(handler: Handler) -> None:
        read = running.http.get("/api/2.0/mlflow/experiments/get?experiment_id=0")
        statuses.append(read.status_code)
        answer(_FILES)(handler)

    host.answer = read_meanwhile
    with metadata(tmp_path, sqlite_template, monkeypatch, host.root, host.root, **one) as running:
        assert _post(running, _ask(_list())).json()["errors"] is None
    assert statuses == [200]


def test_graphql_error_of_a_listing_leaves_the_other_fields(
    host: ArtifactsHost, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = "mlflowGetRun(input: {runId: $run}) { run { info { status } } }"
    elsewhere = "mlflow-artifacts://elsewhere.example.com/"
    with metadata(tmp_path, sqlite_template, monkeypatch, host.root, elsewhere) as running:
        given = _post(running, _ask(_list(), run)).json()
    assert given["data"] == {
        "found": None, "mlflowGetRun": {"run": {"info": {"status": "RUNNING"}}},
    }  # fmt: skip
    [sentence] = given["errors"]
    assert "elsewhere.example.com" in sentence


@pytest.mark.parametrize("path", ["../x", "%2e%2e/x", "/etc"])
def test_graphql_listing_above_a_run_is_refused(
    service: Metadata, host: ArtifactsHost, path: str
) -> None:
    given = _post(service, _ask(_list(path))).json()
    assert given["data"] == {"found": None}
    assert "Invalid path" in given["errors"][0]
    assert host.seen == []


def test_graphql_listing_of_an_unknown_run_is_an_error(service: Metadata) -> None:
    query = f'{{ mlflowListArtifacts(input: {{runUuid: "nosuch"}}) {_FIELDS} }}'
    given = _post(service, query).json()
    assert given["data"] == {"mlflowListArtifacts": None}
    assert "nosuch" in given["errors"][0]


def test_graphql_listing_without_an_answer_is_a_503(service: Metadata, host: ArtifactsHost) -> None:
    host.answer = answer(b"", 500)
    given = _post(service, _ask(_list()))
    assert (given.status_code, given.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")


def test_graphql_listings_of_too_many_files_are_refused(
    service: Metadata, host: ArtifactsHost
) -> None:
    files = b",".join([b'{"path":"x","is_dir":false}'] * 60_000)
    host.answer = answer(b'{"files":[' + files + b"]}")
    given = _post(service, _ask(_list(), _list(alias="same"))).json()
    assert given["data"] is None
    assert "100000" in given["errors"][0]

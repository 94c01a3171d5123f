"""Tables of an experiment by URL, asked inside the test."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.routes import exports
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.export import kept_files, parquet, serving
from tests.metadata.api import INVALID, MISSING
from tests.metadata.tracking_api import Tracking
from tests.metadata.transfer.export.content import POINTS, Content


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where files are kept."""
    monkeypatch.setattr(serving, "folder_of", lambda _: tmp_path / "kept")
    return tmp_path / "kept"


@pytest.fixture
def api(settings: Settings, database: Database) -> Tracking:
    return Tracking(settings, database, exports.routes)


def _url(experiment: str, table: str) -> str:
    return f"/api/3.0/tandem/experiments/{experiment}/export/{table}.parquet"


def _rows(content: bytes) -> list[dict[str, Any]]:
    return pq.read_table(io.BytesIO(content)).to_pylist()


def _get(api: Tracking, experiment: str, table: str, **query: str) -> list[dict[str, Any]]:
    answer = api.http.get(_url(experiment, table), params=query)
    assert answer.status_code == 200, answer.text
    return _rows(answer.content)


def test_export_route_sends_each_table_of_active_runs(api: Tracking, content: Content) -> None:
    assert {row["run_id"] for row in _get(api, content.first, "runs")} == {
        content.run,
        content.bare,
    }
    assert len(_get(api, content.first, "metrics")) == len(POINTS)
    assert {row["key"] for row in _get(api, content.first, "params")} == {"lr", "a/ b"}
    assert {"empty", "mlflow.runName"} <= {row["key"] for row in _get(api, content.first, "tags")}


def test_export_route_takes_a_filter_and_a_view(api: Tracking, content: Content) -> None:
    found = _get(api, content.first, "runs", filter="params.lr = '0.1'", run_view_type="ALL")
    assert {row["run_id"] for row in found} == {content.run, content.deleted}
    assert _get(api, content.first, "metrics", filter="params.lr = '9'") == []
    assert len(_get(api, content.gone, "runs", run_view_type="DELETED_ONLY")) == 1


def test_export_route_names_type_and_file(api: Tracking, content: Content) -> None:
    answer = api.http.get(_url(content.first, "runs"))
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert answer.headers["content-disposition"] == "attachment; filename=runs.parquet"
    assert "content-length" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_export_route_tells_head_a_length_and_gives_parts_of_that_file(
    api: Tracking, content: Content
) -> None:
    url = _url(content.first, "metrics")
    head = api.http.head(url)
    size = int(head.headers["content-length"])
    assert head.headers["accept-ranges"] == "bytes"
    assert head.content == b""
    api.call("runs/log-metric", run_id=content.run, key="new", value=1, timestamp=1, step=1)
    tail = api.http.get(url, headers={"Range": "bytes=-8"})
    middle = api.http.get(url, headers={"Range": f"bytes=4-{size - 9}"})
    first = api.http.get(url, headers={"Range": "bytes=0-3"})
    assert [each.status_code for each in (first, middle, tail)] == [206] * 3
    assert tail.headers["content-range"] == f"bytes {size - 8}-{size - 1}/{size}"
    assert {each.headers["etag"] for each in (head, first, middle, tail)} == {head.headers["etag"]}
    assert len(_rows(first.content + middle.content + tail.content)) == len(POINTS)


def test_export_route_ignores_ranges_that_are_none_and_refuses_those_beyond_the_end(
    api: Tracking, content: Content
) -> None:
    url = _url(content.first, "runs")
    for given in ("bytes=5-4", "lines=1-2", "bytes=0-1,3-4"):
        answer = api.http.get(url, headers={"Range": given})
        assert answer.status_code == 200, given
        assert len(_rows(answer.content)) == 2
    answer = api.http.get(url, headers={"Range": "bytes=9999999-"})
    assert answer.status_code == 416
    assert answer.json()["error_code"] == "BAD_REQUEST"


def test_export_route_shows_new_rows_to_who_begins_again(
    api: Tracking, content: Content, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_files, "FRESH_SECONDS", 0.0)
    url = _url(content.first, "metrics")
    before = api.http.head(url).headers["etag"]
    api.call("runs/log-metric", run_id=content.run, key="new", value=1, timestamp=1, step=1)
    middle = api.http.get(url, headers={"Range": "bytes=4-9"}).headers["etag"]
    after = api.http.head(url).headers["etag"]
    assert before == middle != after
    api.call("runs/log-metric", run_id=content.run, key="new", value=1, timestamp=1, step=2)
    assert api.http.get(url, headers={"Range": "bytes=-9"}).headers["etag"] not in (before, after)
    assert len(_get(api, content.first, "metrics")) == len(POINTS) + 2


@pytest.mark.parametrize("reason", ["nothing is kept", "no room", "no folder"])
def test_export_route_without_room_tells_no_length_and_sends_the_whole(
    settings: Settings,
    database: Database,
    folder: Path,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = 1 if reason == "no room" else 0 if reason == "nothing is kept" else 2**20
    if reason == "no folder":
        folder.write_text("a file")
    monkeypatch.setattr(kept_files, "_LOOK", 1)
    api = Tracking(replace(settings, export_disk_bytes=limit), database, exports.routes)
    experiment = api.experiment("e")
    api.run(experiment)
    head = api.http.head(_url(experiment, "runs"))
    assert head.status_code == 200
    assert "content-length" not in head.headers
    answer = api.http.get(_url(experiment, "runs"), headers={"Range": "bytes=0-3"})
    assert answer.status_code == 200
    assert len(_rows(answer.content)) == 1
    assert not [*folder.glob("*")] if folder.is_dir() else True


def test_export_route_refuses_with_mlflows_codes(api: Tracking, content: Content) -> None:
    for experiment, table, query, refusal in (
        (content.first, "nothing", {}, INVALID),
        ("x", "runs", {}, INVALID),
        ("99999", "runs", {}, MISSING),
        (content.first, "runs", {"filter": "metrics.loss <"}, INVALID),
        (content.first, "runs", {"run_view_type": "SOME"}, INVALID),
    ):
        for method in ("GET", "HEAD"):
            answer = api.http.request(method, _url(experiment, table), params=query)
            assert answer.status_code == refusal[0], (experiment, table, query)
        answer = api.http.get(_url(experiment, table), params=query)
        assert answer.json()["error_code"] == refusal[1]


def test_export_route_without_pyarrow_says_what_to_install(
    api: Tracking, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "is_installed", lambda: False)
    answer = api.http.get(_url(content.first, "runs"))
    assert answer.status_code == 501
    assert answer.json() == {"error_code": "NOT_IMPLEMENTED", "message": parquet.MISSING}


def test_export_route_stops_what_takes_too_long(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading is cancelled in the database, and says so as other reads do."""
    api = Tracking(replace(settings, read_timeout=0.3), database, exports.routes)
    experiment = api.experiment("e")
    endless = (
        "SELECT pg_sleep(3600)"
        if database.dialect == "postgresql"
        else "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT max(n) FROM s"
    )

    def write(conn: Any, *_: object) -> int:
        conn.exec_driver_sql(endless)
        raise AssertionError

    monkeypatch.setattr(parquet, "write", write)
    answer = api.http.get(_url(experiment, "runs"))
    assert answer.status_code == 400
    assert "--read-timeout" in answer.json()["message"]
    head = api.http.head(_url(experiment, "runs"))
    assert head.status_code == 200
    assert "content-length" not in head.headers

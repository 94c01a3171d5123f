"""What `gc` writes down, and gives to a Pushgateway."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tandem_metadata.cleanup.items import Item, Kind
from tandem_metadata.cleanup.report import LISTED, Report
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.harness.processes import free_port
from tests.metadata.cleanup.conftest import Gc
from tests.metadata.cleanup.world import World
from tests.metadata.cli.commands import command_of
from tests.metadata.conftest import only_sqlite

Gateway = tuple[str, list[tuple[str, bytes]]]
"""The address of what stands in for a Pushgateway, and the paths and bodies that it was given."""


def _samples(text: str) -> dict[tuple[str, str], float]:
    return {
        (each.name, each.labels.get("kind", "")): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


@pytest.fixture
def filled(database: Database) -> None:
    with database.write() as conn:
        world = World(conn)
        world.experiment(1, "active")
        world.experiment(2, "deleted")
        world.run("left", 1, "deleted", "s3://bucket/1/left/artifacts")
        world.put("experiment_tags", experiment_id=1, key="tandem.retention", value="3 months")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    given: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            given.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", given
    server.shutdown()
    server.server_close()


@only_sqlite
@pytest.mark.usefixtures("filled")
def test_figures_of_a_plan_and_of_a_deletion_are_metrics(
    gc: Gc, tmp_path: Path, gateway: Gateway
) -> None:
    address, given = gateway
    path = tmp_path / "gc.prom"
    flags = ("--metrics-file", str(path), "--pushgateway", f"{address}/")
    assert gc(*flags)[0] == 0
    planned = _samples(path.read_text())
    assert [each for each, _ in given] == ["/metrics/job/tandem-gc"]
    assert _samples(given[0][1].decode()).keys() == planned.keys()
    assert planned["tandem_gc_planned_items", "experiments"] == 1
    assert planned["tandem_gc_planned_items", "runs"] == 2
    assert planned["tandem_gc_planned_rows", "runs"] > 2
    assert planned["tandem_gc_planned_bytes", "traces"] == 0
    assert planned["tandem_gc_deleted_items", "runs"] == 0
    assert planned["tandem_gc_invalid_retention_tags", ""] == 1
    assert (planned["tandem_gc_dry_run", ""], planned["tandem_gc_success", ""]) == (1, 1)
    assert gc("--yes", *flags)[0] == 0
    done = _samples(path.read_text())
    assert done["tandem_gc_deleted_items", "runs"] == 2
    assert done["tandem_gc_dry_run", ""] == 0
    assert [*tmp_path.glob("gc.prom*")] == [path]


@only_sqlite
@pytest.mark.usefixtures("filled")
def test_a_run_that_is_left_is_counted(gc: Gc, tmp_path: Path) -> None:
    path = tmp_path / "gc.prom"
    assert gc("--run-ids", "left", "--metrics-file", str(path))[0] == 0
    assert _samples(path.read_text())["tandem_gc_left_items", "runs"] == 1


@only_sqlite
@pytest.mark.usefixtures("filled")
def test_the_report_is_written(gc: Gc, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    _, shown = gc("--report", str(path))
    assert json.loads(path.read_text()) == shown


@only_sqlite
def test_a_pushgateway_that_is_away_is_an_error(gc: Gc) -> None:
    assert gc("--pushgateway", f"http://user:secret@127.0.0.1:{free_port()}")[0] == 1


@only_sqlite
def test_a_file_that_cannot_be_written_is_an_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = command_of(monkeypatch, capsys)("gc", settings)
    status, _, err = command("--report", "/nowhere/report.json")
    assert status == 2
    assert "The file /nowhere/report.json cannot be written" in err


def test_many_things_are_counted_and_the_first_named() -> None:
    report = Report()
    for number in range(LISTED + 5):
        report.leave(Item(Kind.RUN, str(number), 1, (), "deleted", None), "it is far away.")
    made = report.as_json()
    assert (made["left_count"], len(made["left"])) == (LISTED + 5, LISTED)
    assert made["left"][0] == {"kind": "run", "id": "0", "reason": "it is far away"}
    assert len([*report.plan()]) < 40

"""`rewrite-artifacts`: locations in all columns, of old and new schemas, on both databases."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tandem_metadata.database.database import Database
from tandem_metadata.database.known_revisions import FIRST, HEAD
from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.database.tables.registry import model_versions, registered_models
from tandem_metadata.database.tables.traces import trace_info, trace_tags
from tandem_metadata.database.tables.tracking import experiments, runs
from tandem_metadata.settings import Settings
from tandem_metadata.transfer import rewriting
from tandem_metadata.transfer.roots import Moves
from tests.metadata.api import Api
from tests.metadata.cli.commands import assert_error, command_of
from tests.metadata.database import mlflow_tables

NEW = "mlflow-artifacts://artifacts.example.com"
OLD = "mlflow-artifacts:"
LEFT = "s3://bucket"


def fill(database: Database, locations: list[str]) -> None:
    """Rows of each kind that has a location, one of each for each location."""
    with database.write() as conn:
        conn.execute(insert(registered_models).values(name="m"))
        for number, root in enumerate(locations, 1):
            run_id, model_id, trace_id = f"{number:032x}", f"m-{number:032x}", f"tr-{number}"
            at = f"{root}/{number}"
            conn.execute(
                insert(experiments).values(
                    experiment_id=number,
                    name=f"e{number}",
                    artifact_location=at,
                    lifecycle_stage="deleted" if number == 2 else "active",
                )
            )
            conn.execute(
                insert(runs).values(
                    run_uuid=run_id, experiment_id=number, artifact_uri=f"{at}/{run_id}/artifacts"
                )
            )
            conn.execute(
                insert(logged_models).values(
                    model_id=model_id,
                    experiment_id=number,
                    name="lm",
                    artifact_location=f"{at}/models/{model_id}/artifacts",
                    creation_timestamp_ms=1,
                    last_updated_timestamp_ms=1,
                    status=2,
                )
            )
            for version, source in enumerate((f"{at}/{run_id}/artifacts/m", f"models:/{model_id}")):
                conn.execute(
                    insert(model_versions).values(
                        name="m",
                        version=10 * number + version,
                        source=source,
                        storage_location=f"{at}/stored",
                    )
                )
            conn.execute(
                insert(trace_info).values(
                    request_id=trace_id, experiment_id=number, timestamp_ms=1, status="OK"
                )
            )
            for key, value in (
                ("mlflow.artifactLocation", f"{at}/traces/{trace_id}/artifacts"),
                ("mlflow.trace.archiveLocation", f"{at}/traces/{trace_id}/archive"),
                ("note", f"{at}/traces"),
            ):
                conn.execute(insert(trace_tags).values(request_id=trace_id, key=key, value=value))


def content(database: Database) -> list[Any]:
    """All rows that `fill` has made, in their order."""
    tables = (experiments, runs, logged_models, model_versions, trace_tags)
    with database.read() as conn:
        return [
            [tuple(row) for row in conn.execute(select(table).order_by(*table.primary_key.columns))]
            for table in tables
        ]


def replaced(rows: list[Any]) -> list[Any]:
    """What they become: every location below OLD, and nothing else."""

    def new(value: Any, row: tuple[Any, ...]) -> Any:
        hostless = isinstance(value, str) and value.startswith(f"{OLD}/")
        if hostless and not value.startswith(f"{OLD}//") and "note" not in row:
            return NEW + value.removeprefix(OLD)
        return value

    return [[tuple(new(value, row) for value in row) for row in table] for table in rows]


@pytest.fixture(params=[FIRST, HEAD])
def opened(request: pytest.FixtureRequest, backend_store_uri: str) -> Iterator[Database]:
    """Tables of the first and of the newest revision."""
    mlflow_tables.load(backend_store_uri)
    if request.param != FIRST:
        mlflow_tables.upgrade(backend_store_uri, request.param)
    database = Database(Settings(backend_store_uri=backend_store_uri))
    yield database
    database.close()


def test_every_column_is_rewritten_and_nothing_else(opened: Database) -> None:
    fill(opened, [OLD, OLD, LEFT, NEW])
    before = content(opened)
    moves = Moves([("mlflow-artifacts:/", f"{NEW}/")])
    planned = rewriting.plan(opened, moves)
    assert content(opened) == before
    assert {each.name: each.number for each in planned} == {
        "experiments.artifact_location": 2,
        "runs.artifact_uri": 2,
        "logged_models.artifact_location": 2,
        "model_versions.source": 2,
        "model_versions.storage_location": 4,
        "trace_tags.value of mlflow.artifactLocation": 2,
        "trace_tags.value of mlflow.trace.archiveLocation": 2,
    }
    assert ("mlflow-artifacts:/1", f"{NEW}/1") in planned[0].samples
    assert rewriting.rewrite(opened, moves) == planned
    assert content(opened) == replaced(before)
    assert not any(each.number for each in rewriting.rewrite(opened, moves))


ODD = {
    "/srv/ml/1": f"{NEW}/1",
    "/srv/ml": f"{NEW}/",
    "file:///srv/ml/a%25b/1": f"{NEW}/a%25b/1",
    "/srv/ml/a%b #c/1": f"{NEW}/a%25b %23c/1",
    "/srv/ml_/1": "/srv/ml_/1",
    "/srv/mlx/1": "/srv/mlx/1",
    "/SRV/ml/1": "/SRV/ml/1",
    "/srv/ml/kept/1": "s3://kept/1",
    "file:/srv/ml/kept/a%25b": "s3://kept/a%b",
    "s3://kept/a%b": "s3://kept/a%b",
    "mlflow-artifacts:/x/1": f"{NEW}/x/1",
    "mlflow-artifacts:///x/1": f"{NEW}/x/1",
    "mlflow-artifacts://x/1": "mlflow-artifacts://x/1",
    f"{NEW}/1": f"{NEW}/1",
    "": "",
}


def test_odd_locations_become_what_one_by_one_they_would(database: Database) -> None:
    moves = Moves(
        [("file:///srv/ml", f"{NEW}/"), ("/srv/ml/kept", "s3://kept"), (f"{OLD}/", f"{NEW}/")]
    )
    with database.write() as conn:
        conn.execute(update(experiments).values(artifact_location=None))
        for number, location in enumerate(ODD, 1):
            conn.execute(
                insert(experiments).values(
                    experiment_id=number, name=f"e{number}", artifact_location=location
                )
            )
    (first, *_) = rewriting.rewrite(database, moves)
    column = experiments.c.artifact_location
    with database.read() as conn:
        found = conn.scalars(select(column).order_by(experiments.c.experiment_id)).all()
    assert found == [None, *ODD.values()]
    assert [moves.apply(old) or old for old in ODD] == [*ODD.values()]
    assert first.number == sum(old != new for old, new in ODD.items())
    assert len(first.samples) == rewriting.SAMPLES


def test_roots_that_change_places_do_so_once(database: Database) -> None:
    fill(database, ["s3://a", "s3://b"])
    rewriting.rewrite(database, Moves([("s3://a", "s3://b"), ("s3://b", "s3://a")]))
    with database.read() as conn:
        column = experiments.c.artifact_location
        found = conn.scalars(select(column).order_by(experiments.c.experiment_id)).all()
    assert found[1:] == ["s3://b/1", "s3://a/2"]


def test_locations_that_grow_too_long_are_refused_and_nothing_changes(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database, [OLD])
    before = content(database)
    command = command_of(monkeypatch, capsys)("rewrite-artifacts", settings_of(database))
    answer = command("--from", "mlflow-artifacts:/", "--to", f"{NEW}/{'x' * 150}", "--yes")
    assert_error(answer, "runs.artifact_uri would have up to")
    assert content(database) == before


def settings_of(database: Database) -> Settings:
    return Settings(backend_store_uri=database.url.render_as_string(hide_password=False))


def test_the_command_shows_first_and_changes_with_yes(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database, ["mlflow-artifacts://me:secret@old.example.com", LEFT])
    before = content(database)
    command = command_of(monkeypatch, capsys)("rewrite-artifacts", settings_of(database))
    roots = ("--from", "mlflow-artifacts://me:secret@old.example.com", "--to", "mlflow-artifacts:/")
    status, out, err = command(*roots)
    assert (status, err) == (0, "")
    assert "8 locations would be rewritten. Nothing is changed without --yes." in out
    assert " -> mlflow-artifacts:/1\n" in out
    assert "secret" not in out
    assert content(database) == before
    status, out, err = command(*roots, "--yes", "--json")
    shown = json.loads(out)
    assert (status, err, shown["changed"], shown["left"]) == (0, "", True, 0)
    assert [each["number"] for each in shown["columns"]] == [1, 1, 1, 1, 2, 1, 1]
    status, out, _ = command(*roots, "--yes")
    assert (status, "there is nothing to rewrite" in out) == (0, True)
    assert_error(command(*roots, "--to", "s3://b"), "--from and --to go in pairs")


def test_a_service_that_runs_uses_the_new_locations_at_once(
    database: Database, settings: Settings
) -> None:
    api = Api(settings, database)
    experiment = api.experiment("e", artifact_location=f"{OLD}/e")
    run = api.run(experiment)
    assert api.call("runs/search", experiment_ids=[experiment])["runs"]
    other = Database(settings)
    rewriting.rewrite(other, Moves([(f"{OLD}/", f"{NEW}/")]))
    other.close()
    at = f"{NEW}/e/{run}/artifacts"
    (found,) = api.call("runs/search", experiment_ids=[experiment])["runs"]
    assert found["info"]["artifact_uri"] == at
    assert api.call("runs/get", run_id=run)["run"]["info"]["artifact_uri"] == at
    later = api.call("runs/create", experiment_id=experiment)["run"]["info"]
    assert later["artifact_uri"] == f"{NEW}/e/{later['run_id']}/artifacts"


def test_runs_that_are_created_meanwhile_get_the_new_root(
    database: Database, settings: Settings
) -> None:
    api = Api(settings, database)
    ids = [api.experiment(name, artifact_location=f"{OLD}/{name}") for name in "abc"]
    other = Database(settings)
    moves = Moves([(f"{OLD}/", f"{NEW}/")])
    thread = threading.Thread(target=rewriting.rewrite, args=(other, moves))
    for number in range(60):
        if number == 20:
            thread.start()
        api.run(ids[number % 3])
    thread.join()
    assert not any(each.number for each in rewriting.plan(other, moves))
    other.close()
    with database.read() as conn:
        assert len(conn.scalars(select(runs.c.run_uuid)).all()) == 60

"""Locations that nothing serves: counted by place, each with the command that cures."""

import shlex

from sqlalchemy import insert, select

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.tracking import experiments, runs
from tandem_metadata.doctor import locations
from tandem_metadata.settings import Settings
from tandem_metadata.transfer import rewriting
from tandem_metadata.transfer.roots import Moves
from tandem_shared.doctor.findings import Finding, Status

HOST = "mlflow-artifacts://artifacts.example.com"
PLACES = {
    f"{HOST}/1": 2,
    "mlflow-artifacts:/7": 1,
    "mlflow-artifacts://me:secret@old.example.com:5500/x/8": 3,
    "file:///srv/mlruns/9": 1,
    "/srv/mlruns/10": 2,
    "./mlruns/11": 1,
    "s3://bucket/prefix/12": 1,
    "s3://other/13": 1,
    "https://gone.example.com/api/2.0/mlflow-artifacts/artifacts/14": 1,
}


def fill(database: Database) -> None:
    """An experiment at each place, with runs."""
    with database.write() as conn:
        for number, (place, count) in enumerate(PLACES.items(), 1):
            conn.execute(
                insert(experiments).values(
                    experiment_id=number, name=f"e{number}", artifact_location=place
                )
            )
            for run in range(count):
                run_id = f"{number * 100 + run:032x}"
                at = f"{place}/{run_id}/artifacts"
                conn.execute(
                    insert(runs).values(run_uuid=run_id, experiment_id=number, artifact_uri=at)
                )


def look(database: Database, **given: object) -> list[Finding]:
    settings = Settings(**{"default_artifact_root": f"{HOST}/", **given})  # type: ignore[arg-type]
    with database.read() as conn:
        return [*locations.look(conn, Roots(settings), settings, None)]


def test_places_are_told_apart_by_host_bucket_and_folder(database: Database) -> None:
    fill(database)
    with database.read() as conn:
        found = {place.root: dict(place.numbers) for place in locations.places(conn)}
    assert found == {
        HOST: {"experiments": 2, "runs": 2},  # experiment 0 is there too
        "mlflow-artifacts:": {"experiments": 1, "runs": 1},
        "mlflow-artifacts://…@old.example.com:5500/x": {"experiments": 1, "runs": 3},
        "file:///srv/mlruns": {"experiments": 1, "runs": 1},
        "/srv/mlruns": {"experiments": 1, "runs": 2},
        "./mlruns": {"experiments": 1, "runs": 1},
        "s3://bucket/prefix": {"experiments": 1, "runs": 1},
        "s3://other": {"experiments": 1, "runs": 1},
        "https://gone.example.com/api/2.0/mlflow-artifacts/artifacts": {
            "experiments": 1,
            "runs": 1,
        },
    }


def test_what_nothing_serves_is_warned_of_with_numbers_and_cures(database: Database) -> None:
    fill(database)
    found = look(database, artifact_root_map=(f"s3://other={HOST}/other",))
    assert {each.status for each in found} == {Status.WARNING}
    told = "\n".join(f"{each.said} -> {each.cure}" for each in found)
    assert "secret" not in told
    for said in (
        "Locations without a host (1 experiment, 1 run; as mlflow-artifacts:/7)",
        f"rewrite-artifacts --from mlflow-artifacts:/ --to {HOST}/",
        "On the host old.example.com:5500: 1 experiment, 3 runs.",
        "name gone.example.com in --artifact-hosts",
        f"rewrite-artifacts --from /srv/mlruns --to {HOST}/",
        f"rewrite-artifacts --from ./mlruns --to {HOST}/",
        f"--artifact-root-map s3://bucket/prefix={HOST}/",
    ):
        assert said in told, said
    assert "s3://other" not in told


def test_the_cures_are_commands_that_cure(database: Database) -> None:
    fill(database)
    for finding in look(database):
        words = shlex.split(finding.cure.replace(";", " "))
        if "--from" not in words or "…" in finding.cure:
            continue
        pair = words[words.index("--from") + 1], words[words.index("--to") + 1]
        rewriting.rewrite(database, Moves([pair]))
    left = [each.said for each in look(database)]
    assert [said for said in left if "old.example.com" not in said] == []
    with database.read() as conn:
        found = conn.scalars(select(experiments.c.artifact_location)).all()
    assert f"{HOST}/10" in found


def test_locations_that_are_all_served_are_fine(database: Database) -> None:
    (found,) = look(database)
    assert (found.status, found.said) == (
        Status.OK,
        "all are served (1 of experiments, runs and logged models).",
    )

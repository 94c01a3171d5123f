"""Runs of file stores that are spoiled, and where their artifacts are."""

import os
import shutil
from pathlib import Path
from typing import Final

from tests.metadata.transfer.file_stores import MadeUp, change, put
from tests.metadata.transfer.odd_stores import BOTH, GOOD, ONE, OTHER, Oddities

ALL: Final = Oddities()
odd: Final = ALL.odd

_URI: Final = f"SELECT artifact_uri FROM runs WHERE run_uuid = '{OTHER}'"


@odd(skips={"1/artifacts": "no meta.yaml"}, rows=ONE)
def run_without_meta(store: MadeUp, experiment: Path) -> None:
    put(experiment / "artifacts" / "model.pkl", "artifacts often lie there")


@odd(skips={f"1/{OTHER}/meta.yaml": "it is empty"}, rows=ONE)
def run_with_empty_meta(store: MadeUp, experiment: Path) -> None:
    put(store.run(experiment, run_id=OTHER) / "meta.yaml", "")


@odd(skips={f"1/{OTHER}/meta.yaml": "it is of no run"}, rows=ONE)
def run_with_truncated_meta(store: MadeUp, experiment: Path) -> None:
    meta = store.run(experiment, run_id=OTHER) / "meta.yaml"
    put(meta, meta.read_bytes()[:40])


@odd(skips={f"1/{OTHER}/meta.yaml": "it is no YAML"}, rows=ONE)
def run_with_broken_yaml(store: MadeUp, experiment: Path) -> None:
    put(store.run(experiment, run_id=OTHER) / "meta.yaml", "run_id: [1, 2\nstatus: }")


@odd(skips={f"1/{OTHER}/meta.yaml": "it is no YAML"}, rows=ONE)
def run_whose_meta_is_not_utf8(store: MadeUp, experiment: Path) -> None:
    put(store.run(experiment, run_id=OTHER) / "meta.yaml", b"run_name: \xff\xfe\xfa\n")


@odd(skips={f"1/{OTHER}/meta.yaml": "no mapping"}, rows=ONE)
def run_whose_meta_is_a_list(store: MadeUp, experiment: Path) -> None:
    put(store.run(experiment, run_id=OTHER) / "meta.yaml", "- a\n- b\n")


@odd(skips={f"1/{OTHER}/meta.yaml": "nested more than"}, rows=ONE)
def run_whose_meta_is_nested_without_end(store: MadeUp, experiment: Path) -> None:
    put(store.run(experiment, run_id=OTHER) / "meta.yaml", "a: " + "[" * 200_000)


@odd(skips={f"1/{OTHER}/meta.yaml": "it is no YAML"}, rows=ONE)
def run_whose_meta_makes_objects(store: MadeUp, experiment: Path) -> None:
    meta = store.run(experiment, run_id=OTHER) / "meta.yaml"
    put(meta, "run_id: !!python/object/apply:os.getpid []\n")


@odd(skips={f"1/{OTHER}/meta.yaml": "its status '9'"}, rows=ONE)
def run_of_unknown_status(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, status=9)


@odd(skips={f"1/{OTHER}/meta.yaml": "its lifecycle_stage"}, rows=ONE)
def run_of_unknown_stage(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, lifecycle_stage="archived")


@odd(
    rows={
        f"SELECT status, lifecycle_stage FROM runs WHERE run_uuid = '{OTHER}'": [
            ("RUNNING", "active")
        ]
    }
)
def run_without_status_and_stage(store: MadeUp, experiment: Path) -> None:
    change(store.run(experiment, run_id=OTHER) / "meta.yaml", status=None, lifecycle_stage=None)


@odd(
    rows={
        f"SELECT name, source_name, entry_point_name, source_version, source_type FROM runs "
        f"WHERE run_uuid = '{OTHER}'": [("first ever", "train.py", "main", "abc", "PROJECT")]
    }
)
def run_of_the_first_versions(store: MadeUp, experiment: Path) -> None:
    change(
        store.run(experiment, run_id=OTHER) / "meta.yaml",
        run_id=None,
        run_uuid=OTHER,
        run_name=None,
        name="first ever",
        experiment_id=1,
        source_name="train.py",
        entry_point_name="main",
        source_version="abc",
        source_type=3,
    )


@odd(rows={f"SELECT name FROM runs WHERE run_uuid = '{OTHER}'": [("by its tag",)]})
def run_that_only_a_tag_names(store: MadeUp, experiment: Path) -> None:
    run = store.run(experiment, run_id=OTHER, tags={"mlflow.runName": "by its tag"})
    change(run / "meta.yaml", run_name="")


@odd(skips={f"1/{OTHER}/meta.yaml": f"it is of run {GOOD}"}, rows=ONE)
def run_copied_to_another_folder(store: MadeUp, experiment: Path) -> None:
    shutil.copytree(experiment / GOOD, experiment / OTHER)


@odd(skips={"1/copy of a run/meta.yaml": f"it is of run {GOOD}"}, rows=ONE)
def run_copied_under_another_name(store: MadeUp, experiment: Path) -> None:
    shutil.copytree(experiment / GOOD, experiment / "copy of a run")


@odd(
    skips={f"2/{GOOD}": "has a run of this id already"},
    rows={"SELECT e.name FROM experiments e JOIN runs r USING (experiment_id)": [("one",)]},
)
def run_in_two_experiments(store: MadeUp, experiment: Path) -> None:
    shutil.copytree(experiment / GOOD, store.experiment(2) / GOOD)


@odd(
    mends={f"1/{OTHER}/meta.yaml": "names experiment 7"},
    rows={"SELECT DISTINCT experiment_id FROM runs": [(1,)]} | BOTH,
)
def run_that_names_another_experiment(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, experiment_id="7")


@odd(rows=BOTH)
def run_behind_a_symbolic_link(store: MadeUp, experiment: Path) -> None:
    elsewhere = store.root.parent / "elsewhere"
    run = store.run(experiment, run_id=OTHER)
    shutil.move(run, elsewhere)
    run.symlink_to(elsewhere)


@odd(rows=ONE)
def symbolic_link_to_itself(store: MadeUp, experiment: Path) -> None:
    (experiment / "loop").symlink_to(experiment / "loop")


@odd(skips={f"1/{OTHER}/meta.yaml": "no regular file"}, rows=ONE)
def run_whose_meta_is_a_pipe(store: MadeUp, experiment: Path) -> None:
    meta = store.run(experiment, run_id=OTHER) / "meta.yaml"
    meta.unlink()
    os.mkfifo(meta)


@odd(rows={f"SELECT start_time, end_time FROM runs WHERE run_uuid = '{OTHER}'": [(7, None)]})
def run_whose_times_are_no_integers(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, start_time="7", end_time="soon")


@odd(rows={f"SELECT start_time, end_time FROM runs WHERE run_uuid = '{OTHER}'": [(None, None)]})
def run_without_times(store: MadeUp, experiment: Path) -> None:
    change(store.run(experiment, run_id=OTHER) / "meta.yaml", start_time=None, end_time=None)


@odd(
    rows={
        f"SELECT lifecycle_stage, deleted_time FROM runs WHERE run_uuid = '{OTHER}'": [
            ("deleted", 9)
        ]
    }
)
def run_that_is_deleted(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, lifecycle_stage="deleted", deleted_time=9)


@odd(rows={_URI: [(f"file:///data/my%20runs/{OTHER}/artifacts",)]})
def artifacts_at_a_path(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, artifact_uri=f"/data/my runs/{OTHER}/artifacts")


@odd(rows={_URI: [("s3://bucket/x",)]})
def artifacts_in_a_bucket(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, artifact_uri="s3://bucket/x")


@odd(rows={_URI: [("file:///C:/mlruns/1/x",)]})
def artifacts_on_windows(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, artifact_uri="C:\\mlruns\\1\\x")

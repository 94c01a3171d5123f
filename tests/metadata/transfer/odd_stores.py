"""What file stores hold in practice that MLflow's reader or its migration fails at.

Each function spoils a store that has experiment 1 with one good run, and tells what becomes of it:
what is skipped and what is mended, by path and a part of the reason, and rows of the database.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.metadata.transfer.file_stores import MadeUp, change, document, put

GOOD: Final = "a" * 32
OTHER: Final = "b" * 32
LARGEST: Final = 1.7976931348623157e308

_RUNS: Final = "SELECT run_uuid FROM runs"
_METRICS: Final = "SELECT key, value, timestamp, step FROM metrics WHERE key <> 'good'"
_PARAMS: Final = "SELECT key, value FROM params WHERE key <> 'good'"
_EXPERIMENTS: Final = "SELECT name, lifecycle_stage FROM experiments WHERE name <> 'Default'"

Make = Callable[[MadeUp, Path], None]


@dataclass(frozen=True)
class Odd:
    """A spoiled store, and what becomes of it."""

    make: Make
    skips: Mapping[str, str] = field(default_factory=dict)
    mends: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Sequence[tuple[Any, ...]]] = field(default_factory=dict)


ALL: Final[list[Odd]] = []


def odd(
    *,
    skips: Mapping[str, str] | None = None,
    mends: Mapping[str, str] | None = None,
    rows: Mapping[str, Sequence[tuple[Any, ...]]] | None = None,
) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        ALL.append(Odd(make, skips or {}, mends or {}, rows or {}))
        return make

    return add


_ONE: Final = {_RUNS: [(GOOD,)]}
_BOTH: Final = {_RUNS: [(GOOD,), (OTHER,)]}


# Runs.


@odd(skips={"1/artifacts": "no meta.yaml"}, rows=_ONE)
def run_without_meta(store: MadeUp, experiment: Path) -> None:
    put(experiment / "artifacts" / "model.pkl", "artifacts often lie there")


@odd(skips={f"1/{OTHER}/meta.yaml": "it is empty"}, rows=_ONE)
def run_with_empty_meta(store: MadeUp, experiment: Path) -> None:
    put(store.run(experiment, run_id=OTHER) / "meta.yaml", "")


@odd(skips={f"1/{OTHER}/meta.yaml": "it is of no run"}, rows=_ONE)
def run_with_truncated_meta(store: MadeUp, experiment: Path) -> None:
    meta = store.run(experiment, run_id=OTHER) / "meta.yaml"
    put(meta, meta.read_bytes()[:40])


@odd(skips={f"1/{OTHER}/meta.yaml": "it is no YAML"}, rows=_ONE)
def run_with_broken_yaml(store: MadeUp, experiment: Path) -> None:
    put(store.run(experiment, run_id=OTHER) / "meta.yaml", "run_id: [1, 2\nstatus: }")


@odd(skips={f"1/{OTHER}/meta.yaml": "it is no YAML"}, rows=_ONE)
def run_whose_meta_is_not_utf8(store: MadeUp, experiment: Path) -> None:
    put(store.run(experiment, run_id=OTHER) / "meta.yaml", b"run_name: \xff\xfe\xfa\n")


@odd(skips={f"1/{OTHER}/meta.yaml": "no mapping"}, rows=_ONE)
def run_whose_meta_is_a_list(store: MadeUp, experiment: Path) -> None:
    put(store.run(experiment, run_id=OTHER) / "meta.yaml", "- a\n- b\n")


@odd(skips={f"1/{OTHER}/meta.yaml": "nested more than"}, rows=_ONE)
def run_whose_meta_is_nested_without_end(store: MadeUp, experiment: Path) -> None:
    put(store.run(experiment, run_id=OTHER) / "meta.yaml", "a: " + "[" * 200_000)


@odd(skips={f"1/{OTHER}/meta.yaml": "it is no YAML"}, rows=_ONE)
def run_whose_meta_makes_objects(store: MadeUp, experiment: Path) -> None:
    meta = store.run(experiment, run_id=OTHER) / "meta.yaml"
    put(meta, "run_id: !!python/object/apply:os.getpid []\n")


@odd(skips={f"1/{OTHER}/meta.yaml": "its status '9'"}, rows=_ONE)
def run_of_unknown_status(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, status=9)


@odd(skips={f"1/{OTHER}/meta.yaml": "its lifecycle_stage"}, rows=_ONE)
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


@odd(skips={f"1/{OTHER}/meta.yaml": f"it is of run {GOOD}"}, rows=_ONE)
def run_copied_to_another_folder(store: MadeUp, experiment: Path) -> None:
    shutil.copytree(experiment / GOOD, experiment / OTHER)


@odd(skips={"1/copy of a run/meta.yaml": f"it is of run {GOOD}"}, rows=_ONE)
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
    rows={"SELECT DISTINCT experiment_id FROM runs": [(1,)]} | _BOTH,
)
def run_that_names_another_experiment(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, experiment_id="7")


@odd(rows=_BOTH)
def run_behind_a_symbolic_link(store: MadeUp, experiment: Path) -> None:
    elsewhere = store.root.parent / "elsewhere"
    run = store.run(experiment, run_id=OTHER)
    shutil.move(run, elsewhere)
    run.symlink_to(elsewhere)


@odd(rows=_ONE)
def symbolic_link_to_itself(store: MadeUp, experiment: Path) -> None:
    (experiment / "loop").symlink_to(experiment / "loop")


@odd(skips={f"1/{OTHER}/meta.yaml": "no regular file"}, rows=_ONE)
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


# Experiments.


@odd(
    mends={"2/meta.yaml": "recovered-2"},
    rows={_EXPERIMENTS: [("one", "active"), ("recovered-2", "active")]} | _BOTH,
)
def experiment_without_meta(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2)
    store.run(other, run_id=OTHER)
    (other / "meta.yaml").unlink()


@odd(
    mends={"2/meta.yaml": "it is empty"},
    rows={_EXPERIMENTS: [("one", "active"), ("recovered-2", "active")]} | _BOTH,
)
def experiment_with_empty_meta(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2)
    store.run(other, run_id=OTHER)
    put(other / "meta.yaml", "")


@odd(mends={"2/meta.yaml": "it is no YAML"}, rows=_BOTH)
def experiment_with_broken_meta(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2)
    store.run(other, run_id=OTHER)
    put(other / "meta.yaml", "name: [")


@odd(mends={"2/meta.yaml": "it names no experiment"}, rows=_BOTH)
def experiment_without_name(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2)
    store.run(other, run_id=OTHER)
    change(other / "meta.yaml", name=None)


@odd(skips={"3/meta.yaml": "holds no runs"}, rows=_ONE)
def folder_with_a_number_and_nothing_in_it(store: MadeUp, experiment: Path) -> None:
    (store.root / "3").mkdir()


@odd(
    mends={"2": "another is called 'one'; it is 'one (2)' now"},
    rows={
        _EXPERIMENTS: [("one", "active"), ("one (2)", "active")],
        "SELECT key, value FROM experiment_tags": [("tandem.import.experimentName", "one")],
    },
)
def experiments_of_one_name(store: MadeUp, experiment: Path) -> None:
    store.experiment(2, "one", creation_time=1_700_000_000_005)


@odd(
    mends={"1": "another is called 'one'; it is 'one (3)' now"},
    rows={_EXPERIMENTS: [("one", "active"), ("one (2)", "active"), ("one (3)", "active")]},
)
def experiments_of_one_name_of_which_the_later_has_the_older_folder(
    store: MadeUp, experiment: Path
) -> None:
    store.experiment(2, "one", creation_time=1_600_000_000_000)
    store.experiment(3, "one (2)")


@odd(
    mends={".trash/5": "another is called 'one'"},
    rows={_EXPERIMENTS: [("one", "active"), ("one (2)", "deleted")]} | _BOTH,
)
def deleted_experiment_of_the_same_name(store: MadeUp, experiment: Path) -> None:
    trashed = store.experiment(5, "one", trash=True, creation_time=1_700_000_000_009)
    store.run(trashed, run_id=OTHER)


@odd(
    mends={".trash/1": "outside .trash"},
    rows={
        "SELECT key, value FROM experiment_tags": [("tandem.import.experimentId", ".trash/1")],
        _EXPERIMENTS: [("one", "active"), ("was one", "deleted")],
    }
    | _BOTH,
)
def experiment_that_is_also_in_the_trash(store: MadeUp, experiment: Path) -> None:
    store.run(store.experiment(1, "was one", trash=True, creation_time=3), run_id=OTHER)


@odd(
    rows={
        "SELECT key, value FROM experiment_tags": [("tandem.import.experimentId", "fraud")],
        _EXPERIMENTS: [("detection", "active"), ("one", "active")],
    }
    | _BOTH
)
def experiment_whose_folder_is_no_number(store: MadeUp, experiment: Path) -> None:
    store.run(store.experiment("fraud", "detection"), run_id=OTHER)


@odd(
    rows={"SELECT key, value FROM experiment_tags": [("tandem.import.experimentId", "007")]} | _BOTH
)
def experiment_whose_number_begins_with_zeros(store: MadeUp, experiment: Path) -> None:
    store.run(store.experiment("007"), run_id=OTHER)


@odd(
    mends={"9": "the experiment's id is 2"},
    rows={"SELECT experiment_id, name FROM experiments WHERE experiment_id > 1": [(9, "two")]}
    | _BOTH,
)
def experiment_whose_folder_was_renamed(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2, "two")
    store.run(other, run_id=OTHER)
    other.rename(store.root / "9")


@odd(rows={"SELECT creation_time FROM experiments WHERE name = 'old'": [(None,)]})
def experiment_of_the_first_versions(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2, "old")
    change(other / "meta.yaml", experiment_id=2, creation_time=None, last_update_time=None)


@odd(rows=_ONE)
def foreign_folders_and_files(store: MadeUp, experiment: Path) -> None:
    put(store.root / "README.md", "notes")
    put(store.root / "notebooks" / "a.ipynb", "{}")
    put(store.root / ".ipynb_checkpoints" / "meta.yaml", "name: x\nexperiment_id: 3\n")
    put(experiment / "notes.txt", "text")
    put(experiment / GOOD / "stray.txt", "text")


@odd(rows=_ONE)
def stale_copy_of_tags_in_the_meta_of_an_experiment(store: MadeUp, experiment: Path) -> None:
    change(experiment / "meta.yaml", tags={"stale": "copy"})


# Metrics.


def _metric(content: str | bytes) -> Make:
    def make(store: MadeUp, experiment: Path) -> None:
        put(experiment / GOOD / "metrics" / "odd", content)

    return make


def _odd_metric(name: str, content: str | bytes, skips: Mapping[str, str], *points: Any) -> None:
    make = _metric(content)
    make.__name__ = f"metric_{name}"
    under = {f"1/{GOOD}/metrics/odd{place}": reason for place, reason in skips.items()}
    ALL.append(Odd(make, under, {}, {_METRICS: [("odd", *point) for point in points]} | _ONE))


_FIRST: Final = (0.5, 10, 1)
_odd_metric("without_lines", b"", {"": "it is empty"})
_odd_metric("with_a_blank_line", "10 0.5 1\n\n20 1.5 2\n", {":2": "0 fields"}, _FIRST, (1.5, 20, 2))
_odd_metric("with_one_field", "10 0.5 1\n7\n", {":2": "it has 1 fields"}, _FIRST)
_odd_metric("with_two_fields", "10 0.5\n", {}, (0.5, 10, 0))
_odd_metric("with_four_fields", "10 0.5 1\n10 0.5 1 iris\n", {":2": "it has 4 fields"}, _FIRST)
_odd_metric("with_a_dataset", "10 0.5 1 iris d1gest\n", {}, _FIRST)
_odd_metric("with_six_fields", "10 0.5 1\n10 0.5 1 my iris d1\n", {":2": "6 fields"}, _FIRST)
_odd_metric("with_a_time_of_seconds", "1.5 0.5 1\n10 0.5 1\n", {":1": "no time, value"}, _FIRST)
_odd_metric("with_words", "10 0.5 1\n10 high 1\n", {":2": "no time, value"}, _FIRST)
_odd_metric("of_which_the_last_line_has_no_end", "10 0.5 1\n20 1.5 2", {}, _FIRST, (1.5, 20, 2))
_odd_metric("of_which_the_last_line_is_torn", "10 0.5 1\n20", {":2": "it has 1 fields"}, _FIRST)
_odd_metric("with_ends_of_windows", "10 0.5 1\r\n20 1.5 2\r\n", {}, _FIRST, (1.5, 20, 2))
_odd_metric("whose_lines_repeat", "10 0.5 1\n" * 63 + "10 0.25 1\n", {}, (0.25, 10, 1), _FIRST)
_odd_metric("of_binary", bytes(range(256)), {":1": "fields", ":2": "no time, value and step"})
_odd_metric(
    "with_nan_and_infinities",
    "1 nan -1\n1 nan -1\n2 inf 0\n3 -inf 1\n",
    {},
    (-LARGEST, 3, 1),
    (0.0, 1, -1),
    (LARGEST, 2, 0),
)
_odd_metric("whose_step_is_huge", f"10 0.5 1\n10 1 {2**63}\n", {":2": "64 bits"}, _FIRST)
_odd_metric(
    "with_many_bad_lines",
    "x\n" * 8 + "10 0.5 1\n",
    {f":{line}": "1 fields" for line in range(1, 6)} | {"": "3 more lines"},
    _FIRST,
)


@odd(skips={f"1/{GOOD}/metrics/.DS_Store": "operating system"}, rows=_ONE)
def metrics_with_a_file_of_macos(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "metrics" / ".DS_Store", b"\0\0\0\1Bud1\0")


@odd(rows={_METRICS: [("val/acc - 1", 0.5, 10, 1)]})
def metric_in_a_folder(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "metrics" / "val" / "acc - 1", "10 0.5 1\n")


@odd(skips={f"1/{GOOD}/metrics": "it is no folder"})
def metrics_that_are_a_file(store: MadeUp, experiment: Path) -> None:
    shutil.rmtree(experiment / GOOD / "metrics")
    put(experiment / GOOD / "metrics", "10 0.5 1\n")


# Values.


@odd(mends={f"1/{GOOD}/params/odd": "not UTF-8"}, rows={_PARAMS: [("odd", "caf\ufffd")]})
def param_that_is_not_utf8(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "params" / "odd", b"caf\xe9")


@odd(mends={f"1/{GOOD}/params/odd": "NUL"}, rows={_PARAMS: [("odd", "a\ufffdb")]})
def param_with_nul(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "params" / "odd", b"a\0b")


@odd(rows={_PARAMS: [("odd", "a\r\nb\n")]})
def param_with_ends_of_lines(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "params" / "odd", b"a\r\nb\n")


@odd(rows={_PARAMS: [("empty", ""), ("ünï ✓", "✓")]})
def params_that_are_empty_and_not_ascii(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "params" / "empty", "")
    put(experiment / GOOD / "params" / "ünï ✓", "✓")


@odd(mends={f"1/{GOOD}/params/": "its name is not UTF-8"}, rows={_PARAMS: [("b\ufffdd", "v")]})
def param_whose_name_is_not_utf8(store: MadeUp, experiment: Path) -> None:
    folder = os.fsencode(experiment / GOOD / "params")
    with open(folder + b"/b\xfdd", "wb") as file:
        file.write(b"v")


@odd(skips={f"1/{GOOD}/params/pipe": "no regular file"}, rows=_ONE)
def param_that_is_a_pipe(store: MadeUp, experiment: Path) -> None:
    os.mkfifo(experiment / GOOD / "params" / "pipe")


@odd(skips={f"1/{GOOD}/params/round": "no regular file"}, rows=_ONE)
def params_that_lead_round_in_a_circle(store: MadeUp, experiment: Path) -> None:
    (experiment / GOOD / "params" / "round").symlink_to(experiment / GOOD)


@odd(skips={f"1/{GOOD}/tags/gone": "no regular file"}, rows=_ONE)
def tag_behind_a_broken_link(store: MadeUp, experiment: Path) -> None:
    (experiment / GOOD / "tags" / "gone").symlink_to(experiment / "nowhere")


# Locations.

_URI: Final = f"SELECT artifact_uri FROM runs WHERE run_uuid = '{OTHER}'"


@odd(rows={_URI: [(f"file:///data/my%20runs/{OTHER}/artifacts",)]})
def artifacts_at_a_path(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, artifact_uri=f"/data/my runs/{OTHER}/artifacts")


@odd(rows={_URI: [("s3://bucket/x",)]})
def artifacts_in_a_bucket(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, artifact_uri="s3://bucket/x")


@odd(rows={_URI: [("file:///C:/mlruns/1/x",)]})
def artifacts_on_windows(store: MadeUp, experiment: Path) -> None:
    store.run(experiment, run_id=OTHER, artifact_uri="C:\\mlruns\\1\\x")


# Inputs, models, traces, registered models.


@odd(skips={f"1/{GOOD}/inputs/i/meta.yaml": "is not in the experiment's datasets"}, rows=_ONE)
def input_whose_dataset_is_gone(store: MadeUp, experiment: Path) -> None:
    given = {"source_type": "DATASET", "source_id": "gone", "destination_type": "RUN"}
    document(experiment / GOOD / "inputs" / "i" / "meta.yaml", given)


@odd(skips={"1/datasets/d/meta.yaml": "it lacks name or digest"}, rows=_ONE)
def dataset_without_digest(store: MadeUp, experiment: Path) -> None:
    document(experiment / "datasets" / "d" / "meta.yaml", {"name": "iris"})


@odd(skips={"1/models/m-1/meta.yaml": "it is empty"}, rows={"SELECT * FROM logged_models": []})
def logged_model_with_empty_meta(store: MadeUp, experiment: Path) -> None:
    put(experiment / "models" / "m-1" / "meta.yaml", "")


@odd(
    skips={
        "1/models/m-1/metrics/acc:1": "is not in the database",
        "1/models/m-1/metrics/acc:3": "3 fields",
    },
    rows={
        "SELECT metric_name, metric_value, dataset_name FROM logged_model_metrics": [
            ("acc", 0.75, "iris")
        ]
    },
)
def logged_model_with_metrics_of_unknown_runs(store: MadeUp, experiment: Path) -> None:
    folder = experiment / "models" / "m-1"
    document(folder / "meta.yaml", {"model_id": "m-1", "name": "m", "status": 2})
    lines = (f"10 0.5 1 {OTHER}", f"10 0.5 1 {GOOD} iris d", "10 0.5 1", f"10 0.75 1 {GOOD} iris d")
    put(folder / "metrics" / "acc", "\n".join(lines) + "\n")


@odd(
    skips={"1/traces/tr-1/trace_info.yaml": "cannot be read"}, rows={"SELECT * FROM trace_info": []}
)
def trace_without_its_document(store: MadeUp, experiment: Path) -> None:
    (experiment / "traces" / "tr-1").mkdir(parents=True)


@odd(
    skips={
        "1/traces/tr-1/assessments/a-1.yaml": "it is empty",
        "1/traces/tr-1/assessments/a-2.yaml": "",
    },
    rows={
        "SELECT request_id, timestamp_ms, status FROM trace_info": [("tr-1", 1500, "OK")],
        "SELECT assessment_id, valid FROM assessments": [("a-3", False)],
    },
)
def trace_with_bad_assessments(store: MadeUp, experiment: Path) -> None:
    info = {"trace_id": "tr-1", "request_time": "1970-01-01T00:00:01.500Z", "state": "OK"}
    folder = store.trace(experiment, "tr-1", info) / "assessments"
    put(folder / "a-1.yaml", "")
    document(folder / "a-2.yaml", {"assessment_id": "a-2", "assessment_name": "neither"})
    given = {"assessment_id": "a-3", "assessment_name": "ok", "feedback": {"value": True}}
    document(folder / "a-3.yaml", given | {"valid": False})


@odd(
    skips={"models/m/version-2/meta.yaml": "it is empty", "models/m/aliases/lost": "version '9'"},
    rows={
        "SELECT name, version FROM model_versions": [("m", 1)],
        "SELECT alias, version FROM registered_model_aliases": [("champion", 1)],
    },
)
def registered_model_with_bad_parts(store: MadeUp, experiment: Path) -> None:
    folder = store.registered("m", {}, {})
    put(folder / "version-2" / "meta.yaml", "")
    put(folder / "aliases" / "champion", "1")
    put(folder / "aliases" / "lost", "9")


@odd(
    mends={
        "models/new name/meta.yaml": "the folder's name counts",
        "models/new name/version-1/meta.yaml": "another model",
    },
    rows={"SELECT name, version FROM model_versions": [("new name", 1)]},
)
def registered_model_whose_folder_was_renamed(store: MadeUp, experiment: Path) -> None:
    store.registered("old name", {}).rename(store.root / "models" / "new name")

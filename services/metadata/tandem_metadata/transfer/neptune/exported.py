"""What neptune-exporter leaves on a disk: a folder a project, and in it files of each run.

A file is named `<run>_part_<number>.parquet`; part 0 comes last, so a run without it is incomplete.
Each row is a value of an attribute: of a run, or of a run at a step. pyarrow, which is an extra, is
imported when the first file is read.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tandem_shared.settings import SettingsError

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import parquet

_PART: Final = re.compile(r"(.+)_part_(\d+)\.parquet")
_ROWS: Final = 10_000
_STEP_UNIT: Final = 1_000_000
"""Steps have six decimals."""

DECIMALS: Final = 6

_COLUMNS: Final = (
    *("project_id", "run_id", "attribute_path", "attribute_type", "step", "timestamp"),
    *("int_value", "float_value", "string_value", "bool_value", "datetime_value"),
    *("string_set_value", "file_value", "histogram_value"),
)

_MISSING: Final = (
    "Parquet needs pyarrow, which is not installed beside the metadata service: "
    "pip install 'tandem-metadata[parquet]'."
)


class Unreadable(Exception):
    """A file is damaged, or of another format."""


@dataclass(frozen=True, slots=True)
class ExportedRun:
    """The files of a run, part 0 first."""

    project: str
    """The folder's name."""
    name: str
    """How its files begin."""
    parts: tuple[str, ...]
    is_complete: bool

    @property
    def path(self) -> str:
        """Where it is, for people: below the folder of all projects."""
        return f"{self.project}/{self.name}"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an attribute."""

    project: str
    run: str
    path: str
    kind: str
    step: int | None
    """In millionths."""
    time: int | None
    """In milliseconds."""
    value: Any


def is_export(folder: str) -> bool:
    """Whether a folder holds projects as neptune-exporter leaves them."""
    return any(True for _ in runs(data_folder(folder)))


def data_folder(folder: str) -> str:
    """The folder of projects: the one that was given, or `data` in it, as the exporter names it."""
    below = os.path.join(folder, "data")
    return below if os.path.isdir(below) else folder


def files_folder(folder: str) -> str:
    """Where the exporter puts files if it is not told otherwise."""
    return os.path.join(os.path.dirname(os.path.abspath(data_folder(folder))), "files")


def runs(folder: str) -> Iterator[ExportedRun]:
    """The runs of all projects, by name."""
    for project in sorted(_folders(folder)):
        found: dict[str, dict[int, str]] = {}
        for name in sorted(os.listdir(os.path.join(folder, project))):
            if part := _PART.fullmatch(name):
                path = os.path.join(folder, project, name)
                found.setdefault(part[1], {})[int(part[2])] = path
        for name, parts in found.items():
            paths = tuple(parts[number] for number in sorted(parts))
            yield ExportedRun(project, name, paths, 0 in parts)


def _folders(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (
                each.name for each in entries if each.is_dir() and not each.name.startswith(".")
            )
    except OSError:
        return


def decimals(exported: Sequence[ExportedRun]) -> int:
    """How many decimals the steps of these runs need, up to six.

    Files that cannot be read are passed over: `values` tells of them.
    """
    needed = 0
    for run in exported:
        for path in run.parts:
            try:
                needed = max(needed, _decimals(path, needed))
            except Unreadable:
                continue
    return needed


def _decimals(path: str, known: int) -> int:
    import pyarrow.compute as pc

    needed = known
    for batch in _batches(path, ["step"]):
        steps = _steps(batch).drop_null()
        while needed < DECIMALS:
            unit = _STEP_UNIT // 10**needed
            whole = pc.multiply(pc.divide(steps, unit), unit)
            if not pc.any(pc.not_equal(whole, steps)).as_py():
                break
            needed += 1
    return needed


def values(run: ExportedRun) -> Iterator[Value]:
    """All values of a run, in the order of the files; raises Unreadable."""
    for path in run.parts:
        for batch in _batches(path, _COLUMNS):
            columns = [_list(batch, name) for name in _COLUMNS]
            for row in zip(*columns, strict=True):
                project, name, attribute, kind, step, time = row[:6]
                yield Value(project, name, attribute, kind, step, time, _value(kind, row))


def _value(kind: str, row: tuple[Any, ...]) -> Any:
    column = _VALUES.get(kind)
    return row[_COLUMNS.index(column)] if column else None


_VALUES: Final = {
    "int": "int_value",
    "float": "float_value",
    "string": "string_value",
    "bool": "bool_value",
    "datetime": "datetime_value",
    "string_set": "string_set_value",
    "float_series": "float_value",
    "string_series": "string_value",
    "histogram_series": "histogram_value",
    "file": "file_value",
    "file_set": "file_value",
    "artifact": "file_value",
    "file_series": "file_value",
}
"""By the type of an attribute, the column that has its value."""


def _list(batch: "pyarrow.RecordBatch", name: str) -> list[Any]:
    if name not in batch.schema.names:
        return [None] * batch.num_rows
    if name == "step":
        found = _steps(batch)
    elif name in ("timestamp", "datetime_value"):
        import pyarrow

        in_ms = batch.column(name).cast(pyarrow.timestamp("ms", "UTC"), safe=False)
        found = in_ms.cast(pyarrow.int64())
    else:
        found = batch.column(name)
    values: list[Any] = found.to_pylist()
    return values


def _steps(batch: "pyarrow.RecordBatch") -> "pyarrow.Array":
    """Steps in millionths."""
    import pyarrow
    import pyarrow.compute as pc

    step = batch.column("step").cast(pyarrow.float64())
    return pc.round(pc.multiply(step, float(_STEP_UNIT))).cast(pyarrow.int64())


def _batches(path: str, columns: Sequence[str]) -> "Iterator[pyarrow.RecordBatch]":
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise SettingsError(_MISSING) from None
    try:
        with parquet.ParquetFile(path) as file:
            _check(file)
            there = [name for name in columns if name in file.schema_arrow.names]
            yield from file.iter_batches(_ROWS, columns=there)
    except (pyarrow.ArrowException, OSError) as error:
        raise Unreadable(f"{Path(path).name}: {error}") from error


def _check(file: "parquet.ParquetFile") -> None:
    needed = {"project_id", "run_id", "attribute_path", "attribute_type", "step"}
    if missing := needed - set(file.schema_arrow.names):
        raise Unreadable(f"it lacks the columns {', '.join(sorted(missing))}")

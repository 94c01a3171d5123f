"""The tables of Parquet files, written in the memory of one row group.

pyarrow, which is an extra, is imported when the first file is written.
"""

import importlib.util
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection

from tandem_metadata.transfer.export import reading
from tandem_metadata.transfer.export.reading import Rows, Sink
from tandem_shared.errors import NotSupported

if TYPE_CHECKING:
    import pyarrow

MEDIA_TYPE: Final = "application/vnd.apache.parquet"

MISSING: Final = (
    "Parquet needs pyarrow, which is not installed beside the metadata service: "
    "pip install 'tandem-metadata[parquet]'."
)

_RUNS_AT_ONCE: Final = 500
"""Runs whose rows one statement reads, so that the database sorts no more at a time."""

_FETCHED: Final = 2_000
"""Rows that are objects of Python at a time: no call with so few keeps other threads waiting."""

_ROW_GROUP: Final = 100_000
"""Rows of a row group, which is what readers skip or read as a whole."""

_LARGEST: Final = sys.float_info.max
"""What the database has, with its sign, for an infinity."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file."""

    name: str
    type: str
    """`string`, `double`, `int64` or `time`, which is a moment in UTC, of milliseconds."""
    read: str
    """What the statement reads for it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file, of the rows of runs in the order of their ids."""

    name: str
    columns: Sequence[Column]
    source: str
    """What follows FROM; `run_uuid` is the run's id."""
    order: str
    """What rows are sorted by after the run's id; readers then skip more, and files are smaller."""


def _same(type: str, *names: str) -> list[Column]:
    return [Column(name, type, name) for name in names]


_RUN: Final = Column("run_id", "string", "run_uuid")
_KEY_AND_VALUE: Final = (_RUN, *_same("string", "key", "value"))

TABLES: Final = {
    table.name: table
    for table in (
        Table(
            "runs",
            (
                _RUN,
                Column("experiment_id", "string", "CAST(runs.experiment_id AS VARCHAR(20))"),
                Column("experiment_name", "string", "experiments.name"),
                Column("run_name", "string", "runs.name"),
                *_same("string", "user_id", "status"),
                Column("lifecycle_stage", "string", "runs.lifecycle_stage"),
                *_same("time", "start_time", "end_time", "deleted_time"),
                *_same("string", "artifact_uri", "source_type", "source_name", "source_version"),
                *_same("string", "entry_point_name"),
            ),
            "runs JOIN experiments ON experiments.experiment_id = runs.experiment_id",
            "",
        ),
        Table("params", _KEY_AND_VALUE, "params", ", key"),
        Table("tags", _KEY_AND_VALUE, "tags", ", key"),
        Table(
            "metrics",
            (
                _RUN,
                *_same("string", "key"),
                *_same("int64", "step"),
                *_same("time", "timestamp"),
                *_same("double", "value"),
            ),
            "metrics",
            ", key, step, timestamp, value, is_nan",
        ),
    )
}
"""The files, by their names."""


def is_installed() -> bool:
    """Whether Parquet can be written."""
    return importlib.util.find_spec("pyarrow") is not None


def write(
    conn: Connection,
    table: Table,
    run_ids: Sequence[str],
    sink: Sink,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write a file of what these runs have, whose ids are sorted, and return its number of rows.

    `conn` is that of `Database.snapshot`. The same rows make the same bytes. `progress` is told
    the rows that were written each time that it may be some more. Raises NotSupported without
    pyarrow, and what the driver and the sink raise.
    """
    if not is_installed():
        raise NotSupported(MISSING)
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(each.name, _type(pa, each.type)) for each in table.columns])
    written = 0
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        group: list[pyarrow.RecordBatch] = []
        for rows in _rows(conn, table, run_ids):
            group.append(_batch(pa, table, schema, rows))
            if sum(map(len, group)) >= _ROW_GROUP:
                writer.write_table(pa.Table.from_batches(group, schema))
                group.clear()
            written += len(rows)
            progress(written)
        if group:
            writer.write_table(pa.Table.from_batches(group, schema))
    pa.default_memory_pool().release_unused()
    return written


def _rows(conn: Connection, table: Table, run_ids: Sequence[str]) -> Iterator[Rows]:
    columns = ", ".join(each.read for each in table.columns)
    if table.name == "metrics":
        columns += ", is_nan"
    statement = (
        f"SELECT {columns} FROM {table.source} "
        f"WHERE run_uuid {reading.any_of_texts(conn, 'runs')} ORDER BY run_uuid{table.order}"
    )
    for start in range(0, len(run_ids), _RUNS_AT_ONCE):
        runs = reading.given(conn, run_ids[start : start + _RUNS_AT_ONCE])
        yield from reading.batches(conn, statement, {"runs": runs}, _FETCHED)


def _type(pa: Any, name: str) -> "pyarrow.DataType":
    return {
        "string": pa.string(),
        "double": pa.float64(),
        "int64": pa.int64(),
        "time": pa.timestamp("ms", tz="UTC"),
    }[name]


def _batch(pa: Any, table: Table, schema: "pyarrow.Schema", rows: Rows) -> "pyarrow.RecordBatch":
    values = [*zip(*rows, strict=True)]
    arrays = []
    for column, given in zip(table.columns, values, strict=False):
        if column.type == "time":  # the database's own number
            arrays.append(pa.array(given, pa.int64()).view(_type(pa, "time")))
        elif column.type == "double":
            arrays.append(_doubles(pa, given, values[-1]))
        else:
            arrays.append(pa.array(given, _type(pa, column.type)))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _doubles(pa: Any, values: Sequence[float], is_nan: Sequence[bool | int]) -> "pyarrow.Array":
    """Values of metrics, with NaN and infinities as such."""
    import pyarrow.compute as pc

    made = pa.array(values, pa.float64())
    for stored, meant in ((_LARGEST, math.inf), (-_LARGEST, -math.inf)):
        made = pc.if_else(pc.equal(made, stored), meant, made)
    if any(is_nan):
        made = pc.if_else(pa.array([bool(each) for each in is_nan]), math.nan, made)
    return made

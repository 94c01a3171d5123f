"""Exports as neptune-exporter leaves them: made up, in its format."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

PROJECT = "team/vision"
TIME = datetime(2025, 11, 3, 10, 0, 0, 250_000, tzinfo=UTC)
TIME_MS = int(TIME.timestamp() * 1000)

SCHEMA = pa.schema(
    [
        ("project_id", pa.string()),
        ("run_id", pa.string()),
        ("attribute_path", pa.string()),
        ("attribute_type", pa.string()),
        ("step", pa.decimal128(18, 6)),
        ("timestamp", pa.timestamp("ms", "UTC")),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("string_value", pa.string()),
        ("bool_value", pa.bool_()),
        ("datetime_value", pa.timestamp("ms", "UTC")),
        ("string_set_value", pa.list_(pa.string())),
        ("file_value", pa.struct([("path", pa.string())])),
        (
            "histogram_value",
            pa.struct(
                [
                    ("type", pa.string()),
                    ("edges", pa.list_(pa.float64())),
                    ("values", pa.list_(pa.float64())),
                ]
            ),
        ),
    ]
)

Row = dict[str, Any]


def value(path: str, kind: str, given: Any) -> Row:
    """A value of a run."""
    column = "file_value" if kind in ("file", "file_set", "artifact") else f"{kind}_value"
    return {"attribute_path": path, "attribute_type": kind, column: given}


def point(path: str, step: str, given: Any, kind: str = "float", time: Any = TIME) -> Row:
    """A value of a series."""
    return {
        "attribute_path": path,
        "attribute_type": f"{kind}_series",
        "step": Decimal(step),
        "timestamp": time,
        f"{kind}_value": given,
    }


def write(
    folder: Path, run: str, *parts: Iterable[Row], project: str = PROJECT, first: int = 0
) -> None:
    """Write the files of a run, a part for each of `parts`."""
    below = folder / sanitized(project)
    below.mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(parts, first):
        full = [{"project_id": project, "run_id": run, **row} for row in rows]
        table = pa.Table.from_pylist(full, schema=SCHEMA)
        parquet.write_table(
            table, below / f"{sanitized(run)}_part_{number}.parquet", compression="snappy"
        )


def sanitized(text: str) -> str:
    """The exporter's name of a folder or a file: what is no letter or digit, `_`; a hash."""
    plain = "".join(c if c.isalnum() or c in "_-" else "_" for c in text)
    return f"{plain}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"

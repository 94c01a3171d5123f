"""An empty target is filled: every table by one COPY, all in one transaction, and read back."""

import contextlib
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from tandem_metadata.transfer.copying import copy_rows, quoted
from tandem_metadata.transfer.databases import indexes, sequences, target
from tandem_metadata.transfer.databases.catalog import Shape
from tandem_metadata.transfer.databases.identifiers import EXPERIMENT_ID
from tandem_metadata.transfer.databases.plan import Plan
from tandem_metadata.transfer.databases.reading import Row
from tandem_metadata.transfer.report import Mismatch, Report

_BY_FAR_LARGEST = "metrics"


def fill(conn: Connection, plan: Plan, report: Report, *, alone: bool) -> None:
    """Write the rows of a plan, and compare what the target then holds with what was read.

    A difference is in `report.mismatches`; the caller rolls back. `alone` says that nobody else
    uses the target, so that its largest table may be out of use for the while.
    """
    plan.start()
    _reserve_ids(conn, plan)
    _remove_seeds(conn, plan)
    for shape in plan.shapes:
        with _made_ready(conn, shape, alone):
            copy_rows(conn, shape.name, shape.names, _without_seeds(conn, plan, shape))
        read = plan.checksums[shape.name].rows
        report.found(shape.name, read)
        report.imported(shape.name, read)
    sequences.advance(conn, plan.shapes)
    verify(conn, plan, report)


def verify(conn: Connection, plan: Plan, report: Report) -> None:
    """Read all tables back, and note both checksums of each."""
    for shape in plan.shapes:
        expected = plan.checksums[shape.name]
        found = plan.read_back(conn, shape)
        report.checksum(shape.name, str(expected), str(found))
        if expected != found:
            report.mismatches.append(Mismatch(shape.name, str(expected), str(found)))


@contextlib.contextmanager
def _made_ready(conn: Connection, shape: Shape, alone: bool) -> Iterator[None]:
    fast = alone and shape.name == _BY_FAR_LARGEST and conn.dialect.name == "postgresql"
    if fast and target.owns(conn, shape.name):
        with indexes.made_afterwards(conn, shape.name):
            yield
    else:
        yield


def _reserve_ids(conn: Connection, plan: Plan) -> None:
    """Have services that create experiments meanwhile use other ids."""
    if conn.dialect.name == "postgresql":
        taken = plan.source.scalars(f"SELECT max({EXPERIMENT_ID}) FROM experiments")[0] or 0
        largest = max(plan.new_ids.values()) if plan.new_ids else taken
        if largest:
            sequences.advance_to(conn, "experiments", EXPERIMENT_ID, largest)


def _remove_seeds(conn: Connection, plan: Plan) -> None:
    """Delete rows of a new database that the source does not have."""
    for name, condition in target.SEEDS.items():
        if plan.shape(name) is None:
            continue
        statement = f"SELECT count(*) FROM {quoted(name)} WHERE {condition}"
        if not plan.source.scalars(statement)[0]:
            conn.exec_driver_sql(f"DELETE FROM {quoted(name)} WHERE {condition}")


def _without_seeds(conn: Connection, plan: Plan, shape: Shape) -> Iterator[Row] | Sequence[Row]:
    """The rows of a table but for those that a new database has: these are changed in place.

    In place, because a service may be creating what refers to them.
    """
    if shape.name not in target.SEEDS:
        return plan.rows(shape)
    (key,) = shape.key
    at = shape.names.index(key)
    found = conn.exec_driver_sql(f"SELECT {quoted(key)} FROM {quoted(shape.name)}")
    seeds = {*found.scalars()}
    remaining = []
    for row in plan.rows(shape):
        if row[at] in seeds:
            _update(conn, shape, key, row)
        else:
            remaining.append(row)
    return remaining


def _update(conn: Connection, shape: Shape, key: str, row: Row) -> None:
    names = [name for name in shape.names if name != key]
    marks = {name: f"v{i}" for i, name in enumerate(shape.names)}
    changes = ", ".join(f"{quoted(name)} = :{marks[name]}" for name in names)
    statement = f"UPDATE {quoted(shape.name)} SET {changes} WHERE {quoted(key)} = :{marks[key]}"
    given = {marks[name]: value for name, value in zip(shape.names, row, strict=True)}
    conn.execute(text(statement), given)

"""New ids for experiments whose own do not fit into the target's column."""

from collections.abc import Mapping

from sqlalchemy import Connection

from tandem_metadata.transfer.databases.catalog import Kind, Shape
from tandem_metadata.transfer.databases.findings import LARGEST
from tandem_metadata.transfer.databases.identifiers import EXPERIMENT_ID, IMPORTED_ID
from tandem_metadata.transfer.databases.source import Source
from tandem_metadata.transfer.report import Renumbered, Report


def is_needed(conn: Connection, into: Mapping[str, Shape]) -> bool:
    """Whether ids of 64 bits, which SQLite has, do not fit."""
    column = into["experiments"].column(EXPERIMENT_ID)
    return conn.dialect.name == "postgresql" and column.kind is Kind.INTEGER


def new_ids(source: Source, conn: Connection, report: Report) -> dict[int, int]:
    """The new id of each experiment that needs one; they are listed in the report.

    One that was imported before keeps the id that it got then.
    """
    found = source.all(
        f"SELECT {EXPERIMENT_ID}, name FROM experiments WHERE {EXPERIMENT_ID} > {LARGEST} "
        f"ORDER BY {EXPERIMENT_ID}"
    )
    if not found:
        return {}
    tags = conn.exec_driver_sql(
        f"SELECT value, {EXPERIMENT_ID} FROM experiment_tags WHERE key = '{IMPORTED_ID}'"
    )
    known = {value: int(number) for value, number in tags}
    fitting = f"SELECT max({EXPERIMENT_ID}) FROM experiments WHERE {EXPERIMENT_ID} <= {LARGEST}"
    last = max(source.scalars(fitting)[0] or 0, conn.exec_driver_sql(fitting).scalar() or 0)
    given = {}
    for old, name in found:
        number = known.get(str(old))
        if number is None:
            number = last = last + 1
        given[old] = number
        report.renumbered.append(Renumbered(name, str(old), str(number)))
    return given

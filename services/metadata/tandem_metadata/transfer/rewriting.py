"""Rewrites the locations of artifacts in a database, after these have moved.

What lies below an old root is named below the new one: one statement a column, whatever the number
of rows, all in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    String,
    Table,
    and_,
    bindparam,
    case,
    false,
    func,
    inspect,
    literal,
    not_,
    or_,
    select,
    true,
    type_coerce,
    update,
)

from tandem_metadata.database import revisions
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.database.tables.registry import model_versions
from tandem_metadata.database.tables.traces import trace_tags
from tandem_metadata.database.tables.tracking import experiments, runs
from tandem_metadata.transfer.roots import Form, Moves
from tandem_shared.settings import SettingsError, without_credentials

SAMPLES: Final = 5
"""Rows of each column that are shown."""

TRACE_TAGS: Final = ("mlflow.artifactLocation", "mlflow.trace.archiveLocation")
"""Tags of traces that hold where a trace's files are, and its spans where they were archived."""


@dataclass(frozen=True, slots=True)
class Place:
    """A column that holds locations."""

    name: str
    column: Column[Any]
    rows: ColumnElement[bool]
    """Which of the table's rows hold one."""

    @property
    def table(self) -> Table:
        found = self.column.table
        assert isinstance(found, Table)
        return found


PLACES: Final = (
    # Experiments first: whoever creates a run takes its location from its experiment's row.
    Place("experiments.artifact_location", experiments.c.artifact_location, true()),
    Place("runs.artifact_uri", runs.c.artifact_uri, true()),
    Place("logged_models.artifact_location", logged_models.c.artifact_location, true()),
    Place("model_versions.source", model_versions.c.source, true()),
    Place("model_versions.storage_location", model_versions.c.storage_location, true()),
    *(
        Place(f"trace_tags.value of {key}", trace_tags.c.value, trace_tags.c.key == key)
        for key in TRACE_TAGS
    ),
)
"""All columns with locations, in every revision that Tandem uses."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What is rewritten in one column."""

    name: str
    number: int
    samples: Sequence[tuple[str, str]]
    """Old and new locations of a few rows, without credentials."""


def plan(database: Database, moves: Moves) -> list[Rewritten]:
    """What `rewrite` would do, for each column; changes nothing.

    Raises SettingsError for a database that Tandem does not use, and for new locations that are too
    long for their columns.
    """
    with database.read() as conn:
        revisions.check(revisions.current(conn), conn)
        return _look(conn, moves)


def rewrite(database: Database, moves: Moves) -> list[Rewritten]:
    """Rewrite all locations below the old roots, in one transaction; raises as `plan` does.

    Services may run meanwhile: a run that is created at the same time gets one location or the
    other as its experiment does, and no migration begins before the end.
    """

    def change(conn: Connection) -> list[Rewritten]:
        if conn.dialect.name == "postgresql":
            revisions.lock(conn)
        revisions.check(revisions.current(conn), conn)
        _lock_experiments(conn, moves)
        found = _look(conn, moves)
        numbers = {each.name: each.number for each in found}
        for place in PLACES:
            if numbers[place.name]:
                _rewrite_in(conn, place, moves)
        return found

    return database.run_in_transaction(change)


def _lock_experiments(conn: Connection, moves: Moves) -> None:
    """Lock the rows in the order in which those who create runs do, so that none deadlocks."""
    number = experiments.c.experiment_id
    chosen = select(number).where(_below(experiments.c.artifact_location, moves.forms))
    conn.execute(chosen.order_by(number).with_for_update())


def _look(conn: Connection, moves: Moves) -> list[Rewritten]:
    found = [_look_at(conn, place, moves) for place in PLACES]
    _check_lengths(conn, moves)
    return found


def _look_at(conn: Connection, place: Place, moves: Moves) -> Rewritten:
    column, forms = place.column, moves.forms
    below = and_(place.rows, _below(column, forms), _new(column, forms) != column)
    number = conn.execute(select(func.count()).select_from(place.table).where(below)).scalar_one()
    if not number:
        return Rewritten(place.name, 0, ())
    rows = conn.execute(select(column).where(below).limit(SAMPLES)).scalars().all()
    samples = [
        (without_credentials(old), without_credentials(moves.apply(old) or old)) for old in rows
    ]
    return Rewritten(place.name, number, samples)


def _check_lengths(conn: Connection, moves: Moves) -> None:
    """Raise SettingsError for new locations that do not fit; SQLite would store them all the same.

    Other programs rely on the lengths.
    """
    widths = _widths(conn)
    for place in PLACES:
        width = widths[place.column]
        if width is None:
            continue
        new = _new(place.column, moves.forms)
        too_long = and_(place.rows, _below(place.column, moves.forms), func.length(new) > width)
        chosen = select(func.count(), func.max(func.length(new)))
        number, longest = conn.execute(chosen.select_from(place.table).where(too_long)).one()
        if number:
            raise SettingsError(
                f"{number} new locations of {place.name} would have up to {longest} characters, "
                f"and the column takes {width}: choose a shorter root (--to)."
            )


def _widths(conn: Connection) -> dict[Column[Any], int | None]:
    """The number of characters that each column takes; None for any."""
    found = inspect(conn).get_multi_columns(filter_names=[place.table.name for place in PLACES])
    lengths = {
        (table, column["name"]): getattr(column["type"], "length", None)
        for (_, table), columns in found.items()
        for column in columns
    }
    return {place.column: lengths[place.table.name, place.column.name] for place in PLACES}


def _below(column: Column[Any], forms: Sequence[Form]) -> ColumnElement[bool]:
    """Whether a location lies below one of the roots."""
    return or_(*(_has(column, form) for form in forms))


def _has(column: Column[Any], form: Form) -> ColumnElement[bool]:
    # Not LIKE: SQLite ignores the case of letters there, and a root may hold `_` and `%`.
    length = len(form.start)
    found = and_(
        _text(func.substr(column, 1, length)) == form.start,
        _text(func.substr(column, length + 1, 1)).in_(["", *form.ends]),
    )
    if form.hostless:
        return and_(found, _text(func.substr(column, length + 2, 1)) != "/")
    return found


def _new(column: Column[Any], forms: Sequence[Form]) -> ColumnElement[str]:
    """The new location of a row that lies below one of the roots: the first that fits counts.

    It is not that of locations that are `_is_odd`.
    """
    return case(*((_has(column, form), _moved(column, form)) for form in forms), else_=column)


def _moved(column: Column[Any], form: Form) -> ColumnElement[str]:
    rest = _text(func.substr(column, len(form.start) + 1))
    follows = _text(func.substr(column, len(form.start) + 1, 1)) == "/"
    return case(
        (follows, literal(form.target, String) + rest),
        else_=literal(form.target_alone, String) + rest,
    )


def _rewrite_in(conn: Connection, place: Place, moves: Moves) -> None:
    column, forms = place.column, moves.forms
    odd = or_(false(), *(_is_odd(column, form) for form in forms if form.recoded))
    apart = _moved_apart(conn, place, odd, moves)  # before others get locations that look alike
    new = _new(column, forms)
    below = and_(place.rows, _below(column, forms), new != column, not_(odd))
    conn.execute(update(place.table).where(below).values({column: new}))
    if apart:
        key = (each == bindparam(f"key_{each.name}") for each in place.table.primary_key.columns)
        statement = update(place.table).where(*key).values({column: bindparam("new_location")})
        conn.execute(statement, apart)


def _moved_apart(
    conn: Connection, place: Place, odd: ColumnElement[bool], moves: Moves
) -> list[dict[str, Any]]:
    """The keys and new locations of those that the new root spells otherwise: few, if any."""
    if not any(form.recoded for form in moves.forms):
        return []
    names = [f"key_{each.name}" for each in place.table.primary_key.columns]
    columns = select(*place.table.primary_key.columns, place.column).where(place.rows, odd)
    return [
        {**dict(zip(names, key, strict=True)), "new_location": moves.apply(old)}
        for *key, old in conn.execute(columns)
    ]


def _is_odd(column: Column[Any], form: Form) -> ColumnElement[bool]:
    """Whether the new root spells a location's path otherwise, which no SQL does."""
    rest = _text(func.substr(column, len(form.start) + 1))
    odd = (_text(func.replace(rest, each, "")) != rest for each in form.recoded)
    return and_(_has(column, form), or_(*odd))


def _text(of: ColumnElement[Any]) -> ColumnElement[str]:
    return type_coerce(of, String)

"""What is exported: experiments, and of their runs all or those that a filter finds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, or_, select

from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.rules import enums, integers
from tandem_metadata.search.language.limits import MAX_RESULTS, STAGES
from tandem_metadata.store.dialect import integer_columns
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.tracking import run_search
from tandem_metadata.transfer.export import reading
from tandem_shared.errors import NotFound

ALL_RUNS: Final = "ALL"
ACTIVE_RUNS: Final = "ACTIVE_ONLY"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is exported."""

    experiments: Sequence[int] | None
    """Their numbers; None for all that there are."""
    runs: Sequence[str] | None
    """Their ids, sorted; None for all of these experiments."""

    @property
    def is_whole(self) -> bool:
        """Whether it is everything."""
        return self.experiments is None and self.runs is None


def select_all(
    conn: Connection,
    named: Sequence[str] = (),
    *,
    filter: str | None = None,
    run_view_type: str | int = ALL_RUNS,
) -> Selection:
    """What these experiments have, by their ids or names; without any, what all of them have.

    Of runs it takes those of the view type that the filter, of the language of searches, finds.
    Raises NotFound for an experiment that does not exist, and InvalidParameter for the others.
    """
    view = enums.name_of("run_view_type", run_view_type, enums.VIEW_TYPE)
    numbers = _numbers(conn, named) if named else None
    if filter:
        return Selection(numbers, sorted(_found(conn, numbers, filter, view)))
    if view == ALL_RUNS:
        return Selection(numbers, None)
    return Selection(numbers, [*_run_ids(conn, numbers, STAGES[view])])


def run_ids(conn: Connection, of: Selection) -> Sequence[str]:
    """The ids of the runs that are exported, sorted."""
    return of.runs if of.runs is not None else [*_run_ids(conn, of.experiments)]


def _run_ids(
    conn: Connection, numbers: Sequence[int] | None, stages: Sequence[str] = ()
) -> Iterator[str]:
    conditions = ["experiment_id IN (SELECT experiment_id FROM experiments)"]
    parameters: dict[str, Any] = {}
    if stages:
        conditions.append(f"lifecycle_stage {reading.any_of_texts(conn, 'stages')}")
        parameters["stages"] = reading.given(conn, stages)
    if numbers is not None:
        conditions.append(f"experiment_id {reading.any_of_numbers(conn, 'experiments')}")
        parameters["experiments"] = reading.given(conn, numbers)
    statement = f"SELECT run_uuid FROM runs WHERE {' AND '.join(conditions)} ORDER BY run_uuid"
    for batch in reading.batches(conn, statement, parameters, MAX_RESULTS):
        for (run_id,) in batch:
            yield run_id


def _numbers(conn: Connection, named: Sequence[str]) -> list[int]:
    """The numbers of experiments by their ids, or else by their names."""
    largest = integer_columns.largest(conn)
    by_text = {each: _number(each, largest) for each in named}
    rows = conn.execute(
        select(experiments.c.experiment_id, experiments.c.name).where(
            or_(
                any_of(
                    conn,
                    experiments.c.experiment_id,
                    [each for each in by_text.values() if each is not None],
                ),
                any_of(conn, experiments.c.name, [*by_text]),
            )
        )
    ).all()
    there = {number for number, _ in rows}
    by_name = {name: number for number, name in rows}
    numbers = set()
    for text, number in by_text.items():
        found = number if number in there else by_name.get(text)
        if found is None:
            raise NotFound(
                f"Could not find experiment with ID or name {text[:100]!r}; names are compared "
                "letter by letter."
            )
        numbers.add(found)
    return sorted(numbers)


def _number(text: str, largest: int) -> int | None:
    try:
        return integers.parse(text, largest)
    except ValueError:
        return None


def _found(
    conn: Connection, numbers: Sequence[int] | None, filter: str, view: str
) -> Iterator[str]:
    if numbers is None:
        numbers = conn.execute(select(experiments.c.experiment_id)).scalars().all()
    # One search even of no experiments: a filter that is none is refused.
    for start in range(0, max(len(numbers), 1), run_search.MAX_EXPERIMENTS):
        some = [str(each) for each in numbers[start : start + run_search.MAX_EXPERIMENTS]]
        token: str | None = None
        while True:
            page = run_search.find_ids(
                conn,
                experiment_ids=some,
                filter=filter,
                run_view_type=view,
                max_results=MAX_RESULTS,
                page_token=token,
            )
            yield from page.ids
            if (token := page.token) is None:
                break

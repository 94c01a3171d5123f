"""Which runs to look at for a page, so that an index is read and not a whole experiment.

Both ways are for databases with an index that a search can walk in its order, and neither leaves
the choice to the planner, who knows nothing before statistics are gathered and often too little
after: what is walked is bounded by a LIMIT, written out, below everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    bindparam,
    false,
    func,
    select,
    union_all,
)

from tandem_metadata.database.tables.tracking import latest_metrics, runs
from tandem_metadata.search.language.fields import Condition
from tandem_metadata.search.sql import page_token as tokens
from tandem_metadata.search.sql.compile import run_clauses
from tandem_metadata.search.sql.order import Position, RunOrdering

Clause = ColumnElement[bool]

_MAX_BRANCHES: Final = 64
"""Of a union, each condition in each counted: more take longer to plan than to search."""

_FARTHEST: Final = 12_000
"""Runs looked at one by one: for more it is cheaper to look at all of an experiment's at once."""


@dataclass(frozen=True)
class Search:
    """What runs of a page satisfy, how many the page has at most, and what is asked of them."""

    columns: tuple[ColumnElement[Any], ...]
    experiment_ids: Sequence[int]
    stages: tuple[str, ...]
    conditions: Sequence[Condition]
    order_by: tuple[str, ...]
    ordering: RunOrdering
    """What `order_by` says."""
    end: Position | None
    """Where the page before ended."""
    limit: int
    dialect: str

    @cached_property
    def clauses(self) -> Sequence[Clause]:
        """What stages and conditions ask of a run."""
        stage = runs.c.lifecycle_stage.in_(self.stages)
        return [stage, *run_clauses(self.conditions, self.dialect)]

    @cached_property
    def behind(self) -> Sequence[Clause]:
        """What the page before asks of a run. Raises InvalidParameter where none can satisfy it."""
        return [] if self.end is None else tokens.behind(self.end, self.ordering)


def rows(number: int) -> Any:
    """The argument of LIMIT, written out: of a parameter PostgreSQL guesses a tenth of the rows."""
    return bindparam(None, number, Integer, literal_execute=True)


def latest(search: Search) -> Clause | None:
    """That a run is on the page, for a search by start time alone; None where another way is due.

    Each experiment's runs come out of `indexes.STARTED` in order, and as many of each are taken as
    the page has.
    """
    if not search.ordering.latest_first or (len(search.experiment_ids) == 1 and search.end is None):
        return None  # the index serves one experiment as it is
    parts = _parts(search)
    branches = len(search.experiment_ids) * len(parts)
    if branches * (1 + len(search.clauses)) > _MAX_BRANCHES:
        return None
    columns = (runs.c.run_uuid, runs.c.start_time)
    found = union_all(
        *(
            select(
                select(*columns)
                .where(runs.c.experiment_id == experiment_id, *search.clauses, *part)
                .order_by(*search.ordering.clauses())
                .limit(rows(search.limit))
                .subquery()
            )
            for experiment_id in search.experiment_ids
            for part in parts
        )
    ).subquery()
    page = (
        select(found.c.run_uuid)
        .order_by(found.c.start_time.desc().nulls_last(), found.c.run_uuid)
        .limit(rows(search.limit))
    )
    return runs.c.run_uuid.in_(page)


def _parts(search: Search) -> Sequence[Sequence[Clause]]:
    """What runs behind the last page satisfy, as ranges of the index."""
    if search.end is None:
        return [[]]
    unknown = runs.c.start_time.is_(None)
    rank, value = search.end[0]
    if rank or value is None:
        return [[unknown, *search.behind]]
    return [[runs.c.start_time <= int(value), *search.behind], [unknown]]


def stride(search: Search) -> int:
    """How many runs to walk at first, in the order of a metric, to fill the page."""
    return 1_000 + 2 * search.limit


def farther(search: Search, walked: int, found: int) -> int | None:
    """How many to walk instead, when so many had too few; None when that is no longer worth it."""
    needed = 3 * walked * search.limit // (2 * found) if found else _FARTHEST + 1
    return needed if walked < needed <= _FARTHEST else None


def best(search: Search, walked: int) -> Clause | None:
    """That a run is among so many that come first by the metric that the search is sorted by.

    None where another way is due. What satisfies it comes before all that does not: if enough does
    to fill the page, that is the page; if not, it tells nothing. The runs come out of
    `indexes.BEST`.
    """
    key, ascending = search.ordering.metric, search.ordering.first.ascending
    if key is None:
        return None
    metric = latest_metrics.c
    statement: Select[Any] = select(metric.run_uuid, metric.value).where(
        metric.key == key, metric.is_nan == false()
    )
    if search.end is not None:
        rank, value = search.end[0]
        if rank or value is None:
            return None
        number = float(value)
        statement = statement.where(metric.value >= number if ascending else metric.value <= number)
    way = (
        statement.order_by(metric.value.asc() if ascending else metric.value.desc())
        .limit(rows(walked))
        .cte("walked")
    )
    # Of the last value there may be more than were walked.
    last = select((func.max if ascending else func.min)(way.c.value)).scalar_subquery()
    before = way.c.value < last if ascending else way.c.value > last
    return runs.c.run_uuid.in_(select(way.c.run_uuid).where(before))

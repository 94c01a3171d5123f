"""Index scans that find a page of runs without reading the whole experiment.

Neither depends on planner statistics, which are missing in a new database and often too coarse in
an old one: each subquery has a literal LIMIT, so the planner must use the index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    bindparam,
    false,
    func,
    select,
    type_coerce,
    union_all,
)

from tandem_metadata.database.tables.tracking import latest_metrics, runs
from tandem_metadata.search.language.fields import Criterion
from tandem_metadata.search.language.groups import Group, leaves
from tandem_metadata.search.sql.compile import Matching
from tandem_metadata.search.sql.order import Position, RunOrdering
from tandem_metadata.search.sql.tracking_compile import matching_runs

Clause = ColumnElement[bool]

run_experiment_id: Final[ColumnElement[Any]] = type_coerce(runs.c.experiment_id, BigInteger)
"""A client may name an id that is too large for the column's type."""

_MAX_BRANCHES: Final = 64
"""Conditions in all branches of a union. More take longer to plan than to search."""

_MAX_LISTED: Final = 10_000
"""Values of lists in all branches: databases limit a statement's parameters."""

_MAX_SIZE: Final = 12_000
"""Runs that a scan looks up one by one. Beyond that, reading the whole experiment is cheaper."""


@dataclass(frozen=True)
class Search:
    """What runs of a page satisfy, how many the page has at most, and what is asked of them."""

    columns: tuple[ColumnElement[Any], ...]
    experiment_ids: Sequence[int]
    stages: tuple[str, ...]
    criteria: Sequence[Criterion]
    order_by: tuple[str, ...]
    ordering: RunOrdering
    """What `order_by` says."""
    end: Position | None
    """Where the previous page ended."""
    after: Sequence[Clause]
    """What `end` asks of a run."""
    limit: int
    dialect: str

    @cached_property
    def clauses(self) -> Sequence[Clause]:
        """What stages and criteria ask of a run; some need `source`."""
        return [runs.c.lifecycle_stage.in_(self.stages), *self._matching.clauses]

    def source(self, source: FromClause) -> FromClause:
        """Runs, or what is joined to them, with what the criteria need joined to that."""
        return self._matching.joins.to(source)

    @property
    def has_groups(self) -> bool:
        """Whether the criteria have an OR."""
        return any(isinstance(each, Group) for each in self.criteria)

    @cached_property
    def _matching(self) -> Matching:
        return matching_runs(self.criteria, self.dialect)


def literal_limit(number: int) -> Any:
    """A literal argument of LIMIT. For a parameter, PostgreSQL assumes a tenth of the rows."""
    return bindparam(None, number, Integer, literal_execute=True)


def by_start_time(search: Search) -> Clause | None:
    """That a run is on the page, for a search by start time alone; None if the scan does not apply.

    `indexes.STARTED` gives each experiment's runs in order, and of each as many are taken as the
    page has.
    """
    if not search.ordering.latest_first or (len(search.experiment_ids) == 1 and search.end is None):
        return None  # for the first page of one experiment the planner takes the index by itself
    parts = _parts(search)
    branches = len(search.experiment_ids) * len(parts)
    conditions = list(leaves(search.criteria))
    listed = sum(len(each.value) for each in conditions if isinstance(each.value, tuple))
    if branches * (2 + len(conditions)) > _MAX_BRANCHES or branches * listed > _MAX_LISTED:
        return None
    columns = (runs.c.run_uuid, runs.c.start_time)
    found = union_all(
        *(
            select(
                select(*columns)
                .select_from(search.source(runs))
                .where(run_experiment_id == experiment_id, *search.clauses, *part)
                .order_by(*search.ordering.clauses())
                .limit(literal_limit(search.limit))
                .subquery()
            )
            for experiment_id in search.experiment_ids
            for part in parts
        )
    ).subquery()
    page = (
        select(found.c.run_uuid)
        .order_by(found.c.start_time.desc().nulls_last(), found.c.run_uuid)
        .limit(literal_limit(search.limit))
    )
    return runs.c.run_uuid.in_(page)


def _parts(search: Search) -> Sequence[Sequence[Clause]]:
    """What runs after the previous page satisfy, as ranges of the index."""
    if search.end is None:
        return [[]]
    unknown = runs.c.start_time.is_(None)
    rank, value = search.end[0]
    if rank or value is None:
        return [[unknown, *search.after]]
    return [[runs.c.start_time <= int(value), *search.after], [unknown]]


def initial_size(search: Search) -> int:
    """How many runs to scan at first in the order of a metric."""
    return 1_000 + 2 * search.limit


def next_size(search: Search, size: int, found: int) -> int | None:
    """How many to scan next, if `found` of `size` matched; None if that is not worth it.

    Half as many more than should fill the page.
    """
    needed = 3 * size * search.limit // (2 * found) if found else _MAX_SIZE + 1
    return needed if size < needed <= _MAX_SIZE else None


def by_metric(search: Search, size: int) -> Clause | None:
    """That a run is among the first `size` of `indexes.BEST` by the metric that sorts the search.

    Returns None if the scan does not apply. Runs that it matches sort before all others, so a full
    page is final; a short page proves nothing, and the caller must scan further.
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
    scan = (
        statement.order_by(metric.value.asc() if ascending else metric.value.desc())
        .limit(literal_limit(size))
        .cte("scan")
    )
    # The scan may have cut runs of its last value, which tie with those that it has.
    last = select((func.max if ascending else func.min)(scan.c.value)).scalar_subquery()
    before = scan.c.value < last if ascending else scan.c.value > last
    return runs.c.run_uuid.in_(select(scan.c.run_uuid).where(before))

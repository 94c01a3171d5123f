"""How old a thing must be before it is deleted for good: by the command, or by a tag.

The tag `tandem.retention` of an experiment replaces the command's age for what is deleted in that
experiment, and for the experiment itself. Traces have no state `deleted`: the tag alone gives them
an age, after which they are deleted although they are in use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from tandem_metadata.database.tables.tracking import experiment_tags
from tandem_metadata.rules import retention

_SHOWN: Final = 100


class Invalid(NamedTuple):
    """A tag that gives no age, for which nothing of its experiment is deleted."""

    experiment_id: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ages:
    """Until when things must have been deleted, or traces begun; times are milliseconds since 1970.

    None stands for no limit.
    """

    until: int | None
    """Of experiments without the tag."""
    by_experiment: Mapping[int, int]
    invalid: tuple[Invalid, ...]
    blocked: frozenset[int]
    """Experiments whose tag gives no age."""

    def is_due(self, experiment_id: int, since: int | None) -> bool:
        """Whether what was deleted then is old enough; False for an unknown time."""
        if experiment_id in self.blocked:
            return False
        until = self.by_experiment.get(experiment_id, self.until)
        return until is None or (since is not None and since <= until)


def read(conn: Connection, until: int | None, now: int) -> Ages:
    """The ages that count now, with the tags of all experiments."""
    tags = experiment_tags.c
    by_experiment, invalid = {}, []
    for number, value in conn.execute(
        select(tags.experiment_id, tags.value)
        .where(tags.key == retention.TAG)
        .order_by(tags.experiment_id)
    ):
        try:
            by_experiment[number] = now - retention.of_tag(value or "")
        except ValueError as error:
            invalid.append(Invalid(str(number), (value or "")[:_SHOWN], str(error)))
    blocked = frozenset(int(each.experiment_id) for each in invalid)
    return Ages(until, by_experiment, tuple(invalid), blocked)

"""What a trace used and cost: the sums over its tree of spans."""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

from tandem_metadata.rules.integers import INT64_MAX
from tandem_metadata.spans.keys import COSTS, MAIN_TOKENS, TOKENS


class Row(NamedTuple):
    """A span as the sums need it; ids are of one kind, whichever."""

    id: Hashable
    parent_id: Hashable | None
    usage: Mapping[str, Any] | None
    """What its attribute mlflow.chat.tokenUsage says; an empty one is none."""
    cost: Mapping[str, Any] | None
    """What its mlflow.llm.cost says; an empty one is none."""


class Sums(NamedTuple):
    """What a trace used and cost, by the names that spans have for it; None if no span says."""

    usage: dict[str, int] | None
    cost: dict[str, float] | None


def sums(rows: Iterable[Row]) -> Sums:
    """Sums over all spans of a trace, in any order.

    A span's usage is taken to hold that of all spans below it, which is therefore left out; the
    same for cost. Of several rows of a span the last counts. What is no number is left out, and
    so is a sum that no column can hold.
    """
    by_id = {row.id: row for row in rows}
    return Sums(_usage(by_id), _cost(by_id))


def _usage(by_id: Mapping[Hashable, Row]) -> dict[str, int] | None:
    counted = _uppermost(by_id, lambda row: row.usage)
    if not counted:
        return None
    used = dict.fromkeys(MAIN_TOKENS, 0)
    for usage in counted:
        for name in TOKENS:
            if name in usage:
                used[name] = used.get(name, 0) + _whole(usage[name])
    return {name: number for name, number in used.items() if -INT64_MAX <= number <= INT64_MAX}


def _cost(by_id: Mapping[Hashable, Row]) -> dict[str, float] | None:
    counted = _uppermost(by_id, lambda row: row.cost)
    if not counted:
        return None
    sums = {name: sum(_finite(cost.get(name)) for cost in counted) for name in COSTS}
    return {name: amount for name, amount in sums.items() if math.isfinite(amount)}


def _uppermost(
    by_id: Mapping[Hashable, Row], of: Callable[[Row], Mapping[str, Any] | None]
) -> list[Mapping[str, Any]]:
    """Values of the spans that have one while none above them has.

    Ancestors of a span are looked at once for all below them, so the whole is linear. Spans whose
    parents are a circle count as MLflow counts them, not at all.
    """
    if not any(of(row) for row in by_id.values()):
        return []
    found: list[Mapping[str, Any]] = []
    children: dict[Hashable, list[Row]] = {}
    below: list[Row] = []
    for row in by_id.values():
        if row.parent_id in by_id:
            children.setdefault(row.parent_id, []).append(row)
        else:
            below.append(row)
    while below:
        row = below.pop()
        if value := of(row):
            found.append(value)
        else:
            below += children.get(row.id, ())
    return found


def _whole(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    try:
        number = float(value)
    except OverflowError:
        return 0.0
    return number if math.isfinite(number) else 0.0

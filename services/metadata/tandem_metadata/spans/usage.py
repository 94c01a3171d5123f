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
    so is a sum that no column can hold. What no span tells is 0, but for cached tokens.
    """
    by_id = {row.id: row for row in rows}
    return Sums(_usage(by_id), _cost(by_id))


def _usage(by_id: Mapping[Hashable, Row]) -> dict[str, int] | None:
    counted = _uppermost(by_id, lambda row: row.usage)
    if not counted:
        return None
    used = {}
    for name in TOKENS:
        told = [usage[name] for usage in counted if name in usage]
        counts = [number for each in told if (number := count(each)) is not None]
        if counts or (not told and name in MAIN_TOKENS):
            used[name] = sum(counts)
    return {name: number for name, number in used.items() if -INT64_MAX <= number <= INT64_MAX}


def _cost(by_id: Mapping[Hashable, Row]) -> dict[str, float] | None:
    counted = _uppermost(by_id, lambda row: row.cost)
    if not counted:
        return None
    spent = {}
    for name in COSTS:
        told = [cost[name] for cost in counted if name in cost]
        amounts = [number for each in told if (number := amount(each)) is not None]
        if amounts or not told:
            spent[name] = sum(amounts, 0.0)
    return {name: number for name, number in spent.items() if math.isfinite(number)}


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


def count(value: Any) -> int | None:
    """The value as a number of tokens that a column holds; None if it is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -INT64_MAX <= value <= INT64_MAX else None


def amount(value: Any) -> float | None:
    """The value as a finite part of a cost; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None

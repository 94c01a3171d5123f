"""What a filter means, in Python: a tree of comparisons over values, without SQL.

As in SQL, a comparison of what is missing is neither true nor false, and a filter finds what it is
true of. A comparison of several values is true if it is for one of them.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Sequence[Any]]
"""The values of one thing by the field as it is written in filters; None is a null."""

_SIZES: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


@dataclass(frozen=True)
class Comparison:
    field: str
    operator: str
    operand: Any = None

    def written(self) -> str:
        if self.operand is None:
            return f"{self.field} {self.operator}"
        if isinstance(self.operand, tuple):
            return f"{self.field} {self.operator} ({', '.join(map(_quoted, self.operand))})"
        return f"{self.field} {self.operator} {_quoted(self.operand)}"

    def truth(self, values: Values) -> bool | None:
        found = values.get(self.field, ())
        if self.operator in ("IS NULL", "IS NOT NULL"):
            return bool(found) != (self.operator == "IS NULL")
        there = [value for value in found if value is not None]
        if not there:
            return None
        if self.operator.startswith("NOT ") and self.operator != "NOT IN":
            plain = Comparison(self.field, self.operator.removeprefix("NOT "), self.operand)
            return not plain.truth(values)
        return any(self._holds(value) for value in there)

    def _holds(self, value: Any) -> bool:
        match self.operator:
            case "=":
                return bool(value == self.operand)
            case "!=":
                return bool(value != self.operand)
            case "IN":
                return any(value == each for each in self.operand)
            case "NOT IN":
                return all(value != each for each in self.operand)
            case "LIKE" | "ILIKE":
                case_counts = self.operator == "LIKE"
                flags = re.DOTALL | (0 if case_counts else re.IGNORECASE)
                parts = re.split("([%_])", self.operand)
                wild = {"%": ".*", "_": "."}
                pattern = "".join(wild.get(part) or re.escape(part) for part in parts)
                return re.fullmatch(pattern, value, flags) is not None
            case "RLIKE":
                return re.search(self.operand, value) is not None
        return _SIZES[self.operator](value, self.operand)


@dataclass(frozen=True)
class Not:
    part: "Tree"
    bracketed: bool

    def written(self) -> str:
        needs = self.bracketed or isinstance(self.part, Joined)
        return f"NOT {_bracketed(self.part) if needs else self.part.written()}"

    def truth(self, values: Values) -> bool | None:
        truth = self.part.truth(values)
        return None if truth is None else not truth


@dataclass(frozen=True)
class Joined:
    word: str
    parts: "tuple[Tree, ...]"
    bracketed: bool

    def written(self) -> str:
        return f" {self.word} ".join(map(self._part, self.parts))

    def _part(self, part: "Tree") -> str:
        binds_less = isinstance(part, Joined) and self.word == "AND" and part.word == "OR"
        return _bracketed(part) if binds_less or self.bracketed else part.written()

    def truth(self, values: Values) -> bool | None:
        truths = [part.truth(values) for part in self.parts]
        decisive = self.word == "OR"
        if decisive in truths:
            return decisive
        return None if None in truths else not decisive


Tree = Comparison | Not | Joined


def _bracketed(tree: Tree) -> str:
    return f"({tree.written()})"


def _quoted(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"' if "'" in value else f"'{value}'"
    assert not math.isnan(value)
    return repr(value)

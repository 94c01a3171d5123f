r"""Regular expressions of RLIKE: what Python and PostgreSQL have in common, in linear time.

    expression  = [(?i)] branches
    branches    = branch {"|" branch}
    branch      = {atom [* | + | ? | "{" m "}" | "{" [m] "," [n] "}"] ["?"] | ^ | $}
    atom        = character | . | "[" class "]" | "(" branches ")" | \d | \w | \s | \D | \W | \S

Python's own engine may take longer than the universe is old for one value, holds the interpreter
meanwhile, and cannot be stopped. PostgreSQL is given the expression as it was understood here, so
that both databases find the same, and it never meets one that it refuses.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MAX_LENGTH: Final = 1_000
"""Characters of an expression."""

MAX_SIZE: Final = 1_000
"""Characters and classes that an expression consists of, with each repetition written out."""

_MAX_REPEATED: Final = 255
"""PostgreSQL's limit."""

_MAX_DEPTH: Final = 32

_LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_SPECIAL: Final = frozenset("\\.^$*+?{}[]()|-")
_BOUNDS = re.compile(r"\{(?:([0-9]+)|([0-9]*),([0-9]*))\}")
_NO_ESCAPE: Final = "the escape \\%s is not supported; write the character itself"


@dataclass(frozen=True, slots=True)
class Any:
    """One character: in or out of ranges and classes, which are d, w and s, or D, W and S."""

    ranges: tuple[tuple[str, str], ...]
    classes: str = ""
    negated: bool = False

    def has(self, *spellings: str) -> bool:
        """Whether it is this character, in one of its spellings."""
        found = any(
            any(low <= each <= high for low, high in self.ranges)
            or any(_in_class(each, name) for name in self.classes)
            for each in spellings
        )
        return found != self.negated

    def written(self) -> str:
        """As PostgreSQL reads it."""
        if not self.negated and not self.classes and len(self.ranges) == 1:
            low, high = self.ranges[0]
            if low == high:
                return _escaped(low)
        ranges = "".join(
            _escaped(low) if low == high else f"{_escaped(low)}-{_escaped(high)}"
            for low, high in self.ranges
        )
        classes = "".join(f"\\{name}" for name in self.classes)
        return f"[{'^' if self.negated else ''}{ranges}{classes}]"


@dataclass(frozen=True, slots=True)
class Edge:
    """The beginning of the text, or its end."""

    end: bool

    def written(self) -> str:
        """As PostgreSQL reads it."""
        return r"\Z" if self.end else r"\A"


@dataclass(frozen=True, slots=True)
class Sequenced:
    """One part after the other."""

    parts: "tuple[Node, ...]"

    def written(self) -> str:
        """As PostgreSQL reads it."""
        return "".join(each.written() for each in self.parts)


@dataclass(frozen=True, slots=True)
class Either:
    """Any of some parts."""

    parts: "tuple[Node, ...]"

    def written(self) -> str:
        """As PostgreSQL reads it."""
        return f"(?:{'|'.join(each.written() for each in self.parts)})"


@dataclass(frozen=True, slots=True)
class Repeated:
    """A part, at least so many times and at most so many; None is without end."""

    part: "Node"
    least: int
    most: int | None

    def written(self) -> str:
        """As PostgreSQL reads it."""
        most = "" if self.most is None else str(self.most)
        return f"(?:{self.part.written()}){{{self.least},{most}}}"


Node = Any | Edge | Sequenced | Either | Repeated

_DOT: Final = Any((("\n", "\n"),), negated=True)


class Expression:
    """A regular expression. Threads may share one."""

    def __init__(self, node: Node, ignores_case: bool) -> None:
        self._node = node
        self._ignores_case = ignores_case
        self._first, self._steps = _automaton(node)
        self._moves: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    @property
    def postgresql(self) -> str:
        """The same expression, as PostgreSQL's operator ~ takes it."""
        return f"(?{'i' if self._ignores_case else 'c'}){self._node.written()}"

    def search(self, text: str) -> bool:
        """Whether any part of the text matches."""
        # States are sets of steps, made as they are met, and moves between them are remembered:
        # the time is mostly that of one look-up a character.
        moves = self._moves
        state = self._entered([self._first], start=True)
        again = self._entered([self._first])
        for character in text:
            if _MATCH in state:
                return True
            found = moves.get((state, character))
            if found is None:
                if len(moves) > _REMEMBERED:
                    moves.clear()
                following = (
                    step.next
                    for step in map(self._steps.__getitem__, state - {_MATCH})
                    if isinstance(step.what, Any) and self._has(step.what, character)
                )
                found = moves[state, character] = self._entered(following) | again
            state = found
        return _MATCH in state or _MATCH in self._entered(
            (self._steps[each].next for each in state if self._is_end(each)),
            start=not text,
            end=True,
        )

    def _is_end(self, number: int) -> bool:
        return number != _MATCH and isinstance(self._steps[number].what, Edge)

    def _has(self, any: Any, character: str) -> bool:
        if self._ignores_case:
            return any.has(character, character.lower(), character.upper())
        return any.has(character)

    def _entered(
        self, numbers: Iterable[int], *, start: bool = False, end: bool = False
    ) -> frozenset[int]:
        """The steps that wait for a character or for the end, from some on."""
        waiting = set()
        seen = set()
        ahead = [*numbers]
        while ahead:
            number = ahead.pop()
            if number in seen:
                continue
            seen.add(number)
            if number == _MATCH:
                waiting.add(number)
                continue
            step = self._steps[number]
            if isinstance(step.what, Any):
                waiting.add(number)
            elif isinstance(step.what, Edge):
                if step.what.end:
                    waiting.add(number)
                if end if step.what.end else start:
                    ahead.append(step.next)
            else:
                ahead += [step.next, step.other]
        return frozenset(waiting)


_MATCH: Final = -1
_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class _Step:
    """A character or an edge, and the step after it; or a choice of two steps."""

    what: Any | Edge | None
    next: int
    other: int = _MATCH


def _automaton(node: Node) -> tuple[int, Sequence[_Step]]:
    """The first step, and all of them."""
    steps: list[_Step] = []

    def add(what: Any | Edge | None, following: int, other: int = _MATCH) -> int:
        if len(steps) >= 2 * MAX_SIZE:
            raise ValueError(f"it has more than {MAX_SIZE} characters with each repetition")
        steps.append(_Step(what, following, other))
        return len(steps) - 1

    def before(node: Node, following: int) -> int:
        match node:
            case Any() | Edge():
                return add(node, following)
            case Sequenced(parts):
                for each in reversed(parts):
                    following = before(each, following)
                return following
            case Either(parts):
                first, *others = [before(each, following) for each in parts]
                for other in others:
                    first = add(None, first, other)
                return first
            case Repeated(part, least, most):
                if most is None:
                    loop = add(None, following, following)
                    steps[loop].next = before(part, loop)
                    following = loop
                else:
                    end = following
                    for _ in range(most - least):
                        following = add(None, before(part, following), end)
                for _ in range(least):
                    following = before(part, following)
                return following

    return before(node, _MATCH), steps


@lru_cache(64)
def parse(text: str) -> Expression:
    """The expression of a text; raises ValueError, which says what is wrong with it."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it has more than {MAX_LENGTH} characters")
    reader = _Reader(text)
    ignores_case = reader.take("(?i)")
    node = reader.branches(0)
    if reader.rest():
        raise ValueError("it closes a parenthesis that was not opened")
    return Expression(node, ignores_case)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rest(self) -> str:
        return self._text[self._at :]

    def take(self, wanted: str) -> bool:
        found = self._text.startswith(wanted, self._at)
        if found:
            self._at += len(wanted)
        return found

    def next(self, within: str = "it") -> str:
        if self._at == len(self._text):
            raise ValueError(f"{within} is not closed" if within != "it" else "it ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def branches(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise ValueError(f"it has more than {_MAX_DEPTH} parentheses within each other")
        parts = [self._branch(depth)]
        while self.take("|"):
            parts.append(self._branch(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _branch(self, depth: int) -> Node:
        parts: list[Node] = []
        while (rest := self.rest()) and rest[0] not in "|)":
            atom = self._atom(depth)
            if bounds := self._bounds():
                if isinstance(atom, Edge):
                    raise ValueError("^ and $ cannot be repeated")
                atom = Repeated(atom, *bounds)
                if self._bounds():
                    raise ValueError("it repeats a repetition; put parentheses around it")
            parts.append(atom)
        return Sequenced(tuple(parts))

    def _atom(self, depth: int) -> Node:
        character = self.next()
        match character:
            case "(":
                if self.take("?") and not self.take(":"):
                    raise ValueError("of groups that begin with (? only (?: is supported")
                inner = self.branches(depth + 1)
                if not self.take(")"):
                    raise ValueError("a parenthesis is not closed")
                return inner
            case "[":
                return self._class()
            case ".":
                return _DOT
            case "^":
                return Edge(end=False)
            case "$":
                return Edge(end=True)
            case "*" | "+" | "?":
                raise ValueError(f"nothing is before {character} that could be repeated")
            case "\\":
                return self._escape()
        return Any(((character, character),))

    def _bounds(self) -> tuple[int, int | None] | None:
        found: tuple[int, int | None] | None = None
        if self.take("*"):
            found = 0, None
        elif self.take("+"):
            found = 1, None
        elif self.take("?"):
            found = 0, 1
        elif match := _BOUNDS.match(self._text, self._at):
            self._at = match.end()
            exact, least, most = match.groups()
            limits = (exact, exact) if exact else (least or "0", most or None)
            found = int(limits[0][:9]), None if limits[1] is None else int(limits[1][:9])
            if found[1] is not None and found[0] > found[1]:
                raise ValueError("a repetition has its smaller number last")
            if max(found[0], found[1] or 0) > _MAX_REPEATED:
                raise ValueError(f"a repetition is of {_MAX_REPEATED} at most")
        if found:
            self.take("?")  # which of several matches is found makes no difference here
        return found

    def _escape(self) -> Any:
        character = self.next()
        if character in "dwsDWS":
            return Any((), character)
        literal = self._literal(character)
        return Any(((literal, literal),))

    def _literal(self, character: str) -> str:
        """The character that an escape of this one stands for."""
        if character in _LETTERS:
            return _LETTERS[character]
        if character.isalnum():
            raise ValueError(_NO_ESCAPE % character)
        return character

    def _class(self) -> Any:
        negated = self.take("^")
        ranges: list[tuple[str, str]] = []
        classes = ""
        if self.take("]"):
            ranges.append(("]", "]"))
        while not self.take("]"):
            if self.rest()[:2] in ("[:", "[.", "[="):
                raise ValueError("classes by name are not supported")
            low = self._member()
            if low is None:
                classes += self._text[self._at - 1]
                continue
            high: str | None = low
            rest = self.rest()
            if rest[:1] == "-" and rest[1:2] not in ("", "]"):
                self.next()
                high = self._member()
            if high is None or high < low:
                raise ValueError("a range in [] ends before it begins")
            ranges.append((low, high))
        return Any(tuple(ranges), classes, negated)

    def _member(self) -> str | None:
        """A character in brackets; None for a class, whose letter was read last."""
        character = self.next("a [")
        if character != "\\":
            return character
        escaped = self.next("a [")
        return None if escaped in "dwsDWS" else self._literal(escaped)


def _in_class(character: str, name: str) -> bool:
    match name.lower():
        case "d":
            found = "0" <= character <= "9"
        case "w":
            found = character.isalnum() or character == "_"
        case _:
            found = character.isspace()
    return found == name.islower()


def _escaped(character: str) -> str:
    return f"\\{character}" if character in _SPECIAL else character

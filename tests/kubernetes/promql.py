"""What a PromQL expression asks for: its selectors, and the labels that it groups and joins by.

Prometheus itself says whether an expression is valid; this only reads one that is.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|\#[^\n]*)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    | (?P<duration>\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|0x[0-9a-fA-F]+)
    | (?P<name>[a-zA-Z_][a-zA-Z0-9_:]*)
    | (?P<operator>=~|!~|!=|==|>=|<=|[-+*/%^=<>@(){}\[\],:])
    """,
    re.VERBOSE,
)
_LABEL_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = _LABEL_LISTS | {"and", "or", "unless", "offset", "bool", "inf", "nan", "atan2"}


@dataclass(frozen=True)
class Matcher:
    """One condition of a selector, its value unquoted."""

    label: str
    operator: str
    value: str


@dataclass(frozen=True)
class Selector:
    """A metric with its conditions."""

    metric: str
    matchers: tuple[Matcher, ...]

    def matcher(self, label: str) -> Matcher | None:
        """The first condition on a label."""
        return next((each for each in self.matchers if each.label == label), None)


@dataclass(frozen=True)
class Query:
    """What one expression names."""

    selectors: tuple[Selector, ...]
    labels: frozenset[str]
    """The labels in its by, without, on, ignoring and group lists."""


def read(expression: str) -> Query:
    """The selectors and labels of a valid expression; raises ValueError where it has no sense."""
    tokens = list(_tokens(expression))
    selectors: list[Selector] = []
    labels: set[str] = set()
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if kind == "name" and text.lower() in _LABEL_LISTS and following == "(":
            end = _closing(tokens, at + 1, ")")
            labels |= {name for each, name in tokens[at + 2 : end] if each == "name"}
            at = end
        elif kind == "name" and text.lower() not in _WORDS and following == "{":
            end = _closing(tokens, at + 1, "}")
            selectors.append(Selector(text, _matchers(tokens[at + 2 : end])))
            at = end
        elif kind == "name" and text.lower() not in _WORDS and following != "(":
            # A function is followed by "(", an aggregation by that or by its label list.
            if following.lower() not in ("by", "without"):
                selectors.append(Selector(text, ()))
        elif text == "{":
            raise ValueError(f"a selector without a metric's name: {expression}")
        at += 1
    return Query(tuple(selectors), frozenset(labels))


def alternatives(regex: str) -> list[str]:
    """The parts of a regular expression between its outermost bars."""
    parts, depth, start, inside = [], 0, 0, False
    for at, character in enumerate(regex):
        escaped = at > 0 and regex[at - 1] == "\\"
        if escaped:
            continue
        inside = (inside or character == "[") and character != "]"
        if inside:
            continue
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            parts.append(regex[start:at])
            start = at + 1
    return [*parts, regex[start:]]


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ValueError(f"what is {expression[at : at + 20]!r} in {expression}?")
        assert match.lastgroup is not None
        if match.lastgroup != "space":
            yield match.lastgroup, match[0]
        at = match.end()


def _closing(tokens: Sequence[tuple[str, str]], opening: int, closer: str) -> int:
    """Where a list that holds no brackets ends."""
    for at in range(opening, len(tokens)):
        if tokens[at] == ("operator", closer):
            return at
    raise ValueError(f"{tokens[opening][1]} is not closed")


def _matchers(tokens: Sequence[tuple[str, str]]) -> tuple[Matcher, ...]:
    found, at = [], 0
    while at < len(tokens):
        (kind, label), (_, operator), (quoted, value) = tokens[at : at + 3]
        if (kind, quoted) != ("name", "string") or operator not in ("=", "!=", "=~", "!~"):
            raise ValueError(f"no matcher: {label}{operator}{value}")
        found.append(Matcher(label, operator, _unquoted(value)))
        at += 4  # a comma between two
    return tuple(found)


def _unquoted(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]
    if text[0] == "'":
        text = '"' + text[1:-1].replace('"', '\\"') + '"'
    value: str = json.loads(text)
    return value

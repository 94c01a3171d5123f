"""The lexer of filter and order_by text.

There are three kinds of quotes: 'text', "text" and `text`. A doubled quote does not end the text;
nor does a quote after a backslash, except in backticks. Both characters stay in the value, as in
MLflow. Strings in a list, which are the parentheses after IN, are Python literals, because clients
write lists with `str(tuple)`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tandem_shared.errors import InvalidParameter

FILTER_LENGTH: Final = 400_000
"""The longest filter, in characters: room for 10,000 run ids."""

CLAUSE_LENGTH: Final = 2_000
"""The longest order_by clause, in characters: room for a key, quoted and escaped."""

_SHOWN: Final = 60

_FAULTS: Final = {"filter": "Invalid clause(s) in filter string"}


class Kind(Enum):
    """The kind of a token."""

    NAME = "name"
    STRING = "quoted string"
    NUMBER = "number"
    OPERATOR = "operator"
    OPEN = "("
    CLOSE = ")"
    COMMA = ","
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text.

    `position` counts characters from 0. `parts` are the dotted parts of a name with their quotes
    removed; a quoted string has its content as its only part.
    """

    kind: Kind
    text: str
    position: int
    parts: tuple[str, ...] = ()

    def is_word(self, word: str) -> bool:
        """Whether the token is `word`, unquoted, in any case; `word` is in capitals."""
        return self.kind is Kind.NAME and self.text.upper() == word


_WORD = r"\w[\w$#]*"
# Possessive quantifiers: no backtracking is possible, and the engine need not store its steps.
_BACKTICK = r"`(?:[^`]++|``)*`"
_DOUBLE = r'"(?:[^"\\]++|""|\\"|\\)*"'
_SINGLE = r"'(?:[^'\\]++|''|\\'|\\)*'"
_PART = re.compile(rf"{_WORD}|{_BACKTICK}|{_DOUBLE}|{_SINGLE}")
_NUMBER = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.])"

_TOKEN = re.compile(
    rf"(?P<number>{_NUMBER})"
    rf"|(?P<name>(?:{_WORD}|{_BACKTICK}|(?>{_DOUBLE})(?=\.))"
    rf"(?:\.(?:{_WORD}|{_BACKTICK}|{_DOUBLE}|{_SINGLE}))*+)"
    rf"|(?P<string>{_SINGLE}|{_DOUBLE})"
    r"|(?P<operator>[<>=!~]+)"
    r"|(?P<open>\()|(?P<close>\))|(?P<comma>,)"
)
_LIST_STRING = re.compile(r"""'(?:[^'\\]++|\\.)*+'|"(?:[^"\\]++|\\.)*+\"""", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = re.compile(r"\s*")
_KINDS: Final = {
    "number": Kind.NUMBER,
    "name": Kind.NAME,
    "string": Kind.STRING,
    "operator": Kind.OPERATOR,
    "open": Kind.OPEN,
    "close": Kind.CLOSE,
    "comma": Kind.COMMA,
}


def tokens(text: str, source: str, longest: int) -> Iterator[Token]:
    """Yield the tokens of a text, the last one of kind END.

    `source` names the request's parameter in errors; `longest` counts characters. Raises
    InvalidParameter for an open quote, an unknown character, or a text that is too long.
    """
    if len(text) > longest:
        raise InvalidParameter(
            f"Invalid {source}: it has {len(text)} characters, at most {longest} are accepted."
        )
    if not is_text(text):
        raise InvalidParameter(f"Invalid {source}: it holds a NUL or half a character; remove it.")
    in_list = after_in = False
    position = _skip_space(text, 0)
    while position < len(text):
        token = _token_at(text, position, source, in_list=in_list)
        in_list = (in_list and token.kind is not Kind.CLOSE) or (
            after_in and token.kind is Kind.OPEN
        )
        after_in = token.is_word("IN")
        yield token
        position = _skip_space(text, position + len(token.text))
    yield Token(Kind.END, "", len(text))


def is_text(text: str) -> bool:
    """Whether a database can hold the text: no NUL, no unpaired surrogate."""
    return "\0" not in text and not _SURROGATE.search(text)


def refusal(source: str, token: Token, reason: str, fault: str | None = None) -> InvalidParameter:
    """An error that names the token and its position.

    It begins with the fault: the words by which programs know MLflow's error of that kind.
    """
    head = _FAULTS.get(source, f"Invalid {source}") if fault is None else f"{fault} in the {source}"
    if token.kind is Kind.END:
        return InvalidParameter(f"{head} at its end: {reason}.")
    return InvalidParameter(
        f"{head} at character {token.position + 1}, near {shown(token.text)}: {reason}."
    )


def shown(text: str) -> str:
    """The client's text in backticks, cut to 60 characters, for an error."""
    return f"`{text}`" if len(text) <= _SHOWN else f"`{text[:_SHOWN]}…`"


def _skip_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _token_at(text: str, position: int, source: str, *, in_list: bool) -> Token:
    if in_list and text[position] in "'\"":
        match = _LIST_STRING.match(text, position)
        if match:
            return Token(Kind.STRING, match[0], position, (match[0][1:-1],))
    elif (match := _TOKEN.match(text, position)) and match.lastgroup:
        kind = _KINDS[match.lastgroup]
        if kind is Kind.NAME:
            parts = tuple(_unquoted(part) for part in _PART.findall(match[0]))
            return Token(kind, match[0], position, parts)
        parts = (match[0][1:-1],) if kind is Kind.STRING else ()
        return Token(kind, match[0], position, parts)
    rest = text[position:]
    if rest[0] in "'\"`":
        raise refusal(source, Token(Kind.NAME, rest, position), "this quote is never closed")
    reason = f"the character {rest[0]!r} is not understood here; quote keys and values that hold it"
    raise refusal(source, Token(Kind.NAME, rest[:20], position), reason)


def _unquoted(part: str) -> str:
    return part[1:-1] if part[0] in "'\"`" else part

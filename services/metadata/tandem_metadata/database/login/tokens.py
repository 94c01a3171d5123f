"""Tokens: passwords that hold for some minutes. One is fetched for many connections."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import psycopg

from tandem_shared.observability.logs import RARELY

_MARGIN: Final = 60.0
"""Seconds before its end in which no connection takes a token: connecting takes time, and clocks
differ."""

_RENEWED_AFTER: Final = 0.75
"""Share of the time in which connections take a token, after which another is fetched.

The rest is for a cloud that does not answer at once.
"""

_log = logging.getLogger("tandem.db")


class LoginFailed(psycopg.OperationalError):
    """The cloud gives no token, or the database refuses it.

    The text is a reason for the operator: one line without a full stop, and without the token.
    As the driver's own error, it is treated as a database that does not answer.
    """


@dataclass(frozen=True, slots=True)
class Token:
    """A password of a user of the database, for new connections."""

    text: str = field(repr=False)
    seconds: float
    """How long the database takes it, from when it was fetched."""


class TokenSource(Protocol):
    """A cloud, as far as it gives tokens for one user of one database."""

    refused: str
    """What to look at when the database refuses a token; a sentence without a full stop."""

    def fetch(self) -> Token:
        """A token. Blocks for some seconds at most; one thread at a time calls it.

        Raises LoginFailed.
        """
        ...


class TokenCache:
    """The last token of a source, until it is too old. Methods may be called by all threads."""

    def __init__(self, source: TokenSource, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._source = source
        self._clock = clock
        self._fetching = threading.Lock()
        # Each is replaced as a whole, by whoever holds the lock.
        self._token = ("", 0.0, 0.0)
        self._failure: tuple[float, str] | None = None

    def get(self) -> str:
        """A token that the database takes now, as far as can be known. May fetch it, and block.

        Threads that need one at once wait for one fetch, and share its failure. While the last one
        still holds, only one thread fetches, and its failure is logged. Raises LoginFailed.
        """
        began = self._clock()
        text, renewed, ends = self._token
        if began < renewed:
            return text
        if not self._fetching.acquire(blocking=began >= ends):
            return text
        try:
            text, renewed, ends = self._token
            if began < renewed:
                return text
            if self._failure and self._failure[0] >= began:
                raise LoginFailed(self._failure[1])
            return self._fetch()
        except LoginFailed as error:
            if self._clock() >= ends:
                raise
            _log.warning("the last token is used for lack of a new one: %s", error, extra=RARELY)
            return text
        finally:
            self._fetching.release()

    def renew(self) -> str:
        """A token fetched just now. Raises LoginFailed."""
        with self._fetching:
            return self._fetch()

    def forget(self, text: str) -> None:
        """Give out this token no more, since the database refused it."""
        with self._fetching:
            if self._token[0] == text:
                self._token = ("", 0.0, 0.0)

    def _fetch(self) -> str:
        """Called by whoever holds the lock."""
        began = self._clock()
        try:
            token = self._source.fetch()
        except LoginFailed as error:
            self._failure = (self._clock(), str(error))
            raise
        used = token.seconds - min(_MARGIN, token.seconds / 2)
        self._token = (token.text, began + used * _RENEWED_AFTER, began + used)
        return token.text

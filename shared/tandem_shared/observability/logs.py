"""Structured logs: one JSON object a line on standard error, one line a request."""

import json
import logging
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from functools import lru_cache
from typing import Final, TextIO

import msgspec

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request being handled; calls to another service pass it on as `X-Request-Id`."""

_RARELY: Final = "tandem_rarely"
RARELY: Final = {_RARELY: True}
"""`extra` of a warning that each request may cause while something outside the service fails.

A process then writes one line in `RARELY_SECONDS` for each reason, and says how many it left out.
"""

RARELY_SECONDS: Final = 60.0

_MOST_REASONS = 1000
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    _RARELY,
}

_QUIET: Final = (
    *("hypercorn.error", "botocore", "boto3", "google", "urllib3", "httpx", "httpcore"),
)
"""Libraries that would tell of each request, those of clouds with what signs it."""

_JSON = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, and what `extra` adds."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        fields = {k: v for k, v in record.__dict__.items() if k not in _PLAIN}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return self.line(record.created, record.levelname, record.name, record.getMessage(), fields)

    def line(
        self, created: float, level: str, logger: str, message: str, fields: Mapping[str, object]
    ) -> str:
        """The object that tells of all this; `created` is in seconds since 1970."""
        seconds = int(created)
        line: dict[str, object] = {
            "time": f"{to_the_second(seconds)}.{int((created - seconds) * 1000):03d}Z",
            "level": level,
            "service": self._service,
            "logger": logger,
            "message": message,
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        line.update(fields)
        try:
            return _JSON.encode(line).decode()
        except UnicodeEncodeError:  # the name of a file need not be Unicode
            return json.dumps(line, default=str)


class _Repetitions:
    """Which lines have been written lately; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._written: dict[tuple[str, str], float] = {}
        self._left_out: Counter[tuple[str, str]] = Counter()

    def count(self, logger: str, message: str) -> int | None:
        """The number of lines left out since the last of its kind; None to leave it out too."""
        reason = logger, _VARYING.sub("", message)
        now = time.monotonic()
        with self._lock:
            if now - self._written.get(reason, -RARELY_SECONDS) < RARELY_SECONDS:
                self._left_out[reason] += 1
                return None
            if len(self._written) >= _MOST_REASONS:
                self._written.clear()
                self._left_out.clear()
            self._written[reason] = now
            return self._left_out.pop(reason, 0)


_VARYING = re.compile(r"""'[^']*'|"[^"]*"|(?<![\w.:])\d+(?![\w.:])""")
"""What lines of one reason differ by: names in quotes and numbers, but no part of an address."""


class _StandardError(logging.StreamHandler[TextIO]):
    """Takes lines besides records, where nobody else would see the records."""

    def __init__(self, lines: JsonLines) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(lines)
        self._lines = lines
        self._repetitions = _Repetitions()

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, _RARELY):
            message = record.getMessage()
            left_out = self._repetitions.count(record.name, message)
            if left_out is None:
                return
            if left_out:
                record.msg, record.args = f"{message} (and {left_out} more like it before)", ()
        super().emit(record)

    def has_to_itself(self, logger: logging.Logger) -> bool:
        """Whether records of a logger would come here as they were made, and to no one else."""
        while logger.parent:
            if logger.handlers or logger.filters or not logger.propagate:
                return False
            logger = logger.parent
        alone = logger.handlers == [self] and not self.filters and self.level <= logging.INFO
        return alone and logging.getLogRecordFactory() is logging.LogRecord

    def tell(self, logger: str, message: str, fields: Mapping[str, object]) -> None:
        """Write a line of level INFO; raises OSError or ValueError when it cannot be written."""
        line = self._lines.line(time.time(), "INFO", logger, message, fields)
        with self.lock or nullcontext():
            self.stream.write(line + self.terminator)
            self.stream.flush()


_standard_error: _StandardError | None = None


def info(logger: logging.Logger, message: str, fields: Mapping[str, object]) -> None:
    """As `logger.info(message, extra=fields)`, at 7 µs in place of 18: it makes no record.

    The row get-run of docs/benchmarks.md needs the difference to reach its target under Uvicorn.
    The message is taken as it is. Handlers, filters and record factories besides get records.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    if _standard_error and _standard_error.has_to_itself(logger):
        with suppress(OSError, ValueError):
            _standard_error.tell(logger.name, message, fields)
            return
    logger.info(message, extra=fields)


@lru_cache(2)
def to_the_second(seconds: int) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, without the `Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def configure(service: str, level: str) -> None:
    """Send this process's logs to standard error as JSON lines."""
    # Python would look these up for each record, though no line shows them. `_srcfile` is public:
    # https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, name, False)
    global _standard_error
    _standard_error = _StandardError(JsonLines(service))
    logging.basicConfig(level=level.upper(), handlers=[_standard_error], force=True)
    for library in _QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)

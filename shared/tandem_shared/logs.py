"""Structured logs: one JSON object a line on standard error, one line a request."""

import json
import logging
import sys
import time
from contextvars import ContextVar
from functools import lru_cache

import msgspec

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request being handled; calls to another service pass it on as `X-Request-Id`."""

_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

_JSON = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, and what `extra` adds."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": f"{_to_the_second(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        line.update({k: v for k, v in record.__dict__.items() if k not in _PLAIN})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return _JSON.encode(line).decode()
        except UnicodeEncodeError:  # the name of a file need not be Unicode
            return json.dumps(line, default=str)


@lru_cache(2)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def configure(service: str, level: str) -> None:
    """Send this process's logs to standard error as JSON lines."""
    # What Python would look up for each record and no line shows, half of what a record costs:
    # https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, name, False)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for library in ("hypercorn.error", "botocore", "boto3", "urllib3", "httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)

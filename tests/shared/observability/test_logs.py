"""Lines that are written without a record: like others, and only where nobody misses one."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tandem_shared.observability import logs

_log = logging.getLogger("tandem.test")
_RARE: Any = {"extra": logs.RARELY}
_FIELDS = {"path": "/a\n", "status": 200, "client": None, "name_of": "\udc80"}


@contextmanager
def _service() -> Iterator[io.StringIO]:
    """Standard error of a service that logs from level INFO on, and of nobody else."""
    root = logging.getLogger()
    before, handlers = root.level, root.handlers[:]
    root.handlers[:] = []  # pytest's, which are there while a test runs
    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", written)
        for name in ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing"):
            patch.setattr(logging, name, getattr(logging, name))
        logs.configure("tiny", "info")
        try:
            yield written
        finally:
            root.handlers[:] = handlers
            root.setLevel(before)


def _told(line: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(line)
    assert told.pop("time").endswith("Z")
    return told


def test_a_line_is_the_same_with_a_record_and_without() -> None:
    with _service() as output:
        token = logs.REQUEST_ID.set("an id")
        logs.info(_log, "request", _FIELDS)
        _log.info("request", extra=_FIELDS)
        logs.REQUEST_ID.reset(token)
        without, record = output.getvalue().splitlines()
        assert _told(without) == _told(record)
        assert _told(record)["request_id"] == "an id"


def test_no_record_is_made_where_nobody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with _service() as output:
        monkeypatch.setattr(logging.Logger, "makeRecord", None)
        logs.info(_log, "request", _FIELDS)
        assert _told(output.getvalue())["message"] == "request"


def test_a_level_that_leaves_it_out_leaves_it_out() -> None:
    with _service() as output:
        logging.getLogger().setLevel("WARNING")
        logs.info(_log, "request", _FIELDS)
        assert not output.getvalue()


class _Ear(logging.Handler):
    heard = 0
    record: logging.LogRecord

    def emit(self, record: logging.LogRecord) -> None:
        self.heard += 1
        self.record = record


def test_records_of_a_service_look_up_no_caller_thread_or_process() -> None:
    with _service():
        ear = _Ear()
        _log.addHandler(ear)
        _log.info("request")
        _log.removeHandler(ear)
    assert (ear.record.filename, ear.record.thread, ear.record.process) == (
        "(unknown file)",
        None,
        None,
    )


@pytest.mark.parametrize("name", ["", "tandem", "tandem.test"])
def test_who_listens_besides_hears_it(name: str) -> None:
    with _service() as output:
        ear, logger = _Ear(), logging.getLogger(name)
        logger.addHandler(ear)
        logs.info(_log, "request", _FIELDS)
        logger.removeHandler(ear)
        assert ear.heard == 1
        assert len(output.getvalue().splitlines()) == 1


def _filter_logger(refuse: Callable[[Any], bool]) -> Callable[[], None]:
    _log.addFilter(refuse)
    return lambda: _log.removeFilter(refuse)


def _filter_handler(refuse: Callable[[Any], bool]) -> Callable[[], None]:
    logging.getLogger().handlers[0].addFilter(refuse)
    return lambda: None


def _keep_apart(_: Callable[[Any], bool]) -> Callable[[], None]:
    ear = _Ear()
    _log.addHandler(ear)
    _log.propagate = False

    def undo() -> None:
        _log.removeHandler(ear)
        _log.propagate = True

    return undo


def _raise_level(_: Callable[[Any], bool]) -> Callable[[], None]:
    logging.getLogger().handlers[0].setLevel("ERROR")
    return lambda: None


@pytest.mark.parametrize("apply", [_filter_logger, _filter_handler, _keep_apart, _raise_level])
def test_who_keeps_it_out_keeps_it_out(
    apply: Callable[[Callable[[Any], bool]], Callable[[], None]],
) -> None:
    with _service() as output:
        undo = apply(lambda _: False)
        logs.info(_log, "request", _FIELDS)
        undo()
        assert not output.getvalue()


def test_records_of_another_kind_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with _service() as output:

        class Record(logging.LogRecord):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.trace_id = "7"

        monkeypatch.setattr(logging, "_logRecordFactory", Record)
        logs.info(_log, "request", _FIELDS)
        assert _told(output.getvalue())["trace_id"] == "7"


def test_a_standard_error_that_is_gone_fails_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with _service() as output:
        monkeypatch.setattr(logging, "raiseExceptions", False)
        output.close()
        logs.info(_log, "request", _FIELDS)


def test_warning_of_one_reason_is_written_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    with _service() as output:
        for number in range(3):
            _log.warning("write failed: no space for 'tmp-%d', %d bytes", number, number, **_RARE)
            _log.warning("write failed: no answer from 127.0.0.1:%d", number, **_RARE)
        now[0] = 59.9
        _log.warning("write failed: no space for 'tmp-9', 9 bytes", **_RARE)
        _log.warning("another")
        _log.warning("another")
        now[0] = 60.0
        for number in range(2):
            _log.warning("write failed: no space for 'tmp-%d', 1 bytes", number, **_RARE)
        lines = [_told(line) for line in output.getvalue().splitlines()]
    assert [line["message"] for line in lines] == [
        "write failed: no space for 'tmp-0', 0 bytes",
        *(f"write failed: no answer from 127.0.0.1:{number}" for number in range(3)),
        "another",
        "another",
        "write failed: no space for 'tmp-0', 1 bytes (and 3 more like it before)",
    ]
    assert not logs.RARELY.keys() & lines[0].keys()


def test_reasons_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MOST_REASONS", 2)
    with _service() as output:
        for letter in "abca":
            _log.warning("write failed: %s", letter, **_RARE)
        assert len(output.getvalue().splitlines()) == 4

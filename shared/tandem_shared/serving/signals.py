"""SIGTERM and SIGINT while nothing serves yet: the process ends cleanly, with status 0."""

import signal
import sys
import threading
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

WANTED: Final = threading.Event()
"""Set by a signal from `exit_on_signals()` on, until something else handles signals."""


def exit_on_signals() -> None:
    """Until something better listens for them, end the process at once."""
    for number in SIGNALS:
        signal.signal(number, _exit)


def only_remember_signals() -> None:
    """Set `WANTED` and go on."""
    for number in SIGNALS:
        signal.signal(number, _remember)


def ignore_signals() -> None:
    """From now on, signals change nothing."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _remember(_number: int, _frame: object) -> None:
    WANTED.set()


def _exit(_number: int, _frame: object) -> None:
    # Remembered too: an exception raised while a finalizer runs, as imports have them, is lost.
    WANTED.set()
    sys.exit(0)

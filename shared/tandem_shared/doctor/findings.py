"""What a doctor finds, check by check, each within its time."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tandem_shared.errors import ApiError
from tandem_shared.settings import SettingsError, without_credentials


class Status(StrEnum):
    """How a finding counts: a skipped one counts as nothing."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check has found."""

    status: Status
    said: str
    """What is so, in a sentence."""
    cure: str = ""
    """What to do about it, in a sentence; "" where nothing is to be done."""


def ok(said: str) -> Finding:
    """What is as it should be."""
    return Finding(Status.OK, said)


def skipped(said: str) -> Finding:
    """What could not be looked at, or need not be."""
    return Finding(Status.SKIPPED, said)


def warning(said: str, cure: str) -> Finding:
    """What works, and may not for long, or not for everybody."""
    return Finding(Status.WARNING, said, cure)


def failure(said: str, cure: str) -> Finding:
    """What does not work."""
    return Finding(Status.FAILURE, said, cure)


class Failed(Exception):
    """Ends a check with a failure."""

    def __init__(self, said: str, cure: str) -> None:
        super().__init__(said)
        self.finding = failure(said, cure)


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at."""

    name: str
    look: Callable[[], Iterable[Finding]]
    """May raise Failed, SettingsError and ApiError, each of which is a failure."""
    seconds: float | None = None
    """What it may take; None for what every check may."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a check has found."""

    name: str
    findings: Sequence[Finding]
    seconds: float
    """That it took."""
    hangs: bool = False
    """Whether it did not end in time; its thread goes on."""


def examine(checks: Iterable[Check], seconds: float) -> Iterator[Result]:
    """The results, one after the other; a check gets `seconds` unless it says otherwise."""
    for check in checks:
        yield _run(check, check.seconds or seconds)


_LATE: Final = "See whether what it asks answers at all, or give it more time (--timeout)."


def _run(check: Check, seconds: float) -> Result:
    found: list[Finding] = []
    begun = time.monotonic()
    # Daemons: the process need not wait for one that hangs in a library.
    thread = threading.Thread(
        target=lambda: found.extend(_looked(check)), name=check.name, daemon=True
    )
    thread.start()
    thread.join(seconds)
    hangs = thread.is_alive()
    if hangs:
        found = [failure(f"The check did not end within {seconds:g} seconds.", _LATE)]
    return Result(check.name, found, time.monotonic() - begun, hangs)


def _looked(check: Check) -> list[Finding]:
    found: list[Finding] = []
    try:
        for each in check.look():
            found.append(each)
    except Failed as failed:
        found.append(failed.finding)
    except SettingsError as error:
        found.append(failure(str(error), "Change the setting."))
    except ApiError as error:
        reason = f" ({error.reason})" if error.reason else ""
        found.append(failure(f"{error.message}{reason}", "See what the sentence names."))
    except Exception as error:
        said = without_credentials(" ".join(str(error).split()))
        found.append(
            failure(
                f"The check itself broke: {type(error).__name__}: {said}",
                "Please report this as a fault of doctor.",
            )
        )
    return found

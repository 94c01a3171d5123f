"""The start of a service, which imports little until its settings are known."""

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tandem_shared.observability import logs, worker_metrics
from tandem_shared.serving import signals
from tandem_shared.settings import CommonSettings, SettingsError

_GARBAGE_THRESHOLD: Final = 20_000
"""New objects that make Python's garbage collector run; its own threshold is 700.

Imports make many objects that stay, and a large answer thousands that reference counts free.
"""


@dataclass(frozen=True, slots=True)
class Service:
    """A service, and where its application is found once the settings are known."""

    name: str
    factory: str
    """`module:function` that makes the ASGI application from the settings."""


def launch(
    service: Service, settings: CommonSettings, prepare: Callable[[Any], None] | None = None
) -> int:
    """Serve until told to stop; returns the exit status.

    `prepare` is called with the settings before the socket opens. The caller must not have imported
    prometheus_client, which decides at its import whether it counts for one process or several.
    Raises SettingsError when `prepare` does, when the address cannot be listened on, or when the
    ASGI server is missing or of an untried version.
    """
    signals.exit_on_signals()
    worker_metrics.forget_directory()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    try:
        with (
            worker_metrics.shared_directory(settings.expose_prometheus)
            if settings.workers > 1
            else contextlib.nullcontext()
        ):
            logs.configure(service.name, settings.log_level)
            if prepare:
                prepare(settings)
            from tandem_shared.serving import run  # It imports prometheus_client.

            return run.run(service, settings)
    except Exception:
        # SystemExit raised in a signal handler during an import can surface as another exception.
        if signals.STOP_REQUESTED.is_set():
            return 0
        raise
    finally:
        # A stop has nothing left to stop, and would break into what runs as Python ends.
        signals.ignore_signals()


def command(main: Callable[[], int]) -> int:
    """Run a command's main; a SettingsError becomes one sentence and exit status 2.

    Whoever reads the output may leave before its end, as `head` does: the status is then 141, which
    shells show for it. It is 130, with a sentence, for a command that is interrupted (Ctrl-C).
    """
    try:
        status = main()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # What is left in the buffer would raise again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        print("Stopped before the end.", file=sys.stderr)
        return 128 + signal.SIGINT
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

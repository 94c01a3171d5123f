"""The command `tandem-artifacts`: `serve` and `doctor`."""

import atexit
import os
import sys
from typing import NoReturn

from tandem_artifacts.cli.parsers import doctor
from tandem_artifacts.settings import ACCEPTED_SWITCHES, NAME, REFUSED_FLAGS, Settings
from tandem_shared import cli
from tandem_shared.serving.launch import Service


def program() -> NoReturn:
    """Run the command line, and end the process with its status.

    Before Python 3.14, a thread of obstore that asks for the interpreter while this ends aborts the
    process: an upload that a stop has cut leaves such a thread. So a process that has used obstore
    ends at once, after the handlers of `atexit`, by which logs and instrumentation are flushed.
    """
    status = main()
    if "obstore" in sys.modules:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def main() -> int:
    """Run the command line; returns the exit status."""
    return cli.main(
        cli.Command(
            service=Service(NAME, "tandem_artifacts.app:create_app"),
            settings=Settings,
            about="Tandem's artifacts service: MLflow's artifact proxy over disk, S3, MinIO, Azure "
            "or Google Cloud.",
            accepted_switches=ACCEPTED_SWITCHES,
            refused_flags=REFUSED_FLAGS,
            prepare=_prepare,
            extend=doctor.add,
        )
    )


def _prepare(settings: Settings) -> None:
    """Refuse wrong settings once, before workers start; say where clients are sent."""
    # Late: see `launch.launch`.
    from tandem_artifacts.app import driver_of, metadata_tls, sent_elsewhere

    metadata_tls(settings)
    if told := sent_elsewhere(settings, driver_of(settings)):
        print(f"{NAME}: {told}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    program()

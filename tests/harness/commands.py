"""Commands as processes that need no second to import what they are made of."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

_FORKING = multiprocessing.get_context("fork")


def begin(
    main: Callable[[], int], line: Sequence[str], output: Path, environ: Mapping[str, str]
) -> BaseProcess:
    """Start a command in a fork of this process, as if it had been typed.

    What it prints goes to the file `output`, and its complaints to one beside it, `.err`.
    """
    process = _FORKING.Process(target=_act, args=(main, list(line), output, dict(environ)))
    process.start()
    return process


class Ended(NamedTuple):
    """What came of a command."""

    status: int
    out: str
    err: str


def run(
    main: Callable[[], int], line: Sequence[str], environ: Mapping[str, str], seconds: float = 300
) -> Ended:
    """Run a command as `begin` does, to its end."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "output"
        process = begin(main, line, output, environ)
        process.join(seconds)
        assert process.exitcode is not None, f"{line[:2]} runs for {seconds} s"
        return Ended(process.exitcode, output.read_text(), complaints(output))


def complaints(output: Path) -> str:
    """What a command has complained of."""
    return output.with_suffix(".err").read_text()


def _act(main: Callable[[], int], line: list[str], output: Path, environ: dict[str, str]) -> None:
    # pytest has its own objects in place of these.
    sys.stdout = output.open("w", buffering=1)
    sys.stderr = output.with_suffix(".err").open("w", buffering=1)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = line
    status: object = 1
    try:
        status = main()
    except SystemExit as ended:
        status = ended.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # What pytest would do at the end of a process is not this one's to do.
        os._exit(status if isinstance(status, int) else 1)

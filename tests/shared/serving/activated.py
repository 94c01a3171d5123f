"""Runs a module with inherited sockets as systemd does: `python -m … FD,FD MODULE FLAGS`.

The sockets become descriptors 3, 4 and so on, and the variables name this very process.
"""

import os
import sys

FIRST = 3


def main() -> None:
    passed, module, *flags = sys.argv[1:]
    given = [int(number) for number in passed.split(",") if number]
    # Out of the way first: a given number may be one of those that are to be taken.
    kept = [os.dup(number) for number in given]
    while kept and min(kept) < FIRST + len(kept):
        kept = [os.dup(number) for number in kept]
    for place, number in enumerate(kept, FIRST):
        os.dup2(number, place)
    count = os.environ.get("LISTEN_FDS", str(len(given)))
    meant_for = os.environ.get("LISTEN_PID", str(os.getpid()))
    variables = {"LISTEN_PID": meant_for, "LISTEN_FDS": count}
    command = [sys.executable, "-m", module, *flags]
    os.execve(sys.executable, command, {**os.environ, **variables})


if __name__ == "__main__":
    main()

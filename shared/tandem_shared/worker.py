"""`python -m tandem_shared.worker`: one worker process, started by the supervisor of `serve`."""

import socket
import sys

from tandem_shared.serve import Service, command, run_worker


def main() -> int:
    """Serve on the listening socket whose descriptor the supervisor passed on."""
    name, settings, factory, descriptor, lifeline = sys.argv[1:]
    listener = socket.socket(fileno=int(descriptor))
    return run_worker(Service(name, settings, factory), listener, int(lifeline))


if __name__ == "__main__":
    sys.exit(command(main))

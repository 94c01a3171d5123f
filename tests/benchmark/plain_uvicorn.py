"""Uvicorn with several workers, on a socket that sends answers at once.

Its own command line makes one without a protocol number, on whose connections asyncio does not set
TCP_NODELAY. Nagle's algorithm then holds an answer's body back until the client acknowledges its
head, which takes Linux 40 ms.
"""

import socket
import sys

import uvicorn
from uvicorn.supervisors import Multiprocess


def main(app: str, port: str, workers: str) -> None:
    """Serve until SIGTERM."""
    config = uvicorn.Config(app, port=int(port), workers=int(workers), access_log=False)
    listener = config.bind_socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted ones inherit it
    Multiprocess(config, sockets=[listener]).run()


if __name__ == "__main__":
    main(*sys.argv[1:])

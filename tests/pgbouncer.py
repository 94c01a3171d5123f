"""Debian's PgBouncer in front of the test session's PostgreSQL, in transaction mode."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests import debian
from tests.postgresql import PostgreSQL

_UNPRIVILEGED = "nobody"
_START_SECONDS = 20
_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
server_round_robin = 1
max_client_conn = 500
logfile = {log}
{unprepared}
"""
_PREPARES = (1, 21)
"""From this version on it follows prepared statements itself, unless told not to."""


@contextlib.contextmanager
def serve(server: PostgreSQL, pool_size: int) -> Iterator[str]:
    """The address by which a database is reached through it, as a pattern for its name.

    `pool_size` connections to the server serve all clients of a database, in turn: two transactions
    of a client hardly ever meet the same one. Skips or fails as `debian.find` does.
    """
    program = debian.find("pgbouncer", package="pgbouncer")
    home = Path(tempfile.mkdtemp(prefix="tandem-pgbouncer-"))
    try:
        port = _free_port()
        address = urlsplit(server.uri("DATABASE"))
        configuration = home / "pgbouncer.ini"
        configuration.write_text(
            _CONFIGURATION.format(
                server_port=address.port,
                port=port,
                pool_size=pool_size,
                log=home / "log",
                unprepared="max_prepared_statements = 0" if _version(program) >= _PREPARES else "",
            )
        )
        user = None
        if os.geteuid() == 0:  # it refuses to run as root
            user = _UNPRIVILEGED
            shutil.chown(home, user)
        process = subprocess.Popen(
            [program, "-q", configuration], user=user, cwd="/", stderr=subprocess.DEVNULL
        )
        try:
            _wait(process, port, home / "log")
            yield urlunsplit(address._replace(netloc=f"postgres@127.0.0.1:{port}")).replace(
                "DATABASE", "{name}"
            )
        finally:
            process.terminate()
            process.wait(_START_SECONDS)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    assert found is not None, said
    return tuple(map(int, found.groups()))


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres").close()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text() if log.exists() else ""
            raise RuntimeError(f"pgbouncer did not start: {said}")
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port

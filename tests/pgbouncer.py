"""Debian's PgBouncer in front of the test session's PostgreSQL, in transaction mode."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests import debian
from tests.harness.processes import free_port, running
from tests.postgresql import PostgreSQL

_UNPRIVILEGED = "nobody"
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
        port = free_port()
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
        output = home / "output"
        command = [program, "-q", configuration]
        with running(command, output, lambda: _accepts(port), cwd=Path("/"), user=user):
            yield urlunsplit(address._replace(netloc=f"postgres@127.0.0.1:{port}")).replace(
                "DATABASE", "{name}"
            )
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    assert found is not None, said
    return tuple(map(int, found.groups()))


def _accepts(port: int) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres").close()
        return True
    return False

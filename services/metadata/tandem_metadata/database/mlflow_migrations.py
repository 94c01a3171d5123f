"""MLflow's own migrations, run by an `mlflow` that is installed beside the service.

Tandem needs no MLflow. One is looked for in this environment, then on PATH, and works in a process
of its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from tandem_shared.settings import SettingsError

# No import of mlflow, which takes seconds.
_PROBE: Final = """
import importlib.metadata, importlib.util, json
found = importlib.util.find_spec("mlflow")
print(json.dumps({
    "folder": found.submodule_search_locations[0] if found else None,
    "version": importlib.metadata.version("mlflow") if found else None,
    "drivers": [each for each in ("psycopg2", "psycopg") if importlib.util.find_spec(each)],
    "complete": bool(importlib.util.find_spec("alembic")),
}))
"""
# The address holds a password, which a process's arguments would show to all users.
_ADDRESS: Final = "TANDEM_MIGRATED_DATABASE"
_UPGRADE: Final = f"""
import os
from mlflow.cli import cli
cli(["db", "upgrade", os.environ["{_ADDRESS}"]])
"""
_QUIET: Final = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
_NAME: Final = re.compile(r"""^(down_)?revision(?:\s*:[^=]+)?\s*=\s*(?:["'](\w+)["']|None)""", re.M)
_SHEBANG: Final = re.compile(rb"#!\s*(\S+)")


@dataclass(frozen=True, slots=True)
class Mlflow:
    """An installed MLflow that can migrate databases."""

    python: str
    """The interpreter of its environment."""
    version: str
    revisions: tuple[str, ...]
    """Those of its migrations, oldest first."""
    drivers: tuple[str, ...]
    """Its drivers for PostgreSQL, as SQLAlchemy names them."""

    def upgrade(self, url: URL, environ: Mapping[str, str]) -> None:
        """Bring the database to the last revision; what MLflow says goes to standard error.

        `environ` is what it needs besides the address to connect, which it does at its start.
        Raises SettingsError if it fails, or has no driver for the database.
        """
        if url.get_backend_name() == "postgresql":
            if not self.drivers:
                raise SettingsError(
                    f"MLflow {self.version} of {self.python} has no driver for PostgreSQL: install "
                    "psycopg2-binary in its environment."
                )
            url = url.set(drivername=f"postgresql+{self.drivers[0]}")
        address = {_ADDRESS: url.render_as_string(hide_password=False)}
        done = subprocess.run(
            [self.python, "-c", _UPGRADE],
            env={**os.environ, **_QUIET, **address, **environ},
            stdout=sys.stderr.fileno(),
        )
        if done.returncode:
            raise SettingsError(
                f"The migration by MLflow {self.version} failed; what it said is above. Restore "
                "the backup unless it says that it changed nothing."
            )


def find() -> Mlflow | None:
    """The MLflow of this environment, or else the one on PATH; None without one."""
    for python in _interpreters():
        try:
            probed = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True)
        except OSError:  # the environment of a command on PATH is gone
            continue
        if probed.returncode:
            continue
        told = json.loads(probed.stdout)
        if told["folder"] and told["complete"]:
            scripts = Path(told["folder"], "store", "db_migrations", "versions")
            return Mlflow(python, told["version"], read_revisions(scripts), tuple(told["drivers"]))
    return None


def _interpreters() -> Iterator[str]:
    yield sys.executable
    if command := shutil.which("mlflow"):
        with open(command, "rb") as script:
            if shebang := _SHEBANG.match(script.readline()):
                yield os.fsdecode(shebang[1])


def read_revisions(scripts: Path) -> tuple[str, ...]:
    """The revisions in a folder of Alembic's scripts, oldest first.

    Raises SettingsError unless each but the first follows one other.
    """
    after: dict[str | None, str] = {}
    count = 0
    for path in scripts.glob("*.py"):
        names = {kind: name or None for kind, name in _NAME.findall(path.read_text("utf-8"))}
        if names.get(""):
            count += 1
            after[names.get("down_")] = names[""] or ""
    ordered: list[str] = []
    while following := after.get(ordered[-1] if ordered else None):
        ordered.append(following)
    if not ordered or len(ordered) != count:
        raise SettingsError(f"The migrations of MLflow in {scripts} do not follow each other.")
    return tuple(ordered)

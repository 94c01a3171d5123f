"""Worlds for `gc`: files on a disk beside rows in a database, and the command as a process."""

import json
import os
import uuid
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tandem_metadata.__main__ import main
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.harness import commands
from tests.harness.processes import environment
from tests.metadata.cleanup.world import Rows, World, rows
from tests.system.services import Stack

ROOT = "mlflow-artifacts:/"
"""Of locations that lead to whatever artifacts service the command is told of."""


def arguments(stack: Stack, *flags: str) -> list[str]:
    """The command, for the services."""
    where = ["--backend-store-uri", stack.database, "--artifacts-url", stack.artifacts.url]
    root = stack.artifacts.url.replace("http://", "mlflow-artifacts://") + "/"
    return ["tandem-metadata", "gc", *where, "--default-artifact-root", root, *flags]


def begin(stack: Stack, output: Path, *flags: str, **variables: str) -> BaseProcess:
    """Start the command as a process that prints to the file."""
    return commands.begin(main, arguments(stack, *flags), output, environment(**variables))


def gc(stack: Stack, *flags: str, **variables: str) -> tuple[int, dict[str, Any]]:
    """Run the command; its status and report."""
    ended = commands.run(main, arguments(stack, "--json", *flags), environment(**variables))
    assert ended.out, ended.err
    return ended.status, json.loads(ended.out)


class Disk:
    """Rows of a database, with files in a folder that an artifacts service serves."""

    def __init__(self, database: str, destination: str) -> None:
        self._settings = Settings(backend_store_uri=database)
        self._folder = Path(destination)

    def file(self, location: str, name: str = "a/b.txt") -> None:
        """A file at an artifact location."""
        path = self._folder / location.removeprefix(ROOT) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)

    def fill(self, number: int, stage: str, runs: int, *, prefix: str = "") -> list[str]:
        """An experiment with runs, models and traces with files; the ids of its runs."""
        location = f"{ROOT}{number}"
        database = Database(self._settings)
        ids = [uuid.uuid5(uuid.NAMESPACE_OID, f"{prefix}{number}-{n}").hex for n in range(runs)]
        with database.write() as conn:
            world = World(conn)
            world.experiment(number, stage, location)
            for n, run in enumerate(ids):
                place = f"{location}/{run}/artifacts"
                world.run(run, number, stage, place)
                self.file(place)
                if n % 10 == 0:
                    self._model(world, number, run)
                    trace, at = f"tr-{run}", f"{location}/traces/tr-{run}/artifacts"
                    world.trace(trace, number, run, location=at)
                    self.file(at, "spans.json")
        database.close()
        return ids

    def _model(self, world: World, number: int, run: str) -> None:
        model = f"m-{run}"
        place = f"{ROOT}{number}/models/{model}/artifacts"
        world.logged_model(model, number, run, location=place)
        self.file(place, "MLmodel")

    def rows(self) -> Rows:
        database = Database(self._settings)
        try:
            return rows(database)
        finally:
            database.close()

    def execute(self, *statements: str) -> None:
        database = Database(self._settings)
        with database.write() as conn:
            for each in statements:
                conn.exec_driver_sql(each)
        database.close()

    def files(self, *, empty: bool = True) -> set[str]:
        """All files, and the folders that hold nothing."""
        return {
            os.path.relpath(os.path.join(folder, name), self._folder)
            for folder, folders, names in os.walk(self._folder)
            for name in ([*names] or ([""] if empty and not folders else []))
            if ".tandem" not in folder
        }

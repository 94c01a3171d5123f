"""MLflow's wheel: fetched by pip under the user's own configuration, and read where it lies."""

import ast
import functools
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self


class Wheel:
    """The files of a release, read from its wheel or from where it is installed."""

    def __init__(self, version: str, names: Iterable[str], read: Callable[[str], bytes]) -> None:
        self.version = version
        self._names = frozenset(names)
        self._read = read

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """Raises ValueError when there is no wheel of mlflow at the path."""
        name, _, rest = path.name.partition("-")
        if not zipfile.is_zipfile(path) or name != "mlflow":
            raise ValueError(f"{path} is no wheel of mlflow")
        archive = zipfile.ZipFile(path)
        return cls(rest.partition("-")[0], archive.namelist(), archive.read)

    @classmethod
    def of_folder(cls, folder: Path, version: str) -> Self:
        """The release whose package `mlflow` lies in the folder."""
        names = (
            path.relative_to(folder).as_posix()
            for path in (folder / "mlflow").rglob("*")
            if path.is_file()
        )
        return cls(version, names, lambda name: (folder / name).read_bytes())

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def names(self, folder: str, suffix: str) -> list[str]:
        """Names of all files below a folder that end so, sorted."""
        return sorted(
            each for each in self._names if each.startswith(f"{folder}/") and each.endswith(suffix)
        )

    def text(self, name: str) -> str:
        """A file's text; raises KeyError when the wheel has no such file."""
        return self._read(name).decode()

    @functools.cache  # noqa: B019 a wheel lives as long as the process
    def tree(self, name: str) -> ast.Module:
        """The syntax tree of a source; that of an empty one when the wheel has no such file."""
        return ast.parse(self.text(name) if name in self._names else "")

    def sources(self, folder: str) -> Iterator[tuple[str, ast.Module]]:
        """Names and syntax trees of all sources below a folder."""
        for name in self.names(folder, ".py"):
            yield name, self.tree(name)


def fetch(version: str, folder: Path) -> Path:
    """The wheel of that version, in the folder already or brought by pip.

    Nothing is installed. Exits as pip does when it cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pattern = f"mlflow-{version}-*.whl"
    if not list(folder.glob(pattern)):
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"mlflow=={version}",
        ]  # fmt: skip
        if status := subprocess.run(command).returncode:
            sys.exit(status)
    return next(iter(folder.glob(pattern)))

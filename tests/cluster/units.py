"""deploy/systemd as systemd reads it, with the paths of this machine."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import debian
from tests.browser.layouts import ui_folder
from tests.harness.processes import Process, environment, free_port, running
from tests.kubernetes.tools import ROOT

FOLDER = ROOT / "deploy" / "systemd"
SERVICES = ("metadata", "artifacts")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """A folder that stands for the places that units name."""

    def __init__(self, directory: Path) -> None:
        """Makes what installing would make, with the settings files as they come."""
        self.directory = directory
        self.ports = {name: free_port() for name in SERVICES}
        for name in SERVICES:
            for folder in (f"var/lib/tandem-{name}", f"var/backups/tandem/{name}"):
                (directory / folder).mkdir(parents=True)
        (directory / "etc/tandem").mkdir(parents=True)
        for file in FOLDER.glob("*.env"):
            (directory / "etc/tandem" / file.name).write_text(self.localised(file.read_text()))
        (directory / "units").mkdir()
        for file in FOLDER.glob("tandem-*.*"):
            (directory / "units" / file.name).write_text(self.localised(file.read_text()))

    def localised(self, text: str) -> str:
        """A text with this machine's paths and ports."""
        for inside, here in {
            "/opt/tandem/venv/bin": Path(sys.executable).parent,
            "/opt/tandem/bin": ROOT / "deploy" / "backup",
            "/opt/tandem/ui": ui_folder(),
            "/var/lib/tandem-": f"{self.directory}/var/lib/tandem-",
            "/var/backups/": f"{self.directory}/var/backups/",
            "/etc/tandem/": f"{self.directory}/etc/tandem/",
            ":5000": f":{self.ports['metadata']}",
            ":5500": f":{self.ports['artifacts']}",
        }.items():
            text = text.replace(inside, str(here))
        return text

    def unit(self, name: str) -> "Unit":
        """A unit by its file's name."""
        return Unit.read(self.directory / "units" / name)

    @contextmanager
    def serving(self, name: str) -> Iterator[Process]:
        """A service, started by the first connection to its socket; it must stop with 0."""
        unit = self.unit(f"tandem-{name}.service")
        (address,) = self.unit(f"tandem-{name}.socket").values("ListenStream")
        variables = [part for each in unit.environment().items() for part in ("-E", "=".join(each))]
        activate = debian.find("systemd-socket-activate", package="systemd")
        command = [activate, "-l", address, *variables, *unit.command()]
        url = f"http://{address}"
        log, folder = self.directory / f"{name}.log", unit.folder()
        with running(command, log, "/ready", url=url, cwd=folder, env=environment()) as process:
            yield process
            assert process.stop() == 0, process.output()


@dataclass(frozen=True)
class Unit:
    """A unit file's assignments, in order, without their sections."""

    assignments: list[tuple[str, str]]

    @classmethod
    def read(cls, path: Path) -> "Unit":
        lines = [line.strip() for line in path.read_text().splitlines()]
        return cls([_pair(line) for line in lines if line and line[0] not in "#;["])

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.assignments if key == name]

    def command(self) -> list[str]:
        (line,) = self.values("ExecStart")
        return line.split()

    def folder(self) -> Path:
        (folder,) = self.values("WorkingDirectory")
        return Path(folder)

    def environment(self) -> dict[str, str]:
        """What the service gets: files win over Environment=, as in systemd."""
        variables = {"PATH": _PATH, "HOME": str(self.folder())}
        variables |= dict(_pair(each) for each in self.values("Environment"))
        for file in self.values("EnvironmentFile"):
            variables |= settings(Path(file.removeprefix("-")))
        return variables


def settings(path: Path) -> Mapping[str, str]:
    """The assignments of a settings file."""
    return dict(Unit.read(path).assignments)


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name.strip(), value.strip()

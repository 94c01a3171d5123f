"""The command line of a service: `<name> serve` with one flag for every setting."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

from tandem_shared import MLFLOW_VERSION, __version__
from tandem_shared import settings as settings_table
from tandem_shared.security import exposure
from tandem_shared.serving.launch import Service, command, launch
from tandem_shared.settings import CommonSettings, without_credentials

Subparsers = Any
"""What `argparse.ArgumentParser.add_subparsers` returns; argparse gives it no public name."""


@dataclass(frozen=True, slots=True)
class Command:
    """The parts of a service's command line."""

    service: Service
    settings: type[CommonSettings]
    about: str
    """One sentence for `--help`."""
    accepted_switches: Sequence[str] = ()
    """MLflow's switches that change nothing, because the service always behaves so."""
    refused_flags: Mapping[str, str] = field(default_factory=dict)
    """MLflow's flags that contradict the service, each with what to do instead."""
    prepare: Callable[[Any], None] | None = None
    """Called with the settings before the socket opens; raises SettingsError to refuse them."""
    extend: Callable[[Subparsers], None] | None = None
    """Adds further subcommands. Each sets the default `act`: from the parsed arguments to the exit
    status."""


def main(of: Command, arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; 2, with a sentence, for bad arguments."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    settings_table.refuse_flags(given, of.refused_flags)
    parsed, unknown = parser(of).parse_known_args(given)
    if unknown:
        parsed.parser.refuse(unknown)
    return command(lambda: int(parsed.act(parsed)))


class Parser(argparse.ArgumentParser):
    """A parser that ends with one sentence on bad arguments; argparse would print all flags."""

    def __init__(self, **options: Any) -> None:
        """As argparse's; flags cannot be abbreviated."""
        super().__init__(**options, allow_abbrev=False)
        self.set_defaults(parser=self)

    def error(self, message: str) -> NoReturn:
        print(f"error: {self.prog}: {without_credentials(message)}.", file=sys.stderr)
        sys.exit(2)

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Exit with status 2 for unknown arguments. Values may be secret: never shown."""
        first = unknown[0]
        if not first.startswith("-"):
            self.error("an argument belongs to no flag; is there a space or a flag missing")
        name = first.partition("=")[0]
        flags = [each for action in self._actions for each in action.option_strings]
        # Dashes are alike in all of them, and would make any two short names look alike.
        bare = {each.lstrip("-"): each for each in flags}
        near = difflib.get_close_matches(name.lstrip("-"), bare, 1)
        hint = f"did you mean {bare[near[0]]}?" if near else f"`{self.prog} --help` names them all."
        print(f"error: {self.prog} has no flag {name}: {hint}", file=sys.stderr)
        sys.exit(2)


def parser(of: Command) -> Parser:
    """The parser of a service's command line."""
    name = of.service.name
    root = Parser(prog=name, description=of.about)
    root.add_argument(
        "--version",
        action="version",
        version=f"{name} {__version__} (the REST API of MLflow {MLFLOW_VERSION})",
    )
    subparsers = root.add_subparsers(dest="command", metavar="command", required=True)
    # As on MLflow's command line, `-h` is --host; help has only its long name.
    serve = subparsers.add_parser(
        "serve",
        help="run the service",
        description=f"{of.about} A flag wins over its environment variable.",
        add_help=False,
    )
    serve.add_argument("--help", action="help", help="show this message and exit")
    settings_table.add_arguments(serve, of.settings)
    for switch in of.accepted_switches:
        serve.add_argument(
            switch,
            dest="accepted",
            action="store_true",
            help="accepted because MLflow's server has it; this service is always so",
        )
    serve.set_defaults(act=lambda parsed: _serve(of, parsed))
    if of.extend:
        of.extend(subparsers)
    return root


def _serve(of: Command, parsed: argparse.Namespace) -> int:
    flags = {item.name: getattr(parsed, item.name) for item in fields(of.settings)}
    settings = settings_table.load(of.settings, os.environ, flags)
    if "LISTEN_FDS" not in os.environ:  # else another address counts, which `run` checks
        exposure.check(settings, settings.host)
    return launch(of.service, settings, of.prepare)

"""The flags of `doctor`: those of `serve`, and its own."""

import argparse
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, TypeVar

from tandem_shared import settings as settings_table
from tandem_shared.settings import CommonSettings, SettingsError

S = TypeVar("S", bound=CommonSettings)

SECONDS: Final = 15.0
"""What a check may take, unless --timeout says otherwise."""


def add(
    subparsers: Any,
    settings: type[CommonSettings],
    act: Callable[[argparse.Namespace], int],
    url_help: str,
    switches: Sequence[str] = (),
) -> None:
    """Add the command; `url_help` says what --url is, and `switches` are those that `serve` takes
    and ignores.
    """
    text = "look for what is wrong with settings and surroundings, and say what to do"
    doctor = subparsers.add_parser(
        "doctor",
        help=text,
        description=f"{text[0].upper()}{text[1:]}. It takes the flags and variables of serve. Exit "
        "status 0: nothing failed; 1: something did.",
        add_help=False,
    )
    doctor.add_argument("--help", action="help", help="show this message and exit")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.add_argument("--strict", action="store_true", help="exit with 1 after warnings too")
    doctor.add_argument(
        "--timeout",
        metavar="NUMBER",
        type=_seconds,
        default=SECONDS,
        help=f"seconds that each check may take [default {SECONDS:g}]",
    )
    doctor.add_argument("--url", metavar="TEXT", help=url_help)
    settings_table.add_arguments(doctor, settings)
    for switch in switches:
        doctor.add_argument(switch, dest="accepted", action="store_true", help="as for serve")
    doctor.set_defaults(act=act)


def load(of: type[S], parsed: argparse.Namespace) -> tuple[S | None, str]:
    """The settings as `serve` reads them; or None, and the sentence that refuses them."""
    given: Mapping[str, str | None] = {item.name: getattr(parsed, item.name) for item in fields(of)}
    try:
        return settings_table.load(of, os.environ, given), ""
    except SettingsError as error:
        return None, str(error)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"it must be a number above 0, not {text!r}")
    return value

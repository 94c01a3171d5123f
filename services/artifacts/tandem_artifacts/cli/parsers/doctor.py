"""The flags of `tandem-artifacts doctor`."""

import argparse

from tandem_artifacts.settings import ACCEPTED_SWITCHES, Settings
from tandem_shared import cli
from tandem_shared.doctor import flags


def add(subparsers: cli.Subparsers) -> None:
    """Add the command."""
    flags.add(
        subparsers,
        Settings,
        _act,
        "address by which clients reach the service, with its static prefix, as "
        "https://artifacts.example.com [default: where it listens]",
        ACCEPTED_SWITCHES,
    )


def _act(parsed: argparse.Namespace) -> int:
    from tandem_artifacts.cli import doctor

    return doctor.run(parsed)

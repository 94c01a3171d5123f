"""The flags of `tandem-metadata doctor`."""

import argparse

from tandem_metadata.settings import ACCEPTED_SWITCHES, Settings
from tandem_shared import cli
from tandem_shared.doctor import flags


def add(subparsers: cli.Subparsers) -> None:
    """Add the command."""
    flags.add(
        subparsers,
        Settings,
        _act,
        "address by which clients and browsers reach the service, with its static prefix, as "
        "https://mlflow.example.com [default: that of --public-url, else where it listens]",
        ACCEPTED_SWITCHES,
    )


def _act(parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import doctor

    return doctor.run(parsed)

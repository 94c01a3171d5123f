"""The flags of `tandem-metadata rewrite-artifacts`."""

import argparse

from tandem_metadata.cli.parsers import flags
from tandem_shared import cli


def add(subparsers: cli.Subparsers) -> None:
    """Add the command."""
    text = "name another place in all locations of artifacts, after these have moved"
    command = subparsers.add_parser(
        "rewrite-artifacts",
        help=text,
        description=f"{text[0].upper()}{text[1:]}. Without --yes it only shows what would change.",
    )
    flags.add_database(command)
    for flag, about in (
        ("--from", "root that locations lie below now, as mlflow-artifacts:/ or /srv/mlruns"),
        ("--to", "root that takes its place, as mlflow-artifacts://artifacts.example.com/"),
    ):
        command.add_argument(
            flag,
            dest=f"{flag[2:]}_roots",
            metavar="ROOT",
            action="append",
            required=True,
            help=f"{about}; may be repeated, in pairs",
        )
    command.add_argument("--yes", action="store_true", help="change the database")
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.set_defaults(act=_act)


def _act(parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import rewrite_artifacts

    return rewrite_artifacts.run(
        flags.settings(parsed),
        parsed.from_roots,
        parsed.to_roots,
        yes=parsed.yes,
        as_json=parsed.json,
    )

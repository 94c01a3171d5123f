"""The flags of `tandem-metadata db …`."""

import argparse

from tandem_metadata.cli.parsers import flags
from tandem_shared import cli


def add(subparsers: cli.Subparsers) -> None:
    """Add the command."""
    db = subparsers.add_parser("db", help="create, inspect or speed up the database")
    actions = db.add_subparsers(dest="action", metavar="action", required=True)
    for name, act, text in (
        ("upgrade", _upgrade, "create the tables that are missing"),
        ("current", _current, "print the database's revision"),
        ("optimize", _optimize, "add indexes that keep searches fast among many runs"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        flags.add_database(action)
        action.set_defaults(act=act)
        if name != "optimize":
            for flag in flags.AUTH_FLAGS:
                action.add_argument(
                    f"--{flag.replace('_', '-')}",
                    metavar="TEXT",
                    help="as for serve, with its variable: also the tables of accounts",
                )
        if name == "upgrade":
            action.add_argument(
                "--wait-seconds",
                metavar="NUMBER",
                type=flags.seconds,
                default=0.0,
                help="how long to wait for a database that does not answer [default 0]",
            )
            action.add_argument(
                "--revision",
                choices=("head",),
                help="head: also bring tables that are there to the newest revision of the MLflow "
                "that is installed beside, by its own migrations; make a backup first",
            )
        if name == "optimize":
            action.add_argument("--drop", action="store_true", help="drop them again")


def _upgrade(parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import db as database_command

    return database_command.upgrade(
        flags.settings(parsed), parsed.wait_seconds, to_head=parsed.revision == "head"
    )


def _current(parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import db as database_command

    return database_command.current(flags.settings(parsed))


def _optimize(parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import db as database_command

    return database_command.optimize(flags.settings(parsed), drop=parsed.drop)

"""The flags of `tandem-metadata token create`, `token list` and `token revoke`."""

import argparse
from functools import partial

from tandem_metadata.cli.parsers import flags
from tandem_shared import cli


def add(subparsers: cli.Subparsers) -> None:
    """Add the command."""
    token = subparsers.add_parser("token", help="make, list or revoke tokens of users")
    actions = token.add_subparsers(dest="action", metavar="action", required=True)
    for name, text in (
        ("create", "make a token and print it; it is shown this once"),
        ("list", "print a line for each token"),
        ("revoke", "revoke a token: services refuse it within 10 seconds"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(act=partial(_act, name))
        flags.add_accounts(action)
        if name == "revoke":
            action.add_argument("token_id", help="as token list shows it")
        if name == "list":
            action.add_argument("--user", metavar="NAME", help="only those of this user")
        if name == "create":
            action.add_argument("--user", metavar="NAME", required=True, help="whose it is")
            action.add_argument("--name", metavar="TEXT", required=True, help="what it is for")
            action.add_argument(
                "--expires", metavar="TIME", help="its life, as 30d, 12h or 90m [default: no end]"
            )
            action.add_argument(
                "--read-only",
                action="store_true",
                help="let it change nothing, whatever its user may",
            )
            action.add_argument(
                "--experiment",
                metavar="ID",
                action="append",
                help="an experiment that it is for, and no other; may be repeated",
            )


def _act(name: str, parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import token

    return {"create": token.create, "list": token.find, "revoke": token.revoke}[name](parsed)

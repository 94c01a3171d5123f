"""The flags of `tandem-metadata user create`, `user list` and `user delete`."""

import argparse
from functools import partial

from tandem_metadata.cli.parsers import flags
from tandem_shared import cli


def add(subparsers: cli.Subparsers) -> None:
    """Add the command."""
    user = subparsers.add_parser("user", help="create, list or delete users")
    actions = user.add_subparsers(dest="action", metavar="action", required=True)
    for name, text in (
        ("create", "create a user; TANDEM_USER_PASSWORD has his password, or it is asked for"),
        ("list", "print a line for each user"),
        ("delete", "delete a user with his grants and tokens"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(act=partial(_act, name))
        flags.add_accounts(action)
        if name != "list":
            action.add_argument("name", metavar="NAME")
        if name == "create":
            action.add_argument("--admin", action="store_true", help="an administrator")
            action.add_argument(
                "--no-password", action="store_true", help="a service account: he has tokens only"
            )


def _act(name: str, parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import user

    return {"create": user.create, "list": user.find, "delete": user.delete}[name](parsed)

"""The command `tandem-metadata`: `serve`, `db …`, `token …`, `user …`.

Modules that need the database are imported late; `launch.launch` says why.
"""

import argparse
import math
import os
import sys
from functools import partial

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.settings import ACCEPTED_SWITCHES, NAME, REFUSED_FLAGS, Settings
from tandem_metadata.ui.assets import Assets
from tandem_shared import cli
from tandem_shared.serving.launch import Service
from tandem_shared.settings import load

_AUTH_FLAGS = ("auth", "app_name", "auth_config_path", "auth_database_uri")
_DB_HELP = "database, as for serve [env MLFLOW_BACKEND_STORE_URI; default sqlite:///mlflow.db]"
_AUTH_HELP = "how to log in to it, as for serve [env TANDEM_DB_AUTH; default password]"


def main() -> int:
    """Run the command line; returns the exit status."""
    return cli.main(
        cli.Command(
            service=Service(NAME, "tandem_metadata.app:create_app"),
            settings=Settings,
            about="Tandem's metadata service: MLflow's tracking API over SQLite or PostgreSQL.",
            accepted_switches=ACCEPTED_SWITCHES,
            refused_flags=REFUSED_FLAGS,
            prepare=_prepare,
            extend=_extend,
        )
    )


def _prepare(settings: Settings) -> None:
    """Refuse bad settings and, with --migrate, create the tables, before workers start."""
    from tandem_metadata.artifacts.client import tls_context
    from tandem_metadata.cli import db as database_command

    root = settings.artifact_root()
    Roots(settings)
    tls_context(settings)
    if settings.ui_dir:
        Assets(settings.ui_dir)
    if settings.migrate:
        database_command.prepare(settings, root)
    else:
        database_command.check(settings)


def _extend(subparsers: cli.Subparsers) -> None:
    _add_db(subparsers)
    _add_token(subparsers)
    _add_user(subparsers)


def _add_db(subparsers: cli.Subparsers) -> None:
    db = subparsers.add_parser("db", help="create, inspect or speed up the database")
    actions = db.add_subparsers(dest="action", metavar="action", required=True)
    for name, act, text in (
        ("upgrade", _upgrade, "create the tables that are missing"),
        ("current", _current, "print the database's revision"),
        ("optimize", _optimize, "add indexes that keep searches fast among many runs"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--backend-store-uri", metavar="TEXT", help=_DB_HELP)
        action.add_argument("--db-auth", metavar="TEXT", help=_AUTH_HELP)
        action.set_defaults(act=act)
        if name != "optimize":
            for flag in _AUTH_FLAGS:
                action.add_argument(
                    f"--{flag.replace('_', '-')}",
                    metavar="TEXT",
                    help="as for serve, with its variable: also the tables of accounts",
                )
        if name == "upgrade":
            action.add_argument(
                "--wait-seconds",
                metavar="NUMBER",
                type=_seconds,
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
        _settings(parsed), parsed.wait_seconds, to_head=parsed.revision == "head"
    )


def _current(parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import db as database_command

    return database_command.current(_settings(parsed))


def _optimize(parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import db as database_command

    return database_command.optimize(_settings(parsed), drop=parsed.drop)


def _add_token(subparsers: cli.Subparsers) -> None:
    token = subparsers.add_parser("token", help="make, list or revoke tokens of users")
    actions = token.add_subparsers(dest="action", metavar="action", required=True)
    for name, text in (
        ("create", "make a token and print it; it is shown this once"),
        ("list", "print a line for each token"),
        ("revoke", "revoke a token: services refuse it within 10 seconds"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(act=partial(_token, name))
        _add_places(action)
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


def _add_user(subparsers: cli.Subparsers) -> None:
    user = subparsers.add_parser("user", help="create, list or delete users")
    actions = user.add_subparsers(dest="action", metavar="action", required=True)
    for name, text in (
        ("create", "create a user; TANDEM_USER_PASSWORD has his password, or it is asked for"),
        ("list", "print a line for each user"),
        ("delete", "delete a user with his grants and tokens"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(act=partial(_user, name))
        _add_places(action)
        if name != "list":
            action.add_argument("name", metavar="NAME")
        if name == "create":
            action.add_argument("--admin", action="store_true", help="an administrator")
            action.add_argument(
                "--no-password", action="store_true", help="a service account: he has tokens only"
            )


def _add_places(action: argparse.ArgumentParser) -> None:
    """Add the flags that say where accounts are."""
    for flag in ("backend_store_uri", "db_auth", *_AUTH_FLAGS[1:]):
        action.add_argument(
            f"--{flag.replace('_', '-')}",
            metavar="TEXT",
            help="as for serve, with its variable",
        )


def _token(name: str, parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import token

    return {"create": token.create, "list": token.find, "revoke": token.revoke}[name](parsed)


def _user(name: str, parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import user

    return {"create": user.create, "list": user.find, "delete": user.delete}[name](parsed)


def _settings(parsed: argparse.Namespace) -> Settings:
    names = ("backend_store_uri", "db_auth", *_AUTH_FLAGS)
    return load(Settings, os.environ, {name: getattr(parsed, name, None) for name in names})


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"it must be a number from 0 up, not {text!r}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())

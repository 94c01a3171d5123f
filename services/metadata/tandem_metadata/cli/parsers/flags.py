"""Flags that several commands have, and what reads them."""

import argparse
import math
import os
from typing import Final

from tandem_metadata.settings import Settings
from tandem_shared.settings import load

AUTH_FLAGS: Final = ("auth", "app_name", "auth_config_path", "auth_database_uri")
DATABASE_HELP: Final = (
    "database, as for serve [env MLFLOW_BACKEND_STORE_URI; default sqlite:///mlflow.db]"
)
AUTH_HELP: Final = "how to log in to it, as for serve [env TANDEM_DB_AUTH; default password]"


def add_database(action: argparse.ArgumentParser) -> None:
    """Add the flags that say where the database is."""
    action.add_argument("--backend-store-uri", metavar="TEXT", help=DATABASE_HELP)
    action.add_argument("--db-auth", metavar="TEXT", help=AUTH_HELP)


def add_accounts(action: argparse.ArgumentParser) -> None:
    """Add the flags that say where accounts are."""
    for flag in ("backend_store_uri", "db_auth", *AUTH_FLAGS[1:]):
        action.add_argument(
            f"--{flag.replace('_', '-')}",
            metavar="TEXT",
            help="as for serve, with its variable",
        )


def settings(parsed: argparse.Namespace) -> Settings:
    """The settings that these flags and the environment give; raises SettingsError."""
    names = ("backend_store_uri", "db_auth", *AUTH_FLAGS)
    return load(Settings, os.environ, {name: getattr(parsed, name, None) for name in names})


def seconds(text: str) -> float:
    """A number of seconds from 0 up; the type of an argument."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"it must be a number from 0 up, not {text!r}")
    return value

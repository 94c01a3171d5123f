"""The command `tandem-metadata`: `serve`, `db upgrade`, `db current`."""

import argparse
import os
import sys
from collections.abc import Callable

from tandem_metadata import database_command
from tandem_metadata.app import NAME
from tandem_metadata.artifact_roots import Roots
from tandem_metadata.settings import ACCEPTED_SWITCHES, REFUSED_FLAGS, Settings
from tandem_metadata.ui.assets import Assets
from tandem_shared import cli
from tandem_shared.serve import Service
from tandem_shared.settings import load

_DB_HELP = "database, as for serve [env MLFLOW_BACKEND_STORE_URI; default sqlite:///mlflow.db]"


def main() -> int:
    """Run the command line; returns the exit status."""
    return cli.main(
        cli.Command(
            service=Service(
                NAME, "tandem_metadata.settings:Settings", "tandem_metadata.app:create_app"
            ),
            settings=Settings,
            about="Tandem's metadata service: MLflow's tracking API over SQLite or PostgreSQL.",
            accepted_switches=ACCEPTED_SWITCHES,
            refused_flags=REFUSED_FLAGS,
            prepare=_prepare,
            extend=_add_db,
        )
    )


def _prepare(settings: Settings) -> None:
    """Refuse bad settings and make the tables once, before workers start."""
    root = settings.artifact_root()
    Roots(settings)
    if settings.ui_dir:
        Assets(settings.ui_dir)
    database_command.prepare(settings, root)


def _add_db(subparsers: cli.Subparsers) -> None:
    db = subparsers.add_parser("db", help="create or inspect the database", allow_abbrev=False)
    actions = db.add_subparsers(dest="action", metavar="action", required=True)
    for name, act, text in (
        ("upgrade", database_command.upgrade, "create the tables that are missing"),
        ("current", database_command.current, "print the database's revision"),
    ):
        action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        action.add_argument("--backend-store-uri", metavar="TEXT", help=_DB_HELP)
        action.set_defaults(act=_with_settings(act))


def _with_settings(act: Callable[[Settings], int]) -> Callable[[argparse.Namespace], int]:
    def run(parsed: argparse.Namespace) -> int:
        flags = {"backend_store_uri": parsed.backend_store_uri}
        return act(load(Settings, os.environ, flags))

    return run


if __name__ == "__main__":
    sys.exit(main())

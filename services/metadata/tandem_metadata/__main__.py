"""The command `tandem-metadata`: `serve`, and those of `cli`.

Modules that need the database are imported late; `launch.launch` says why.
"""

import sys

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.cli.parsers import (
    db,
    doctor,
    export,
    gc,
    import_,
    rewrite_artifacts,
    token,
    user,
)
from tandem_metadata.settings import ACCEPTED_SWITCHES, NAME, REFUSED_FLAGS, Settings
from tandem_metadata.ui.assets import Assets
from tandem_shared import cli
from tandem_shared.serving.launch import Service


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
    for each in (
        db,
        doctor,
        export,
        gc,
        import_,
        rewrite_artifacts,
        token,
        user,
    ):
        each.add(subparsers)


if __name__ == "__main__":
    sys.exit(main())

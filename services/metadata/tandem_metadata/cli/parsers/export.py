"""The flags of `tandem-metadata export`."""

import argparse

from tandem_metadata.cli.parsers import flags
from tandem_shared import cli

_ABOUT = (
    "Copy experiments to a database of SQLite that MLflow opens, or to Parquet files. Services may "
    "run meanwhile: the copy is of one moment."
)


def add(subparsers: cli.Subparsers) -> None:
    """Add the command."""
    export = subparsers.add_parser(
        "export", help="copy experiments to SQLite or Parquet", description=_ABOUT
    )
    export.set_defaults(act=_export)
    flags.add_database(export)
    export.add_argument(
        "--to",
        metavar="PLACE",
        required=True,
        help="the file of the new database, or the folder of the Parquet files",
    )
    export.add_argument("--format", choices=("sqlite", "parquet"), required=True)
    export.add_argument(
        "--experiment",
        metavar="ID",
        action="append",
        default=[],
        help="an experiment, by its ID or name; may be repeated [default: all]",
    )
    export.add_argument(
        "--filter", metavar="TEXT", help="only runs that this filter finds, as runs are searched"
    )
    export.add_argument(
        "--runs", choices=("active", "deleted", "all"), default="all", help="[default: all]"
    )
    export.add_argument(
        "--overwrite", action="store_true", help="replace what an export made at the place before"
    )


def _export(parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import export

    return export.run(flags.settings(parsed), parsed)

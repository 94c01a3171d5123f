"""The flags of `tandem-metadata import`."""

import argparse

from tandem_metadata.cli.parsers import flags
from tandem_shared import cli


def add(subparsers: cli.Subparsers) -> None:
    """Add the command."""
    text = "take over experiments, runs, models and traces of a file store or another database"
    parser = subparsers.add_parser("import", help=text, description=text)
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder that MLflow logged to, as ./mlruns or file:///srv/mlruns; or a database, as "
        "mlflow.db, sqlite:///mlflow.db or postgresql://user:password@host/name. It is only read",
    )
    parser.add_argument("--to", metavar="TEXT", help=f"the {flags.DATABASE_HELP}")
    parser.add_argument("--db-auth", metavar="TEXT", help=flags.AUTH_HELP)
    parser.add_argument(
        "--registry",
        metavar="FOLDER",
        help="the folder of the model registry, where MLflow kept it apart from the runs "
        "(--registry-store-uri)",
    )
    parser.add_argument(
        "--artifacts-root",
        metavar="URI",
        help="where the folder's artifacts will be found, as mlflow-artifacts://host/: locations "
        "in the database begin with it. Without it they stay as they are",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 if anything was skipped"
    )
    parser.add_argument(
        "--truncate",
        action="store_true",
        help="cut texts that are too long for PostgreSQL; without it nothing is imported then",
    )
    parser.add_argument(
        "--drop-orphans",
        action="store_true",
        help="of a database: leave out rows whose experiment, run or model is missing",
    )
    parser.add_argument(
        "--files",
        metavar="FOLDER",
        help="of an export of Neptune's: where its files are [default: files beside its data]",
    )
    parser.add_argument(
        "--without-files",
        action="store_true",
        help="of an export of Neptune's: leave files and series of texts and histograms out",
    )
    parser.add_argument("--report", metavar="FILE", help="also write the report, as JSON")
    parser.set_defaults(act=_act)


def _act(parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import import_

    return import_.run(parsed)

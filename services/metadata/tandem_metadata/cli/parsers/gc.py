"""The flags of `tandem-metadata gc`."""

import argparse
from typing import Any, Final

from tandem_metadata.cli.parsers import flags
from tandem_shared import cli

ARTIFACT_FLAGS: Final = (
    "static_prefix",
    "default_artifact_root",
    "artifact_hosts",
    "artifact_root_map",
    "artifacts_url",
    "artifacts_scheme",
    "artifacts_ca",
    "artifacts_cert",
    "artifacts_key",
    "artifacts_timeout",
)
"""Those of serve that say how the artifacts service is reached."""

_IDS: Final = ("run-ids", "experiment-ids", "logged-model-ids", "trace-ids")
_REFUSED: Final = {
    "--tracking-uri": "files are deleted through the artifacts service; give --artifacts-url",
    "--jobs": "Tandem runs no jobs of MLflow's",
    "--job-ids": "Tandem runs no jobs of MLflow's",
    "--workspace": "Tandem has no workspaces",
    "--all-workspaces": "Tandem has no workspaces",
}
"""MLflow's flags of the command that have no meaning here."""


def add(subparsers: cli.Subparsers) -> None:
    """Add the command."""
    gc = subparsers.add_parser(
        "gc",
        help="delete for good what is deleted, and what experiments keep for a time only",
        description="Print what would be deleted for good: deleted experiments, runs and logged "
        "models of some age, and traces that are older than the tag tandem.retention of their "
        "experiment says. With --yes, delete it, with its files.",
    )
    gc.set_defaults(act=_act)
    gc.add_argument("--yes", action="store_true", help="delete it; without: only print the plan")
    gc.add_argument(
        "--older-than",
        metavar="AGE",
        help="how long ago it must have been deleted, as 30d, 12h or 1d12h30m [default 30d; "
        "with ids: any time]",
    )
    for name in _IDS:
        what = name.removesuffix("-ids").replace("-", " ")
        gc.add_argument(
            f"--{name}",
            metavar="IDS",
            action="append",
            help=f"comma-separated: these {what}s, and nothing else but what other ids name",
        )
    gc.add_argument(
        "--even-registered",
        action="store_true",
        help="also what versions of registered models use, which then lack their files",
    )
    gc.add_argument(
        "--leave-artifacts",
        action="store_true",
        help="also what has files that no artifacts service is known to reach; these stay",
    )
    gc.add_argument("--no-sizes", action="store_true", help="do not count files and their bytes")
    gc.add_argument("--json", action="store_true", help="print the report as JSON, nothing else")
    gc.add_argument("--report", metavar="FILE", help="write the report there as JSON")
    gc.add_argument(
        "--metrics-file",
        metavar="FILE",
        help="write the figures there as Prometheus' text, for node_exporter's textfile collector",
    )
    gc.add_argument("--pushgateway", metavar="URL", help="send the figures to this Pushgateway")
    flags.add_database(gc)
    for name in (*ARTIFACT_FLAGS, *flags.AUTH_FLAGS):
        gc.add_argument(
            f"--{name.replace('_', '-')}", metavar="TEXT", help="as for serve, with its variable"
        )
    for name, why in _REFUSED.items():
        gc.add_argument(name, action=_Refused, nargs="?", help=argparse.SUPPRESS, const=why)


class _Refused(argparse.Action):
    """A flag that is refused with the sentence that it holds."""

    def __call__(
        self, parser: argparse.ArgumentParser, _: object, __: object, option: str | None = None
    ) -> None:
        why: Any = self.const
        parser.error(f"{option}: {why}")


def _act(parsed: argparse.Namespace) -> int:
    from tandem_metadata.cli import gc

    return gc.run(parsed)

"""The same load on Tandem, its peers and the limits, one after the other.

A full run renders the page; a run of chosen servers, databases or rows prints its figures only.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmark import databases, table
from tests.benchmark.measure import DATABASES, SERVER_NAMES, TITLES, Benchmark
from tests.benchmark.results import Results
from tests.benchmark.servers import SERVERS

_ROOT = Path(__file__).resolve().parents[2]
_KEPT = _ROOT / ".cache" / "bench" / "results.json"


def main() -> int:
    options = _parser().parse_args()
    results = Results(settings={server.title: server.settings for server in SERVERS.values()})
    with tempfile.TemporaryDirectory(prefix="tandem-benchmark-") as name:
        directory = Path(name)
        with databases.maker(directory, options.databases) as maker:
            benchmark = Benchmark(
                directory,
                maker,
                options.servers,
                options.databases,
                options.rows,
                options.seconds,
            )
            for figure in benchmark.figures():
                results.figures.append(figure)
                print(table.line(figure), flush=True)
                results.save(_KEPT)
    print("\n" + table.text(results))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    for option, names in (
        ("--servers", SERVER_NAMES),
        ("--databases", DATABASES),
        ("--rows", tuple(TITLES)),
    ):
        parser.add_argument(
            option,
            type=_among(names),
            default=list(names),
            help=f"comma-separated, among {', '.join(names)}",
        )
    parser.add_argument("--seconds", type=int, default=6, help="of load for each row")
    return parser


def _among(names: Sequence[str]) -> Any:
    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [each for each in chosen if each not in names]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not there")
        return chosen

    return parse


if __name__ == "__main__":
    sys.exit(main())

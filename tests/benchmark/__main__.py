"""The same load on Tandem, its peers and the limits, one after the other.

A full run renders the page; a run of chosen servers, databases or rows prints its figures only,
unless `--into` says which figures they belong to.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmark import databases, machine, page, plot, table
from tests.benchmark.measure import DATABASES, SERVER_NAMES, TITLES, Benchmark
from tests.benchmark.results import Results, load
from tests.benchmark.servers import SERVERS

_ROOT = Path(__file__).resolve().parents[2]
_KEPT = _ROOT / ".cache" / "bench" / "results.json"
_KEPT_CHOICE = _KEPT.with_name("choice.json")
_PAGE = _ROOT / "docs" / "benchmarks.md"


def main() -> int:
    options = _parser().parse_args()
    # Servers have sessions of their own: ended by a signal, this must stop them all the same.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    chosen = (options.servers, options.databases, options.rows) != tuple(
        map(list, _CHOICES.values())
    )
    results = load(options.render) if options.render else _measured(options, chosen)
    print("\n" + table.text(results))
    if options.into:
        found, results = results, load(options.into)
        results.take(found)
        results.save(options.into)
    output = options.output or (_PAGE if options.into or not chosen else None)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page.render(results))
        plot.draw(results, output.parent / page.PICTURE)
        print(f"\nwritten: {output}")
    return 1 if any(figure.row == "run" for figure in results.figures) else 0


def _measured(options: argparse.Namespace, chosen: bool) -> Results:
    """Measure, and keep what is known after each figure."""
    with tempfile.TemporaryDirectory(prefix="tandem-benchmark-") as name:
        directory = Path(name)
        with databases.maker(directory, options.databases) as maker:
            results = Results(
                options.seconds,
                machine.describe(),
                machine.versions(maker.version()),
                {server.title: server.settings for server in SERVERS.values()},
            )
            benchmark = Benchmark(
                directory, maker, options.servers, options.databases, options.rows, options.seconds
            )
            begun = time.monotonic()
            for figure in benchmark.figures():
                results.figures.append(figure)
                results.machine["Load after"] = machine.load()
                results.machine["Minutes"] = f"{(time.monotonic() - begun) / 60:.0f}"
                print(table.line(figure), flush=True)
                results.save(_KEPT_CHOICE if chosen else _KEPT)
    return results


_CHOICES = {"--servers": SERVER_NAMES, "--databases": DATABASES, "--rows": tuple(TITLES)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    for option, names in _CHOICES.items():
        parser.add_argument(
            option,
            type=_among(names),
            default=list(names),
            help=f"comma-separated, among {', '.join(names)}",
        )
    parser.add_argument("--seconds", type=int, default=3, help="of each window of load")
    parser.add_argument(
        "--output", type=Path, help=f"page to write; of a full run {_PAGE.relative_to(_ROOT)}"
    )
    parser.add_argument(
        "--render", type=Path, help="measure nothing, render figures that an earlier run has kept"
    )
    parser.add_argument(
        "--into",
        type=Path,
        help="figures that an earlier run has kept: those of the same rows are replaced there, and "
        "the page is made of all",
    )
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

"""The same questions to a small and a large database, and what a hundred times as much costs."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.benchmark import databases, machine
from tests.growth import listing, measure, page
from tests.growth.figures import Found, load
from tests.growth.measure import ROWS
from tests.growth.trace_rows import ROWS as TRACE_ROWS

_ROOT = Path(__file__).resolve().parents[2]
_KEPT = _ROOT / ".cache" / "growth"
_PAGE = _ROOT / "docs" / "benchmarks-growth.md"
_PEERS = ("FastTrackML", "MLflow", "nginx", "SeaweedFS", "boto3")
_TRACES = "traces"
_SERVERS = {"hypercorn": "tandem", "uvicorn": "tandem-uvicorn"}


def main() -> int:
    options = _parser().parse_args()
    # Servers have sessions of their own: ended by a signal, this must stop them all the same.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    chosen = options.rows is not None or options.asgi_server != "hypercorn"
    found = load(options.render) if options.render else _measured(options)
    if options.append:
        text = page.appended(options.append.read_text(), found)
    else:
        text = page.render(found)
    alone = chosen or found.database == "sqlite"
    output = options.append or options.output or (None if alone else _PAGE)
    if output:
        output.write_text(text)
        print(f"written: {output}")
    else:
        print(text)
    return 1 if any(each.fault for each in found.series) else 0


def _measured(options: argparse.Namespace) -> Found:
    """Measure, and keep what is known after each round."""
    choice = "-choice" if options.rows else ""
    kept = _KEPT / f"{options.database}-{options.asgi_server}{choice}.json"
    with (
        tempfile.TemporaryDirectory(prefix="tandem-growth-") as name,
        databases.maker(Path(name), [options.database]) as maker,
    ):
        versions = machine.versions(maker.version())
        unused = {*_PEERS, "SQLite" if options.database == "postgresql" else "PostgreSQL"}
        found = Found(
            options.database,
            {
                "rounds": str(options.rounds),
                "seconds": str(options.seconds),
                "client": f"{options.client_seconds:g}",
                "server": options.asgi_server,
            },
            machine.describe(),
            {name: version for name, version in versions.items() if name not in unused},
        )

        def say(text: str) -> None:
            print(text, flush=True)

        growth = measure.Growth(
            found,
            [ROWS[name] for name in options.rows or ROWS],
            options.rounds,
            options.seconds,
            options.client_seconds,
            say,
            lambda: found.save(kept),
        )
        server = _SERVERS[options.asgi_server]
        if not options.rows:
            found.listings += listing.measure(Path(name), server, say)
        growth.run(Path(name), maker, server)
        found.machine["Load after"] = machine.load()
        found.save(kept)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.growth", description=__doc__)
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--asgi-server", choices=tuple(_SERVERS), default="hypercorn")
    parser.add_argument(
        "--rows",
        type=_rows,
        help=f"comma-separated, among {', '.join(ROWS)}, or {_TRACES} for all of those; "
        "without listings",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load for a row in a round")
    parser.add_argument(
        "--client-seconds", type=float, default=2, help="of one client for a row in a round"
    )
    parser.add_argument(
        "--output", type=Path, help=f"page to write; of a full run {_PAGE.relative_to(_ROOT)}"
    )
    parser.add_argument(
        "--render", type=Path, help="measure nothing, render figures that an earlier run has kept"
    )
    parser.add_argument(
        "--append",
        type=Path,
        help="page to append the figures to, in the place of those of such a run before",
    )
    return parser


def _rows(text: str) -> list[str]:
    chosen = [*TRACE_ROWS] if text == _TRACES else text.split(",")
    if unknown := [each for each in chosen if each not in ROWS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not there")
    return chosen


if __name__ == "__main__":
    sys.exit(main())

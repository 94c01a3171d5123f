"""`make bench`: the same load on Tandem, its peers and the limits, one after the other."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmark import databases, limits, rows, table
from tests.benchmark.content import Api, Content
from tests.benchmark.databases import Maker
from tests.benchmark.limits import Limit
from tests.benchmark.results import Figure, Results
from tests.benchmark.servers import SERVERS, Destination

_ROOT = Path(__file__).resolve().parents[2]
_KEPT = _ROOT / ".cache" / "bench" / "results.json"
_DATABASES = ("postgresql", "sqlite")
_ALL_SERVERS = (*SERVERS, limits.NAME)


def main() -> int:
    options = _parser().parse_args()
    results = Results(settings={server.title: server.settings for server in SERVERS.values()})
    with tempfile.TemporaryDirectory(prefix="tandem-benchmark-") as name:
        directory = Path(name)
        with databases.maker(directory, options.databases) as maker:
            for figure in _figures(directory, maker, options):
                results.figures.append(figure)
                print(table.line(figure), flush=True)
                results.save(_KEPT)
    print("\n" + table.text(results))
    return 0


def _figures(directory: Path, maker: Maker, options: argparse.Namespace) -> Iterator[Figure]:
    if limits.NAME in options.servers:

        def chosen(limit: Limit) -> bool:
            return limit.name in options.rows or any(row in options.rows for row in limit.of)

        if "postgresql" in options.databases:
            yield from limits.database_limits(maker, chosen, options.seconds)
        yield from limits.asgi_limits(directory, chosen, options.seconds)
    for kind in options.databases:
        for name in options.servers:
            if name == limits.NAME:
                continue
            try:
                yield from _server_figures(directory, maker, kind, name, options)
            except RuntimeError as error:
                yield Figure(kind, name, "start", 0, "", str(error))


def _server_figures(
    directory: Path, maker: Maker, kind: str, name: str, options: argparse.Namespace
) -> Iterator[Figure]:
    folder = directory / f"{name}-{kind}"
    folder.mkdir()
    destination = Destination(str(folder / "artifacts"))
    with maker.make(kind) as database, SERVERS[name].start(folder, database, destination) as server:
        of = Content(Api(server.url))
        for row in rows.ROWS.values():
            if row.name in options.rows and name not in row.absent:
                begun = time.monotonic()
                figure = rows.measure(row, name, server.url, database, of, options.seconds)
                figure.detail["all_seconds"] = round(time.monotonic() - begun, 1)
                yield figure


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    row_names = [*rows.ROWS, *limits.DATABASE, *limits.ASGI]
    parser.add_argument("--servers", type=_among(_ALL_SERVERS), default=list(_ALL_SERVERS))
    parser.add_argument("--databases", type=_among(_DATABASES), default=list(_DATABASES))
    parser.add_argument("--rows", type=_among(row_names), default=row_names)
    parser.add_argument("--seconds", type=int, default=6, help="of load for each row")
    return parser


def _among(names: Sequence[str]) -> "type[list[str]]":
    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [each for each in chosen if each not in names]:
            raise argparse.ArgumentTypeError(f"{unknown} not among {', '.join(names)}")
        return chosen

    return parse  # type: ignore[return-value]


if __name__ == "__main__":
    sys.exit(main())

"""The page with the figures of growth, for docs/."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from tests.benchmark.table import number
from tests.growth import figures, rows, trace_rows
from tests.growth.figures import LARGE, SMALL, Found, Listing, Series
from tests.growth.listing import SERVICES
from tests.growth.measure import AS_MADE, OPTIMIZED, ROWS, SIZES, STATES
from tests.growth.rows import Row

_TEXTS = Path(__file__).parent
_TITLES = {
    AS_MADE: "as Tandem makes a database",
    OPTIMIZED: "after `db optimize`",
}
_DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
_RUNS = [f"{SIZES[side].runs:,} runs" for side in (SMALL, LARGE)]
_TRACES = [f"{SIZES[side].traces:,} traces" for side in (SMALL, LARGE)]
CONSTANT_MEBIBYTES = 8
"""So much more memory for a hundred times the entries still counts as none: allocators round up."""


def render(found: Found) -> str:
    """The page as Markdown."""
    texts = {
        **found.settings,
        "database": _DATABASES[found.database],
        "asgi_server": found.settings["server"].capitalize(),
        "runs": f"{SIZES[LARGE].runs:,}",
        "metrics": f"{SIZES[LARGE].metric_rows:,}",
        "few_runs": f"{SIZES[SMALL].runs:,}",
        "few_metrics": f"{SIZES[SMALL].metric_rows:,}",
        "read": f"{rows.READ:,}",
        "logged": rows.RUNS,
        "page": rows.PAGE,
        "traces": f"{SIZES[LARGE].traces:,}",
        "few_traces": f"{SIZES[SMALL].traces:,}",
        "senders": trace_rows.SENDERS,
        "constant": CONSTANT_MEBIBYTES,
    }
    parts = [
        (_TEXTS / "introduction.md").read_text().format(**texts),
        "## What holds\n\n" + "".join(f"- {each}\n" for each in _verdicts(found)),
        *(_rates(found, state) for state in STATES),
        _latencies(found),
        _rates(found, AS_MADE, of_traces=True),
        _latencies(found, of_traces=True),
        _listings(found.listings),
        _faults(found),
        (_TEXTS / "method.md").read_text().format(**texts),
        "## Versions\n\n" + _table(("", ""), list(found.versions.items())),
        "## Machine\n\n" + _table(("", ""), list(found.machine.items())),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts if part)


def appended(text: str, found: Found) -> str:
    """A page with the figures of another run at its end, which are replaced if they are there.

    They may be compared with each other only.
    """
    only_traces = all(ROWS[row].of_traces for row in found.rows)
    title = f"## {'Traces' if only_traces else 'Another run'}, on {_DATABASES[found.database]}"
    parts = text.rstrip().split("\n## ")
    kept = [part for part in parts if not part.startswith(f"{title.removeprefix('## ')}\n")]
    settings = found.settings
    about = (
        f"{title}\n\nA run of its own, on databases that hold nothing else: {settings['rounds']} "
        f"rounds of {settings['seconds']} s, and of {settings['client']} s of a single client, "
        f"under {settings['server'].capitalize()}.\n"
    )
    verdicts = [each for each in _verdicts(found) if not each.endswith("not measured")]
    sections = (
        *(_rates(found, state) for state in STATES),
        _latencies(found),
        _rates(found, AS_MADE, of_traces=True),
        _latencies(found, of_traces=True),
        _faults(found),
        "## Where it ran\n\n" + _table(("", ""), [*(found.versions | found.machine).items()]),
    )
    below = [f"#{each}" if each.startswith("## ") else each for each in sections if each]
    new = [about, "".join(f"- {each}\n" for each in verdicts), *below]
    return "\n".join(("\n## ".join(kept).rstrip() + "\n", *(f"{each.rstrip()}\n" for each in new)))


def _verdicts(found: Found) -> list[str]:
    """Each target, and whether it was reached: once optimized, and before.

    Those of traces only where they were measured: they often are in a run of their own.
    """
    said = []
    for row in (each for each in ROWS.values() if not each.of_traces or each.name in found.rows):
        pairs = {state: _pair(found, state, row) for state in STATES}
        if row.kept is not None:
            shown = [
                _verdict(figures.kept(*pair), row.kept, _TITLES[state])
                for state, pair in pairs.items()
                if pair
            ]
            target = f"{row.title} keeps ≥ {row.kept:.0%} of its rate"
        elif row.milliseconds is not None:
            shown = [
                _fast(figures.percentile(pair[1].milliseconds, 0.5), row, _TITLES[state])
                for state, pair in pairs.items()
                if pair
            ]
            target = f"{row.title}: a median < {row.milliseconds:.0f} ms"
        else:
            continue
        said.append(f"{target}: {'; '.join(shown) or 'not measured'}")
    said += [
        f"a listing by the {service} service takes no more memory of more entries: {verdict}"
        for service in SERVICES
        if (verdict := _constant(found.listings, service))
    ]
    return said


def _verdict(part: float, bound: float, when: str) -> str:
    return f"{_met(part >= bound)} {when} ({part:.0%})"


def _fast(median: float, row: Row, when: str) -> str:
    assert row.milliseconds is not None
    return f"{_met(median < row.milliseconds)} {when} ({number(median)} ms)"


def _constant(listings: Sequence[Listing], service: str) -> str:
    grown = [each.peak - each.before for each in listings if each.service == service]
    if len(grown) < 2:
        return ""
    more = grown[-1] - grown[0]
    return f"{_met(more <= CONSTANT_MEBIBYTES)} ({max(more, 0):.1f} MiB more)"


def _met(holds: bool) -> str:
    return "met" if holds else "**not met**"


def _pair(found: Found, state: str, row: Row) -> tuple[Series, Series] | None:
    small, large = (found.of(state, side, row.name) for side in (SMALL, LARGE))
    return (small, large) if small and large else None


def _rates(found: Found, state: str, *, of_traces: bool = False) -> str:
    lines = []
    for row in ROWS.values():
        wanted = row.loaded and row.of_traces == of_traces
        pair = _pair(found, state, row) if wanted else None
        if pair:
            small, large = pair
            least, most = figures.spread(small, large)
            kept = figures.kept(small, large)
            lines.append(
                (
                    row.title,
                    number(small.rate),
                    number(large.rate),
                    f"{kept:.0%}",
                    f"{least:.0%} to {most:.0%}",
                    "" if row.kept is None else f"≥ {row.kept:.0%}: {_met(kept >= row.kept)}",
                )
            )
    sides = _TRACES if of_traces else _RUNS
    title = "Rates of traces" if of_traces else f"Rates {_TITLES[state]}"
    head = ("requests a second", *sides, "kept", "in single rounds", "target")
    return f"## {title}\n\n" + _table(head, lines) if lines else ""


def _latencies(found: Found, *, of_traces: bool = False) -> str:
    lines = []
    columns = [(AS_MADE, SMALL), (AS_MADE, LARGE)]
    sides = [*(_TRACES if of_traces else _RUNS)]
    if not of_traces:
        columns.append((OPTIMIZED, LARGE))
        sides.append(f"{_RUNS[1]}, {_TITLES[OPTIMIZED]}")
    for row in (each for each in ROWS.values() if each.of_traces == of_traces):
        series = [found.of(state, side, row.name) for state, side in columns]
        if any(series):
            cells = ["–" if each is None else _waited(each.milliseconds) for each in series]
            last = series[-1]
            target = ""
            if row.milliseconds is not None and last is not None:
                median = statistics.median(last.milliseconds)
                target = f"< {row.milliseconds:.0f}: {_met(median < row.milliseconds)}"
            lines.append((row.title, *cells, target))
    title = "Latency of a single client" + (" with traces" if of_traces else "")
    head = ("ms, median / 95th percentile", *sides, "target")
    return f"## {title}\n\n" + _table(head, lines) if lines else ""


def _waited(milliseconds: Sequence[float]) -> str:
    return " / ".join(number(figures.percentile(milliseconds, part)) for part in (0.5, 0.95))


def _listings(listings: Sequence[Listing]) -> str:
    lines = [
        (
            f"{each.service}, {each.entries:,} files",
            f"{each.seconds:.2f} s",
            f"{each.mebibytes:.1f} MiB",
            f"{each.before:.1f} MiB",
            f"{each.peak:.1f} MiB",
            f"{each.peak - each.before:.1f} MiB",
        )
        for each in sorted(listings, key=lambda each: (each.service, each.entries))
    ]
    head = ("service", "time", "answer", "memory before", "at most", "grown")
    return "## Listing a directory\n\n" + _table(head, lines) if lines else ""


def _faults(found: Found) -> str:
    faults = [
        f"- {ROWS[each.row].title}, {_side(each)}, {_TITLES[each.state]}: {each.fault}\n"
        for each in found.series
        if each.fault
    ]
    return "Failed:\n\n" + "".join(faults) if faults else ""


def _side(series: Series) -> str:
    sides = _TRACES if ROWS[series.row].of_traces else _RUNS
    return sides[0 if series.side == SMALL else 1]


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    aligned = ["---", *["---:"] * (len(head) - 1)] if len(head) > 2 else ["---"] * len(head)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, aligned, *lines))

"""The page with the figures of one benchmark, for docs/."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.benchmark import beside, content, files, limits, rows, targets, wrk
from tests.benchmark.measure import LIMITS, PROCESS_TITLES, TITLES
from tests.benchmark.results import Figure, Results
from tests.benchmark.servers import SERVERS
from tests.benchmark.table import number, ratio

PICTURE = "images/benchmarks.png"
_PEERS = ("mlflow", "fasttrackml")
_DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}

_REQUESTS = f"Requests a second; one of log-batch logs {rows.BATCH} metrics."

_TEXTS = Path(__file__).parent


def render(results: Results) -> str:
    """The page as Markdown; the picture lies beside it, at `PICTURE`."""
    parts = [(_TEXTS / "introduction.md").read_text(), _targets(results)]
    for database, title in _DATABASES.items():
        if table := _rows(results, database, rows.ROWS, _REQUESTS):
            parts.append(f"## Metadata on {title}\n\n{table}")
    if table := _rows(results, "", files.TITLES, ""):
        parts.append(f"## Artifacts\n\n{table}")
    for database, title in _DATABASES.items():
        if table := _rows(results, database, PROCESS_TITLES, ""):
            parts.append(f"## Processes, on {title}\n\n{table}")
    parts.append(_limits(results))
    parts.append(
        (_TEXTS / "method.md")
        .read_text()
        .format(
            connections=wrk.CONNECTIONS,
            seconds=results.seconds,
            runs=f"{content.SEARCHED_RUNS:,}",
            batched=content.BATCHED_RUNS,
            beside=beside.RATE,
            models=f"{content.MODELS:,}",
            repeats=files.REPEATS,
            transfers=files.SECONDS,
        )
    )
    parts.append(_about("Servers", results.settings))
    parts.append(_about("Versions", results.versions))
    parts.append(_about("Machine", results.machine))
    return "\n".join(part.rstrip() + "\n" for part in parts if part)


def _targets(results: Results) -> str:
    """What is meant to be reached, and whether it was."""
    lines = []
    for row in dict.fromkeys(target.row for target in targets.TARGETS):
        cells: dict[str, str] = {"fasttrackml": "", "mlflow": "", "limit": ""}
        for target in targets.TARGETS:
            if target.row == row:
                place = "limit" if target.is_limit else target.against
                cells[place] = _target(results, target)
        lines.append((TITLES[row], *cells.values()))
    head = ("work", "to FastTrackML", "to MLflow", "to the limit")
    return (
        "## Targets\n\n"
        "Tandem with two workers, on PostgreSQL: what was measured under Hypercorn, in parentheses"
        " under Uvicorn, and the target. A ratio that is reached under Uvicorn only is met if"
        f" Hypercorn has {targets.HYPERCORNS_PART:.0%} of it.\n\n" + _table(head, lines)
    )


def _target(results: Results, target: targets.Target) -> str:
    shown = _reached(target, targets.reached(results, target))
    if target.has_uvicorn and (faster := targets.reached(results, target, targets.UVICORN)):
        shown += f" ({_reached(target, faster)})"
    sign = "≥" if target.against else "≤"
    of = f" of “{TITLES[target.against]}”" if target.is_limit and target.against else ""
    bound = f"{sign} {_reached(target, target.bound, exact=True)}"
    return f"{shown}{of}, target {bound}: {targets.verdict(results, target)}"


def _reached(target: targets.Target, value: float | None, *, exact: bool = False) -> str:
    if value is None:
        return "–"
    if not target.against:
        return f"{value:.0f} MiB"
    if target.is_limit and target.bound < 1:
        return f"{value:.0%}"
    return f"{value:g}×" if exact else f"{number(value)}×"


def _rows(results: Results, database: str, names: Iterable[str], note: str) -> str:
    names = [name for name in names if any(_is(each, database, name) for each in results.figures)]
    servers = [
        name
        for name in SERVERS
        if any(each.database == database and each.server == name for each in results.figures)
    ]
    if not names or not servers:
        return ""
    peers = [name for name in _PEERS if name in servers and "tandem" in servers]
    head = ["", *(SERVERS[name].title for name in servers)]
    head += [f"Tandem to {SERVERS[name].title}" for name in peers]
    lines = []
    for name in names:
        found = [results.figure(database, server, name) for server in servers]
        ratios = [ratio(results, database, peer, name) for peer in peers]
        cells = ["–" if each is None else _cell(each) for each in found]
        lines.append(
            [
                TITLES[name],
                *cells,
                *("–" if each is None else f"{number(each)}×" for each in ratios),
            ]
        )
    faults = [
        f"- {SERVERS[each.server].title}, {TITLES.get(each.row, each.row)}: {each.fault}"
        for each in results.figures
        if each.fault
        and each.database == database
        and each.server in servers
        and each.row in (*names, "run")
    ]
    failed = "\nFailed:\n\n" + "\n".join(faults) + "\n" if faults else ""
    return (f"{note}\n\n" if note else "") + _table(head, lines) + failed


def _is(figure: Figure, database: str, row: str) -> bool:
    return figure.database == database and figure.row == row and figure.server != limits.NAME


def _cell(figure: Figure) -> str:
    if figure.fault:
        return "failed"
    unit = "" if figure.unit == "1/s" else f" {figure.unit}"
    return number(figure.value) + unit


def _limits(results: Results) -> str:
    lines = []
    for name, limit in LIMITS.items():
        if figure := results.figure(targets.place(results, limits.NAME, name), limits.NAME, name):
            unit = "requests/s" if figure.unit == "1/s" else figure.unit
            shown = "failed" if figure.fault else f"{number(figure.value)} {unit}"
            lines.append((limit.title, shown))
    return "## Limits\n\n" + _table(("", "rate"), lines) if lines else ""


def _about(title: str, words: dict[str, str]) -> str:
    return f"## {title}\n\n" + _table(("", ""), list(words.items())) if words else ""


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    aligned = ["---", *["---:"] * (len(head) - 1)] if len(head) > 2 else ["---"] * len(head)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, aligned, *lines))

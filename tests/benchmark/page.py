"""The page with the figures of one benchmark, for docs/."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.benchmark import (
    accounts,
    beside,
    clients,
    content,
    files,
    limits,
    rows,
    targets,
    trace_bodies,
    trace_rows,
    trace_times,
    wrk,
)
from tests.benchmark.measure import LIMITS, PROCESS_TITLES, TITLES
from tests.benchmark.results import Apart, Figure, Results
from tests.benchmark.servers import SERVERS
from tests.benchmark.table import number

PICTURE = "images/benchmarks.png"
_PEERS = ("mlflow", "fasttrackml")
_TANDEMS = (targets.DEFAULT, targets.UVICORN)
_DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}

_REQUESTS = f"Requests a second; one of log-batch logs {rows.BATCH} metrics."
_TRACES = "Traces a second, or requests a second of those that read."

_TEXTS = Path(__file__).parent


def render(results: Results) -> str:
    """The page as Markdown; the picture lies beside it, at `PICTURE`."""
    parts = [(_TEXTS / "introduction.md").read_text()]
    for database, title in _DATABASES.items():
        if any(figure.database == database for figure in results.figures):
            parts.append(f"## Targets on {title}\n\n{_targets(results, database)}")
    for database, title in _DATABASES.items():
        if table := _rows(results, database, (*rows.ROWS, *clients.TITLES), _REQUESTS):
            parts.append(f"## Metadata on {title}\n\n{table}")
    for database, title in _DATABASES.items():
        if table := _rows(results, database, (*trace_rows.ROWS, *trace_times.TITLES), _TRACES):
            parts.append(f"## Traces on {title}\n\n{table}")
    for database, title in _DATABASES.items():
        if table := _costs(results, database):
            parts.append(f"## Accounts on {title}\n\n{table}")
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
            windows=wrk.WINDOWS,
            long=wrk.longer(results.seconds),
            runs=f"{content.SEARCHED_RUNS:,}",
            batched=content.BATCHED_RUNS,
            beside=beside.RATE,
            models=f"{content.MODELS:,}",
            repeats=files.REPEATS,
            transfers=files.SECONDS,
            client_seconds=clients.SECONDS,
            waiting=clients.WAITING,
            buffered=f"{clients.BUFFERED:,}",
            granted=f"{accounts.GRANTED:,}",
            senders=trace_rows.CLIENTS.connections,
            traces=f"{content.TRACES:,}",
            together=trace_bodies.TOGETHER,
            large=f"{trace_bodies.LARGE:,}",
            waits=trace_times.ROUNDS,
            turns=trace_times.TURNS,
        )
    )
    parts.append(_about("Servers", results.settings))
    parts.append(_about("Versions", results.versions))
    parts.append(_about("Machine", results.machine))
    parts += [_apart(results, each) for each in results.apart]
    return "\n".join(part.rstrip() + "\n" for part in parts if part)


def _targets(results: Results, database: str) -> str:
    """What is meant to be reached, and whether each of Tandem's servers does."""
    wanted = [target for target in targets.TARGETS if target.database == database]
    lines = []
    for target in wanted:
        line = [TITLES[target.row], _bound(target)]
        for server in _TANDEMS:
            value = targets.reached(results, target, server)
            line += [_reached(target, value), targets.verdict(results, target, server)]
        lines.append(line)
    met = [sum(line[place] == "met" for line in lines) for place in (3, 5)]
    return (
        f"{len(lines)} targets; met by the default server: {met[0]}, with Uvicorn: {met[1]}.\n\n"
        + _table(("work", "target", "Tandem", "", "Tandem, Uvicorn", ""), lines)
    )


def _costs(results: Results, database: str) -> str:
    """What accounts cost, as the share of the rate that is left."""
    lines = []
    for cost in targets.COSTS:
        value = targets.kept(results, database, cost)
        if value is not None:
            met = "met" if value >= cost.bound else "**not met**"
            sender = accounts.SENDERS[cost.sender]
            lines.append(
                (accounts.ROWS[cost.row].title, sender, f"{value:.0%}", f"≥ {cost.bound:.0%}", met)
            )
    if not lines:
        return ""
    return (
        f"The rate that is left with accounts: the median of {accounts.ROUNDS} rounds, in each of "
        "which both servers were under load one after the other.\n\n"
        + _table(("work", "sender", "rate left", "target", ""), lines)
    )


def _bound(target: targets.Target) -> str:
    if not target.against:
        return f"≤ {_reached(target, target.bound, exact=True)}"
    of = f"of “{TITLES[target.against]}”" if target.is_limit else SERVERS[target.against].title
    return f"≥ {_reached(target, target.bound, exact=True)} {of}"


def _reached(target: targets.Target, value: float | None, *, exact: bool = False) -> str:
    if value is None:
        return "–"
    if not target.against:
        shown = f"{value:.0f}" if target.unit == "MiB" else number(value)
        return f"{f'{value:g}' if exact else shown} {target.unit}"
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
        ratios = [results.times(database, "tandem", peer, name) for peer in peers]
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
    """What the parts can do at best, and how much of that a row reaches which they bound."""
    lines = []
    for name, limit in LIMITS.items():
        if figure := results.figure("postgresql", limits.NAME, name):
            unit = "requests/s" if figure.unit == "1/s" else figure.unit
            shown = "failed" if figure.fault else f"{number(figure.value)} {unit}"
            found = [targets.share(results, limit.of[0], limit, server) for server in _TANDEMS]
            shares = ["–" if each is None else f"{each:.0%}" for each in found]
            lines.append((limit.title, shown, TITLES[limit.of[0]], *shares))
    head = ("at best", "", "work", *(SERVERS[server].title for server in _TANDEMS))
    return "## Limits\n\n" + _table(head, lines) if lines else ""


def _apart(results: Results, run: Apart) -> str:
    """Rows of another run: figures of two may not be compared."""
    rows = "".join(f"- {TITLES[each]}\n" for each in run.rows if each in TITLES)
    known = {**results.versions, **results.machine}
    told = {**run.versions, **run.machine}
    other = [(name, value) for name, value in told.items() if value != known.get(name)]
    return (
        f"## Measured apart\n\nThese rows are of another run than all others:\n\n{rows}\n"
        f"What differs:\n\n{_table(('', ''), other)}"
    )


def _about(title: str, words: dict[str, str]) -> str:
    return f"## {title}\n\n" + _table(("", ""), list(words.items())) if words else ""


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    aligned = ["---", *["---:"] * (len(head) - 1)] if len(head) > 2 else ["---"] * len(head)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, aligned, *lines))

"""Figures as text for the terminal."""

from tests.benchmark import limits
from tests.benchmark.results import Figure, Results
from tests.benchmark.servers import SERVERS


def number(value: float) -> str:
    """Three digits that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def line(figure: Figure) -> str:
    """One figure, as soon as it is known."""
    shown = f"failed: {figure.fault}" if figure.fault else f"{number(figure.value)} {figure.unit}"
    return f"{figure.database:<11}{figure.server:<15}{figure.row:<26}{shown}"


def text(results: Results) -> str:
    """All figures, with what Tandem is to its peers."""
    lines = []
    for database in dict.fromkeys(figure.database for figure in results.figures):
        of = [figure for figure in results.figures if figure.database == database]
        servers = [name for name in SERVERS if any(figure.server == name for figure in of)]
        if servers:
            head = [f"{name:>15}" for name in servers]
            peers = [name for name in servers if name != "tandem"] if "tandem" in servers else []
            head += [f"{'x ' + name:>17}" for name in peers]
            lines.append(f"{database or 'any':<24}" + "".join(head))
            for row in dict.fromkeys(f.row for f in of if f.server != limits.NAME):
                cells = []
                for name in servers:
                    figure = results.figure(database, name, row)
                    cell = (
                        "" if figure is None else "failed" if figure.fault else number(figure.value)
                    )
                    cells.append(f"{cell:>15}")
                for peer in peers:
                    times = results.times(database, "tandem", peer, row)
                    cells.append(f"{'' if times is None else number(times):>17}")
                lines.append(f"{row:<24}" + "".join(cells))
    last = {figure.row: figure for figure in results.figures if figure.server == limits.NAME}
    lines += [
        f"{figure.row:<28}{number(figure.value):>11} {figure.unit}" for figure in last.values()
    ]
    return "\n".join(lines)

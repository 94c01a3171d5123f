"""The picture of the page: rates as multiples of MLflow's."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from tests.benchmark import files, targets
from tests.benchmark.measure import ROWS, TITLES
from tests.benchmark.results import Results
from tests.benchmark.servers import SERVERS
from tests.benchmark.table import number

_DATABASE = "postgresql"
_BASE = "mlflow"
_COLORS = {"tandem": "#1f6feb", "tandem-uvicorn": "#8ab4f8", "fasttrackml": "#8c959f"}
_HEIGHT = 0.27


def draw(results: Results, path: Path) -> None:
    """Write the picture; rows that MLflow's server failed have no multiples and are left out."""
    names = [*ROWS, *files.TITLES, "start-up"]
    shown = [
        name
        for name in names
        if any(results.times(_DATABASE, each, _BASE, name) for each in _COLORS)
    ]
    figure, axes = pyplot.subplots(figsize=(9, 1.4 + 0.52 * max(len(shown), 1)))
    for place, server in enumerate(_COLORS):
        for height, name in enumerate(shown):
            if times := results.times(_DATABASE, server, _BASE, name):
                _bar(axes, height + (place - 1) * _HEIGHT, times, server)
    _marks(axes, shown)
    axes.set_yticks(range(len(shown)), [TITLES[name] for name in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(right=axes.get_xlim()[1] * 1.6)
    axes.axvline(1, color="#57606a", linewidth=1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.set_xlabel("times the rate of MLflow's server (logarithmic); start-up: times as fast")
    axes.spines[["top", "right"]].set_visible(False)
    if shown:
        _legend(axes)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)


def _bar(axes: Axes, height: float, times: float, server: str) -> None:
    axes.barh(height, times - 1, _HEIGHT, left=1, color=_COLORS[server])
    axes.text(
        max(times, 1) * 1.04,
        height,
        f"{number(times)}×",
        va="center",
        fontsize=7,
        zorder=4,  # above the marks, which may stand where the number does
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )


def _marks(axes: Axes, shown: list[str]) -> None:
    """Where Tandem is meant to be."""
    for target in targets.TARGETS:
        if (target.database, target.against) == (_DATABASE, _BASE) and target.row in shown:
            height = shown.index(target.row)
            ends = height - 1.5 * _HEIGHT, height + 1.5 * _HEIGHT
            axes.vlines(target.bound, *ends, color="#cf222e", linewidth=1.5, zorder=3)


def _legend(axes: Axes) -> None:
    for server, color in _COLORS.items():
        axes.barh(0, 0, left=1, color=color, label=SERVERS[server].title)
    axes.vlines([], 0, 0, color="#cf222e", label="target of Tandem")
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.4, 1.0 + 0.6 / axes.figure.get_figheight()),
        ncols=4,
        frameon=False,
        fontsize=8,
    )

"""Ratios and targets, and the page that shows them."""

from pathlib import Path

import pytest

from tests.benchmark import page, plot, results, table, targets
from tests.benchmark.results import Figure, Results
from tests.benchmark.targets import Target


def _results(*figures: tuple[str, str, str, float, str]) -> Results:
    return Results(6, figures=[Figure(*each) for each in figures])


FIGURES = _results(
    ("postgresql", "tandem", "get-run", 1000, "1/s"),
    ("postgresql", "mlflow", "get-run", 50, "1/s"),
    ("postgresql", "fasttrackml", "get-run", 500, "1/s"),
    ("postgresql", "tandem", "log-batch", 120, "1/s"),
    ("postgresql", "tandem", "start-up", 0.5, "s"),
    ("postgresql", "mlflow", "start-up", 6, "s"),
    ("postgresql", "tandem", "memory-idle-process", 91, "MiB"),
    ("", "tandem", "artifact-put", 300, "1/s"),
    ("", "mlflow", "artifact-put", 100, "1/s"),
    ("", "limits", "hypercorn-get", 2000, "1/s"),
    ("postgresql", "limits", "raw-unnest", 20_000, "rows/s"),
)


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        (Target("get-run", "mlflow", 25), 20, False),
        (Target("get-run", "fasttrackml", 1.5), 2, True),
        (Target("get-run", "hypercorn-get", 0.45), 0.5, True),
        (Target("log-batch", "raw-unnest", 0.5, 100), 0.6, True),
        (Target("start-up", "mlflow", 10), 12, True),
        (Target("memory-idle-process", "", 90), 91, False),
        (Target("artifact-put", "mlflow", 5), 3, False),
    ],
    ids=lambda each: f"{each.row}-{each.against}" if isinstance(each, Target) else None,
)
def test_targets_are_compared_with_what_was_measured(
    target: Target, value: float, met: bool
) -> None:
    assert targets.reached(FIGURES, target) == pytest.approx(value)
    assert targets.met(target, value) is met


@pytest.mark.parametrize(
    ("hypercorn", "uvicorn", "verdict"),
    [
        (1300, 1200, "met"),
        (800, 1300, "met under Uvicorn"),
        (800, 1200, "**not met**"),
        (700, 1300, "**not met**"),
        (800, None, "**not met**"),
    ],
)
def test_a_target_may_be_met_under_uvicorn(
    hypercorn: float, uvicorn: float | None, verdict: str
) -> None:
    found = _results(
        ("postgresql", "tandem", "get-run", hypercorn, "1/s"),
        *([("postgresql", "tandem-uvicorn", "get-run", uvicorn, "1/s")] if uvicorn else []),
        ("postgresql", "mlflow", "get-run", 50, "1/s"),
        ("", "limits", "hypercorn-get", 2000, "1/s"),
    )
    assert targets.verdict(found, Target("get-run", "mlflow", 25)) == verdict
    limit = Target("get-run", "hypercorn-get", 0.6)  # which Uvicorn's rate says nothing about
    assert targets.verdict(found, limit) == ("met" if hypercorn == 1300 else "**not met**")


def test_a_row_that_failed_has_no_ratio() -> None:
    failed = Figure("postgresql", "mlflow", "get-run", 50, "1/s", "1 of 9 answers refused")
    found = Results(6, figures=[*FIGURES.figures, failed])
    assert targets.reached(found, Target("get-run", "mlflow", 25)) is None
    assert table.ratio(found, "postgresql", "mlflow", "get-run") is None
    shown = page.render(found)
    assert "| get-run | 1,000 | failed | 500 | – | 2.00× |" in shown
    assert "- MLflow, get-run: 1 of 9 answers refused" in shown


def test_the_page_shows_figures_ratios_and_targets() -> None:
    shown = page.render(FIGURES)
    assert "| get-run | 1,000 | 50.0 | 500 | 20.0× | 2.00× |" in shown
    assert "20.0×, target ≥ 25×: **not met**" in shown
    assert "50% of “trivial GET under Hypercorn”, target ≥ 45%: met" in shown
    assert "91 MiB, target ≤ 90 MiB: **not met**" in shown
    assert "| start-up | 0.50 s | 6.00 s | – | 12.0× | – |" in shown
    assert "registry" not in shown.partition("## Metadata")[2].partition("## How")[0]


def test_a_limit_that_was_measured_again_counts_as_it_was_last() -> None:
    again = Figure("postgresql", "limits", "raw-unnest", 30_000, "rows/s")
    found = Results(6, figures=[*FIGURES.figures, again])
    assert targets.reached(found, Target("log-batch", "raw-unnest", 0.5, 100)) == 0.4
    for shown in (page.render(found), table.text(found)):
        assert "30,000 rows/s" in shown
        assert "20,000" not in shown


def test_kept_figures_are_the_same_when_read_again(tmp_path: Path) -> None:
    FIGURES.save(tmp_path / "kept" / "results.json")
    assert results.load(tmp_path / "kept" / "results.json") == FIGURES


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    plot.draw(FIGURES, tmp_path / page.PICTURE)
    assert (tmp_path / page.PICTURE).read_bytes().startswith(b"\x89PNG")


def test_all_targets_name_rows_that_are_measured() -> None:
    for target in targets.TARGETS:
        assert target.row in page.TITLES
        assert target.against in ("", "mlflow", "fasttrackml") or target.against in page.LIMITS

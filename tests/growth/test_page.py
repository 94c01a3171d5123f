"""What follows from figures of growth, and the page that shows it."""

from pathlib import Path

import pytest

from tests.growth import figures, page
from tests.growth.figures import LARGE, SMALL, Found, Listing, Series
from tests.growth.measure import AS_MADE, OPTIMIZED

SETTINGS = {"rounds": "3", "seconds": "2", "client": "1", "server": "hypercorn"}


def _series(state: str, side: str, row: str, rates: list[float], waited: list[float]) -> Series:
    return Series(state, side, row, rates, waited)


FOUND = Found(
    "postgresql",
    SETTINGS,
    series=[
        _series(AS_MADE, SMALL, "get-run", [1000, 2000, 1500], [1, 2, 3]),
        _series(AS_MADE, LARGE, "get-run", [900, 1000, 1200], [1, 2, 3]),
        _series(OPTIMIZED, SMALL, "get-run", [1000, 1000, 1000], [1, 2, 3]),
        _series(OPTIMIZED, LARGE, "get-run", [710, 690, 705], [1, 2, 3]),
        _series(AS_MADE, SMALL, "filtered", [], [8] * 19 + [9]),
        _series(AS_MADE, LARGE, "filtered", [], [800, 850, 900]),
        _series(OPTIMIZED, SMALL, "filtered", [], [8]),
        _series(OPTIMIZED, LARGE, "filtered", [], [240, 249, 400]),
    ],
    listings=[
        Listing("artifacts", 1_000, 0.1, 0.1, 50, 52),
        Listing("artifacts", 100_000, 2, 7, 50, 59.5),
        Listing("metadata", 1_000, 0.1, 0.1, 50, 52),
        Listing("metadata", 100_000, 2, 7, 50, 90),
    ],
)


def test_what_is_kept_is_the_quotient_of_the_medians() -> None:
    small, large = FOUND.series[:2]
    assert figures.kept(small, large) == pytest.approx(1000 / 1500)


def test_rounds_are_compared_with_their_own() -> None:
    small, large = FOUND.series[:2]
    assert figures.spread(small, large) == pytest.approx((0.5, 0.9))


@pytest.mark.parametrize(
    ("values", "part", "expected"),
    [([3, 1, 2], 0.5, 2), ([*range(1, 101)], 0.95, 95), ([7], 0.95, 7), ([1, 2, 3], 0.95, 3)],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], part: float, expected: float
) -> None:
    assert figures.percentile(values, part) == expected


def test_the_page_says_what_holds() -> None:
    shown = page.render(FOUND)
    assert "≥ 70% of its rate: **not met** as Tandem makes a database (67%); met " in shown
    assert "| get-run | 1,500 | 1,000 | 67% | 50% to 90% | ≥ 70%: **not met** |" in shown
    assert "| get-run | 1,000 | 705 | 70% | 69% to 71% | ≥ 70%: met |" in shown
    assert "| 8.00 / 8.00 | 850 / 900 | 249 / 400 | < 250: met |" in shown


def test_memory_is_constant_up_to_some_mebibytes() -> None:
    shown = page.render(FOUND)
    assert "by the artifacts service takes no more memory of more entries: met (7.5 MiB" in shown
    assert (
        "by the metadata service takes no more memory of more entries: **not met** (38.0" in shown
    )


def test_a_row_that_failed_is_not_compared() -> None:
    failed = _series(AS_MADE, LARGE, "history", [100], [1])
    failed.fault = "Wrong: 500"
    small = _series(AS_MADE, SMALL, "history", [100], [1])
    shown = page.render(Found("postgresql", SETTINGS, series=[failed, small]))
    assert "## Rates" not in shown
    assert "10 points, 100,000 runs, as Tandem makes a database: Wrong: 500" in shown


def test_traces_have_a_table_of_their_own() -> None:
    found = Found(
        "sqlite",
        SETTINGS,
        series=[
            _series(AS_MADE, SMALL, "trace-get", [1000], [1, 2, 3]),
            _series(AS_MADE, LARGE, "trace-get", [800], [1, 2, 3]),
            _series(AS_MADE, SMALL, "trace-overview", [], [9]),
            _series(AS_MADE, LARGE, "trace-overview", [], [1200]),
        ],
        machine={"Memory": "24 GiB"},
    )
    page_of_runs = page.render(FOUND)
    shown = page.appended(page_of_runs, found)
    assert shown.startswith(page_of_runs.rstrip())
    own = shown.removeprefix(page_of_runs.rstrip())
    assert own.startswith("\n\n## Traces, on SQLite\n")
    assert "### Rates of traces" in own
    assert "1,000 traces | 100,000 traces |" in own
    assert "| get a trace | 1,000 | 800 | 80% | 80% to 80% | ≥ 70%: met |" in own
    assert "- get a trace keeps ≥ 70% of its rate: met as Tandem makes a database (80%)\n" in own
    assert "| 9.00 / 9.00 | 1,200 / 1,200 | < 1000: **not met** |" in own
    assert "log-metric" not in own
    assert page.appended(shown, found) == shown


def test_kept_figures_are_the_same_when_read_again(tmp_path: Path) -> None:
    FOUND.save(tmp_path / "kept" / "growth.json")
    assert figures.load(tmp_path / "kept" / "growth.json") == FOUND

"""Ratios and targets, and the page that shows them."""

from pathlib import Path

import pytest

from tests.benchmark import accounts, page, results, table, targets
from tests.benchmark.results import Figure, Results
from tests.benchmark.targets import Target


def _results(*figures: tuple[str, str, str, float, str]) -> Results:
    return Results(6, figures=[Figure(*each) for each in figures])


FIGURES = _results(
    ("postgresql", "tandem", "get-run", 1000, "1/s"),
    ("postgresql", "tandem-uvicorn", "get-run", 1300, "1/s"),
    ("postgresql", "mlflow", "get-run", 50, "1/s"),
    ("postgresql", "fasttrackml", "get-run", 500, "1/s"),
    ("postgresql", "tandem", "log-batch", 120, "1/s"),
    ("postgresql", "tandem", "start-up", 0.5, "s"),
    ("postgresql", "mlflow", "start-up", 6, "s"),
    ("postgresql", "tandem", "memory-idle-process", 91, "MiB"),
    ("sqlite", "tandem", "get-run", 900, "1/s"),
    ("sqlite", "tandem-uvicorn", "get-run", 1100, "1/s"),
    ("sqlite", "fasttrackml", "get-run", 1000, "1/s"),
    ("", "tandem", "artifact-put", 300, "1/s"),
    ("", "mlflow", "artifact-put", 100, "1/s"),
    ("", "limits", "hypercorn-get", 2000, "1/s"),
    ("postgresql", "limits", "raw-unnest", 20_000, "rows/s"),
    ("sqlite", "tandem", "trace-otlp", 300, "1/s"),
    ("sqlite", "mlflow", "trace-otlp", 30, "1/s"),
    ("sqlite", "tandem", "trace-cpu", 4.2, "ms"),
    ("sqlite", "mlflow", "trace-cpu", 21, "ms"),
    ("sqlite", "tandem", "trace-large", 0.6, "s"),
    ("sqlite", "tandem", "log-metric-flood", 1.5, "×"),
)


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (Target("get-run", "mlflow", 25), 20, "**not met**"),
        (Target("get-run", "fasttrackml", 1.5), 2, "met"),
        (Target("get-run", "hypercorn-get", 0.45), 0.5, "met"),
        (Target("get-run", "fasttrackml", 1, "sqlite"), 0.9, "**not met**"),
        (Target("log-batch", "raw-unnest", 0.5), 0.6, "met"),
        (Target("start-up", "mlflow", 10), 12, "met"),
        (Target("memory-idle-process", "", 90), 91, "**not met**"),
        (Target("artifact-put", "mlflow", 5), 3, "**not met**"),
        (Target("create-run", "mlflow", 20), None, "not measured"),
        (Target("trace-otlp", "mlflow", 8, "sqlite"), 10, "met"),
        (Target("trace-cpu", "", 5, "sqlite", "ms"), 4.2, "met"),
        (Target("trace-large", "", 0.5, "sqlite", "s"), 0.6, "**not met**"),
        (Target("log-metric-flood", "", 2, "sqlite", "×"), 1.5, "met"),
    ],
    ids=lambda each: f"{each.row}-{each.against}" if isinstance(each, Target) else None,
)
def test_target_is_compared_with_what_was_measured(
    target: Target, value: float | None, verdict: str
) -> None:
    assert targets.reached(FIGURES, target) == (value and pytest.approx(value))
    assert targets.verdict(FIGURES, target) == verdict


@pytest.mark.parametrize(
    ("target", "default", "uvicorn"),
    [
        (Target("get-run", "mlflow", 20), "met", "met"),
        (Target("get-run", "mlflow", 25), "**not met**", "met"),
        (Target("get-run", "hypercorn-get", 0.6), "**not met**", "met"),
        (Target("get-run", "fasttrackml", 3), "**not met**", "**not met**"),
        (Target("artifact-put", "mlflow", 2), "met", "not measured"),
    ],
)
def test_target_has_a_verdict_for_each_asgi_server(
    target: Target, default: str, uvicorn: str
) -> None:
    assert targets.verdict(FIGURES, target) == default
    assert targets.verdict(FIGURES, target, targets.UVICORN) == uvicorn


def test_a_row_that_failed_has_no_ratio() -> None:
    failed = Figure("postgresql", "mlflow", "get-run", 50, "1/s", "1 of 9 answers refused")
    found = Results(6, figures=[*FIGURES.figures, failed])
    assert targets.reached(found, Target("get-run", "mlflow", 25)) is None
    assert found.times("postgresql", "tandem", "mlflow", "get-run") is None
    shown = page.render(found)
    assert "| get-run | 1,000 | 1,300 | failed | 500 | – | 2.00× |" in shown
    assert "- MLflow, get-run: 1 of 9 answers refused" in shown


def test_page_shows_figures_ratios_and_targets() -> None:
    shown = page.render(FIGURES)
    assert "| get-run | 1,000 | 1,300 | 50.0 | 500 | 20.0× | 2.00× |" in shown
    assert "| get-run | ≥ 25× MLflow | 20.0× | **not met** | 26.0× | met |" in shown
    limit = "≥ 45% of “trivial GET under Hypercorn”"
    assert f"| get-run | {limit} | 50% | met | 65% | met |" in shown
    assert "largest process | ≤ 90 MiB | 91 MiB | **not met** | – | not measured |" in shown
    assert "| start-up | 0.50 s | – | 6.00 s | – | 12.0× | – |" in shown
    assert "registry" not in shown.partition("## Metadata")[2].partition("## How")[0]
    sqlite = shown.partition("## Targets on SQLite")[2].partition("##")[0]
    assert "| get-run | ≥ 1× FastTrackML | 0.90× | **not met** | 1.10× | met |" in sqlite
    assert "met by the default server: 3, with Uvicorn: 1." in sqlite


def test_page_shows_times_of_traces() -> None:
    shown = page.render(FIGURES)
    table = shown.partition("## Traces on SQLite")[2].partition("##")[0]
    assert "| OTLP, one trace a request | 300 | – | 30.0 |" in table
    assert "OTLP, one trace a request | 4.20 ms | – | 21.0 ms |" in table
    assert "| 10,000 spans in one request | 0.60 s |" in table
    assert "| ≤ 5 ms | 4.20 ms | met |" in shown
    assert "| ≤ 2 × | 1.50 × | met |" in shown


def test_rows_of_another_run_take_the_place_of_their_own() -> None:
    found = Results(6, {"Load before": "0.1"}, {"Tandem": "one"}, figures=[*FIGURES.figures])
    other = Results(6, {"Load before": "0.2"}, {"Tandem": "two"})
    other.figures.append(Figure("postgresql", "tandem", "get-run", 1500, "1/s"))
    found.take(other)
    assert found.value("postgresql", "tandem", "get-run") == 1500
    assert found.value("postgresql", "mlflow", "get-run") == 50
    assert len(found.figures) == len(FIGURES.figures)
    shown = page.render(found).partition("## Measured apart")[2]
    assert "- get-run\n" in shown
    assert "- log-batch" not in shown
    assert "| Tandem | two |" in shown
    assert "| Load before | 0.2 |" in shown
    found.take(other)
    assert len(found.apart) == 1


def test_page_shows_what_accounts_cost() -> None:
    found = _results(
        ("postgresql", accounts.BY_TOKEN, "accounts-get-run", 0.93, accounts.UNIT),
        ("postgresql", accounts.BY_PASSWORD, "accounts-get-run", 0.84, accounts.UNIT),
        ("postgresql", accounts.BY_TOKEN, "accounts-search", 0.8, accounts.UNIT),
    )
    shown = page.render(found).partition("## Accounts on PostgreSQL")[2]
    assert "| get-run | by token | 93% | ≥ 90% | met |" in shown
    assert "| get-run | by password (Basic) | 84% | ≥ 85% | **not met** |" in shown
    assert "| search-runs, 100 of 1,000 | by token | 80% | ≥ 80% | met |" in shown
    assert "log-metric" not in shown.partition("##")[0]


def test_page_shows_how_much_of_a_limit_is_reached() -> None:
    shown = page.render(FIGURES).partition("## Limits")[2]
    assert "| trivial GET under Hypercorn | 2,000 requests/s | get-run | 50% | 65% |" in shown
    assert "20,000 rows/s | log-batch of 100 metrics | 60% | – |" in shown


def test_a_limit_that_was_measured_again_counts_as_it_was_last() -> None:
    again = Figure("postgresql", "limits", "raw-unnest", 30_000, "rows/s")
    found = Results(6, figures=[*FIGURES.figures, again])
    assert targets.reached(found, Target("log-batch", "raw-unnest", 0.5)) == 0.4
    for shown in (page.render(found), table.text(found)):
        assert "30,000 rows/s" in shown
        assert "20,000 rows" not in shown


def test_kept_figures_are_the_same_when_read_again(tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "results.json"
    FIGURES.save(kept)
    assert results.load(kept) == FIGURES
    found = results.load(kept)
    found.take(FIGURES)
    found.save(kept)
    assert results.load(kept) == found


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    from tests.benchmark import plot  # takes seconds to import

    plot.draw(FIGURES, tmp_path / page.PICTURE)
    assert (tmp_path / page.PICTURE).read_bytes().startswith(b"\x89PNG")


def test_all_targets_name_rows_that_are_measured() -> None:
    for target in targets.TARGETS:
        assert target.row in page.TITLES
        assert target.against in ("", "mlflow", "fasttrackml") or target.against in page.LIMITS

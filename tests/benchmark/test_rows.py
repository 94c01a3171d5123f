"""What is made of a row that fails."""

import pytest

from tests.benchmark import rows
from tests.benchmark.results import Figure

_GOOD = Figure("postgresql", "mlflow", "search", 50, "1/s")
_BAD = Figure("postgresql", "mlflow", "search", 50, "1/s", "1 of 9 answers refused")


@pytest.mark.parametrize(
    ("met", "kept", "left"),
    [([_GOOD, _BAD], _GOOD, 1), ([_BAD, _GOOD], _GOOD, 0), ([_BAD, _BAD], _BAD, 0)],
)
def test_a_row_that_fails_is_measured_once_more(
    met: list[Figure], kept: Figure, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_measure", lambda *_: met.pop(0))
    row = rows.ROWS["search"]
    assert rows.measure(row, "mlflow", "", None, None, 1) is kept  # type: ignore[arg-type]
    assert len(met) == left

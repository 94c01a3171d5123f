"""What file stores hold in practice that MLflow's reader or its migration fails at.

Each function of the modules odd_*.py spoils a store that has experiment 1 with one good run, and
tells what becomes of it: what is skipped and what is mended, by path and a part of the reason, and
rows of the database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.metadata.transfer.file_stores import MadeUp

GOOD: Final = "a" * 32
OTHER: Final = "b" * 32

_RUNS: Final = "SELECT run_uuid FROM runs"

ONE: Final = {_RUNS: [(GOOD,)]}
BOTH: Final = {_RUNS: [(GOOD,), (OTHER,)]}

Make = Callable[[MadeUp, Path], None]


@dataclass(frozen=True)
class Odd:
    """A spoiled store, and what becomes of it."""

    make: Make
    skips: Mapping[str, str] = field(default_factory=dict)
    mends: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Sequence[tuple[Any, ...]]] = field(default_factory=dict)


class Oddities(list[Odd]):
    """The spoiled stores of one subject."""

    def odd(
        self,
        *,
        skips: Mapping[str, str] | None = None,
        mends: Mapping[str, str] | None = None,
        rows: Mapping[str, Sequence[tuple[Any, ...]]] | None = None,
    ) -> Callable[[Make], Make]:
        """Add the store that a function makes, with what becomes of it."""

        def add(make: Make) -> Make:
            self.append(Odd(make, skips or {}, mends or {}, rows or {}))
            return make

        return add

"""An import that is killed at any point, and run again, gives the same."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.metadata.transfer.databases import Progress, dump, filled, prepare, take
from tests.postgresql import PostgreSQL

_ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["sqlite", "postgresql"])
def targets(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two addresses of empty databases."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'one.db'}", f"sqlite:///{tmp_path / 'two.db'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    names = server.create(), server.create()
    yield server.uri(names[0]), server.uri(names[1])
    for name in names:
        server.drop(name)


class _Calls(Progress):
    calls = 0

    def advance(self, number: int = 1) -> None:
        self.calls += 1


def test_an_import_that_was_killed_and_is_run_again_gives_the_same(
    tmp_path: Path, targets: tuple[str, str]
) -> None:
    source = filled(prepare(f"sqlite:///{tmp_path / 'source.db'}"))
    whole, killed = targets
    counted = _Calls()
    take(source, whole, progress=counted)
    prepare(killed)
    empty = dump(killed)
    for calls in sorted(random.Random(5).sample(range(1, counted.calls + 1), 4)):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.metadata.transfer.killed_import",
                source,
                killed,
                str(calls),
            ],
            cwd=_ROOT,
        )
        assert done.returncode == -signal.SIGKILL
        assert dump(killed) == empty
    take(source, killed)
    assert dump(killed) == dump(whole)

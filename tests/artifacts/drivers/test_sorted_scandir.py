"""Sorted names of a directory, of which only some are in memory."""

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tandem_artifacts.drivers.scandir import sorted_scandir


def _fill(directory: Path, found: list[str]) -> None:
    for name in found:
        (directory / name).touch()


@pytest.mark.parametrize("held", [1, 3, 25, 49, 50, 51, 100])
def test_sorted_scandir_yields_each_name_once_and_in_order(tmp_path: Path, held: int) -> None:
    found = [f"{number * 7919 % 10007:05}" for number in range(50)]
    _fill(tmp_path, found)
    assert list(sorted_scandir(str(tmp_path), held)) == sorted(found)


def test_sorted_scandir_orders_by_code_points(tmp_path: Path) -> None:
    found = ["Z", "a", "ab", "ä", "漢", "\U0001f600", "￿"]
    _fill(tmp_path, found)
    assert list(sorted_scandir(str(tmp_path), 2)) == sorted(found)


def test_sorted_scandir_leaves_out_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    _fill(tmp_path, ["a", "b", "c"])
    (tmp_path / os.fsdecode(b"b\xff")).touch()
    assert list(sorted_scandir(str(tmp_path), 1)) == ["a", "b", "c"]


def test_sorted_scandir_repeats_nothing_when_names_come_and_go(tmp_path: Path) -> None:
    _fill(tmp_path, ["b", "c", "e", "f"])
    found = sorted_scandir(str(tmp_path), 2)
    assert next(found) == "b"
    _fill(tmp_path, ["a", "d"])
    (tmp_path / "e").unlink()
    assert list(found) == ["c", "d", "f"]


def test_sorted_scandir_ends_when_the_directory_goes(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    _fill(directory, ["a", "b"])
    found = sorted_scandir(str(directory), 1)
    assert next(found) == "a"
    for name in ("a", "b"):
        (directory / name).unlink()
    directory.rmdir()
    assert list(found) == []


def test_sorted_scandir_raises_for_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(sorted_scandir(str(tmp_path / "none")))


@dataclass
class _Named:
    name: str


class _Directory:
    """As `os.scandir` gives it, of so many files that are not there; counts how often."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.reads = 0

    @contextmanager
    def scan(self, _: str) -> Iterator[Iterator[_Named]]:
        self.reads += 1
        # 7919 is coprime to all sizes: every number comes once, and in no order.
        yield (_Named(f"{number * 7919 % self._size:020}") for number in range(self._size))


def _peak(monkeypatch: pytest.MonkeyPatch, size: int) -> int:
    monkeypatch.setattr(os, "scandir", _Directory(size).scan)
    tracemalloc.start()
    try:
        assert sum(1 for _ in sorted_scandir("any", 1_000)) == size
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_sorted_scandir_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Some 200 kB: what other threads of the process allocate meanwhile is little beside it.
    assert _peak(monkeypatch, 20_000) < 1.3 * _peak(monkeypatch, 2_000)


def test_sorted_scandir_passes_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = _Directory(10_000)
    monkeypatch.setattr(os, "scandir", directory.scan)
    assert sum(1 for _ in sorted_scandir("any", 10)) == 10_000
    assert directory.reads <= 22

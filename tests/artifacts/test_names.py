"""Names of a directory in their order, of which only some are held."""

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tandem_artifacts.drivers import names


def _fill(directory: Path, found: list[str]) -> None:
    for name in found:
        (directory / name).touch()


@pytest.mark.parametrize("held", [1, 3, 25, 49, 50, 51, 100])
def test_each_name_comes_once_and_in_order(tmp_path: Path, held: int) -> None:
    found = [f"{number * 7919 % 10007:05}" for number in range(50)]
    _fill(tmp_path, found)
    assert list(names.in_order(str(tmp_path), held)) == sorted(found)


def test_the_order_is_that_of_code_points(tmp_path: Path) -> None:
    found = ["Z", "a", "ab", "ä", "漢", "\U0001f600", "￿"]
    _fill(tmp_path, found)
    assert list(names.in_order(str(tmp_path), 2)) == sorted(found)


def test_a_name_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    _fill(tmp_path, ["a", "b", "c"])
    (tmp_path / os.fsdecode(b"b\xff")).touch()
    assert list(names.in_order(str(tmp_path), 1)) == ["a", "b", "c"]


def test_what_comes_and_goes_meanwhile_repeats_nothing(tmp_path: Path) -> None:
    _fill(tmp_path, ["b", "c", "e", "f"])
    found = names.in_order(str(tmp_path), 2)
    assert next(found) == "b"
    _fill(tmp_path, ["a", "d"])
    (tmp_path / "e").unlink()
    assert list(found) == ["c", "d", "f"]


def test_a_directory_that_goes_has_no_more_names(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    _fill(directory, ["a", "b"])
    found = names.in_order(str(directory), 1)
    assert next(found) == "a"
    for name in ("a", "b"):
        (directory / name).unlink()
    directory.rmdir()
    assert list(found) == []


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(names.in_order(str(tmp_path / "none")))


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
        assert sum(1 for _ in names.in_order("any", 500)) == size
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _peak(monkeypatch, 10_000) < 1.3 * _peak(monkeypatch, 1_000)


def test_a_large_directory_is_not_read_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = _Directory(10_000)
    monkeypatch.setattr(os, "scandir", directory.scan)
    assert sum(1 for _ in names.in_order("any", 10)) == 10_000
    assert directory.reads <= 22

"""What is written beside a load."""

import time

import pytest

from tests.benchmark import beside


def test_numbers_are_written_one_after_the_other_until_the_load_ends() -> None:
    written: list[int] = []
    with beside.repeated(written.append, 1_000):
        while len(written) < 3:
            time.sleep(0.001)
    assert written == [*range(len(written))]
    at_the_end = len(written)
    time.sleep(0.02)
    assert len(written) == at_the_end


def test_what_cannot_be_written_fails_the_load() -> None:
    def fail(_: int) -> None:
        raise RuntimeError("503")

    with pytest.raises(RuntimeError, match="503"), beside.repeated(fail, 1_000):
        time.sleep(0.05)


def test_a_load_that_nothing_was_written_beside_has_failed() -> None:
    with pytest.raises(RuntimeError, match="nothing was written"), beside.repeated(print, 1):
        pass

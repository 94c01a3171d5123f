"""What is remembered of answers, and for how long."""

import pytest

from tandem_artifacts.access import kept
from tandem_artifacts.access.kept import REFUSED_SECONDS, Kept
from tandem_shared.auth.grants import Action, Grant
from tandem_shared.errors import PermissionDenied, Unauthenticated

READ, WRITE = Action.READ, Action.WRITE
ANN, BOB = b"ann", b"bob"
GRANT = Grant("ann", "1/abc", frozenset({READ}))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_grant_is_found_for_all_below_until_it_ends() -> None:
    clock = Clock()
    held = Kept(clock)
    held.add(ANN, GRANT, clock.now + 45)
    assert held.grant(ANN, "1/abc/artifacts/x", READ) is GRANT
    assert held.grant(ANN, "1/abc", READ) is GRANT
    assert held.grant(ANN, "1/abcd", READ) is None
    assert held.grant(ANN, "1", READ) is None
    assert held.grant(ANN, "1/abc/x", WRITE) is None
    assert held.grant(BOB, "1/abc/x", READ) is None
    clock.now += 45
    assert held.grant(ANN, "1/abc", READ) is None


def test_a_grant_on_everything_is_found_for_every_path() -> None:
    clock = Clock()
    held = Kept(clock)
    held.add(ANN, Grant("ann", "", frozenset({READ})), clock.now + 45)
    assert held.grant(ANN, "", READ)
    assert held.grant(ANN, "a/b/c", READ)


def test_an_exact_grant_is_found_for_its_path_alone() -> None:
    clock = Clock()
    held = Kept(clock)
    held.add(ANN, Grant("ann", "1", frozenset({READ}), exact=True), clock.now + 45)
    assert held.grant(ANN, "1", READ)
    assert held.grant(ANN, "1/x", READ) is None


def test_a_refusal_is_kept_for_seconds_and_for_its_path_alone() -> None:
    clock = Clock()
    held = Kept(clock)
    held.refuse(ANN, "1/x", READ, PermissionDenied("no"))
    assert held.refusal(ANN, "1/x", READ)
    assert held.refusal(ANN, "1/y", READ) is None
    assert held.refusal(ANN, "1/x", WRITE) is None
    assert held.refusal(BOB, "1/x", READ) is None
    clock.now += REFUSED_SECONDS
    assert held.refusal(ANN, "1/x", READ) is None


def test_a_refusal_of_credentials_is_kept_for_all_paths() -> None:
    held = Kept(Clock())
    held.refuse(ANN, "1/x", READ, Unauthenticated("who?"))
    assert held.refusal(ANN, "2/y", WRITE)
    assert held.refusal(BOB, "1/x", READ) is None


def test_the_oldest_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST", 3)
    clock = Clock()
    held = Kept(clock)
    for number in range(5):
        held.add(ANN, Grant("ann", str(number), frozenset({READ})), clock.now + 45)
        held.refuse(ANN, str(number), READ, PermissionDenied("no"))
    assert [bool(held.grant(ANN, str(number), READ)) for number in range(5)] == [
        False, False, True, True, True,
    ]  # fmt: skip
    assert not held.refusal(ANN, "1", READ)
    assert held.refusal(ANN, "4", READ)


def test_what_no_longer_counts_goes_before_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST", 2)
    clock = Clock()
    held = Kept(clock)
    held.add(ANN, Grant("ann", "1", frozenset({READ})), clock.now + 45)
    held.add(ANN, Grant("ann", "2", frozenset({READ})), clock.now + 1)
    clock.now += 2
    held.add(ANN, Grant("ann", "3", frozenset({READ})), clock.now + 45)
    assert held.grant(ANN, "1", READ)
    assert held.grant(ANN, "3", READ)

"""One token for many connections, and another in time."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from tandem_metadata.database.login.tokens import LoginFailed, Token, TokenCache


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Cloud:
    """Gives tokens of ten minutes, numbered; None of them while it fails."""

    refused = "Look"

    def __init__(self) -> None:
        self.seconds = 600.0
        self.fetched = 0
        self.fails = False
        self.gate: threading.Event | None = None
        self.asked = threading.Event()

    def fetch(self) -> Token:
        self.fetched += 1
        self.asked.set()
        if self.gate:
            assert self.gate.wait(20)
        if self.fails:
            raise LoginFailed("The cloud is away")
        return Token(f"token {self.fetched}", self.seconds)


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(cloud: Cloud, clock: Clock) -> TokenCache:
    return TokenCache(cloud, clock)


def test_a_token_is_given_again_until_it_has_to_be_renewed(
    cache: TokenCache, cloud: Cloud, clock: Clock
) -> None:
    given = []
    for _ in range(5):
        given.append(cache.get())
        clock.now += 100
    assert given == ["token 1"] * 5
    assert cache.get() == "token 2"
    assert cloud.fetched == 2


def test_a_token_is_never_given_in_its_last_minute(
    cache: TokenCache, cloud: Cloud, clock: Clock
) -> None:
    cache.get()
    cloud.fails = True
    clock.now += 539
    assert cache.get() == "token 1"
    clock.now += 1
    with pytest.raises(LoginFailed, match="The cloud is away"):
        cache.get()


@pytest.mark.parametrize("seconds", [0.0, 4.0, 100.0])
def test_a_token_of_less_than_two_minutes_is_given_for_half_of_them(
    cache: TokenCache, cloud: Cloud, clock: Clock, seconds: float
) -> None:
    cloud.seconds = seconds
    assert cache.get() == "token 1"
    cloud.fails = True
    clock.now += seconds / 2 - 0.001
    if seconds:
        assert cache.get() == "token 1"
    clock.now += 0.001
    with pytest.raises(LoginFailed):
        cache.get()


def test_a_cloud_that_answers_again_is_asked_again(
    cache: TokenCache, cloud: Cloud, clock: Clock
) -> None:
    cloud.fails = True
    for _ in range(2):
        clock.now += 1
        with pytest.raises(LoginFailed):
            cache.get()
    cloud.fails = False
    clock.now += 1
    assert cache.get() == "token 3"


def test_a_refused_token_is_not_given_again(cache: TokenCache) -> None:
    first = cache.get()
    cache.forget(first)
    second = cache.get()
    assert second == "token 2"
    cache.forget(first)  # another connection's, refused late
    assert cache.get() == second


def test_another_program_gets_a_token_of_just_now(cache: TokenCache, clock: Clock) -> None:
    cache.get()
    assert cache.renew() == "token 2"
    assert cache.get() == "token 2"


@pytest.mark.parametrize("fails", [False, True])
def test_connections_at_once_wait_for_one_fetch(
    cache: TokenCache, cloud: Cloud, fails: bool
) -> None:
    cloud.gate = threading.Event()
    cloud.fails = fails
    given: list[str] = []

    def get() -> None:
        try:
            given.append(cache.get())
        except LoginFailed as error:
            given.append(str(error))

    with _threads(get, 8):
        assert cloud.asked.wait(20)
        cloud.gate.set()
    assert given == ["The cloud is away" if fails else "token 1"] * 8
    assert cloud.fetched == 1


def test_while_one_thread_renews_the_others_take_the_last_token(
    cache: TokenCache, cloud: Cloud, clock: Clock
) -> None:
    cache.get()
    clock.now += 450
    cloud.gate = threading.Event()
    cloud.asked.clear()
    renewed: list[str] = []
    with _threads(lambda: renewed.append(cache.get()), 1):
        assert cloud.asked.wait(20)
        assert cache.get() == "token 1"
        cloud.gate.set()
    assert renewed == ["token 2"]


@contextlib.contextmanager
def _threads(work: Callable[[], object], number: int) -> Iterator[None]:
    """Threads that do the work, and have done it at the end."""
    threads = [threading.Thread(target=work) for _ in range(number)]
    for each in threads:
        each.start()
    yield
    for each in threads:
        each.join(20)
        assert not each.is_alive()


def test_neither_errors_nor_texts_of_tokens_show_the_secret() -> None:
    assert "secret" not in repr(Token("secret", 1))

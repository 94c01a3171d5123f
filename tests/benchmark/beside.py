"""What goes on beside a load: some clients read while others log."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

RATE = 20
"""Metrics a second: a commit, and so another state of the database, every 50 ms."""


@contextmanager
def repeated(write: Callable[[int], None], rate: int = RATE) -> Iterator[None]:
    """Call `write` so many times a second, with counting numbers; never two at once.

    Raises at the end what it raised, and RuntimeError when it was never done.
    """
    over = threading.Event()
    errors: list[Exception] = []
    done = 0

    def work() -> None:
        nonlocal done
        try:
            while not over.wait(1 / rate):
                write(done)
                done += 1
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if errors:
        raise errors[0]
    if not done:
        raise RuntimeError("nothing was written beside the load")

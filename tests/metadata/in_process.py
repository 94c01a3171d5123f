"""Clients of the service's routes inside the test: entered when they are made, left at its end."""

import contextlib
import threading
from collections.abc import Iterable, Iterator

from starlette.testclient import TestClient

from tandem_metadata.routes.endpoint import Context
from tandem_shared.http.router import Route, Router

_THREADS = (
    *("database_", "writer_", "traces_", "run_", "pages_", "background_", "export_", "passwords_"),
)
_entered: list[contextlib.ExitStack] = []


def client(context: Context, routes: Iterable[Route]) -> TestClient:
    """A client of routes over a context, whose threads end with the test."""
    router = Router(routes, lifespan=lambda: context)
    return enter(TestClient(router))


def enter(client: TestClient) -> TestClient:
    """The client, entered now and left at the end of the test."""
    return _entered[-1].enter_context(client)


@contextlib.contextmanager
def leaving() -> Iterator[None]:
    """Leave the clients that were made within; fails if threads of the service are left then.

    Within another, those may be the outer one's, which looks itself.
    """
    before = set(threading.enumerate())
    with contextlib.ExitStack() as stack:
        _entered.append(stack)
        yield
    _entered.pop()
    if _entered:
        return
    new = set(threading.enumerate()) - before
    left = [each for each in new if each.name.startswith(_THREADS)]
    for thread in left:
        thread.join(30)  # on a busy machine a refused wait for a lock ends late
    assert not [each for each in left if each.is_alive()]

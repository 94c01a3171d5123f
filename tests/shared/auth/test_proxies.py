"""Whose header is believed that names a user."""

import pytest
from starlette.types import Scope

from tandem_shared.auth.proxies import Proxies
from tandem_shared.errors import Unauthenticated

TRUSTED = "10.0.0.5"


def _scope(client: str | None, *values: bytes) -> Scope:
    return {
        "client": (client, 1) if client else None,
        "headers": [(b"x-forwarded-user", value) for value in values],
    }


PROXIES = Proxies("X-Forwarded-User", ["10.0.0.0/24", "fd00::/8"])


@pytest.mark.parametrize("client", [TRUSTED, "fd00::1", "::ffff:10.0.0.5"])
def test_a_trusted_proxy_is_believed(client: str) -> None:
    assert PROXIES.told(_scope(client, b" ann ")) == b"ann"


def test_without_the_header_nothing_is_told() -> None:
    assert PROXIES.told(_scope(TRUSTED, b"")) is None
    assert PROXIES.told(_scope(TRUSTED, b" ")) is None
    assert PROXIES.told(_scope(TRUSTED)) is None
    assert PROXIES.told(_scope("192.0.2.1")) is None


@pytest.mark.parametrize("client", ["10.0.1.5", "::1", "/run/tandem.sock", None])
def test_the_header_of_anybody_else_is_refused(client: str | None) -> None:
    with pytest.raises(Unauthenticated, match="does not come from one"):
        PROXIES.told(_scope(client, b"admin"))


def test_who_has_proven_to_be_a_proxy_is_believed_wherever_he_is() -> None:
    assert PROXIES.told(_scope("192.0.2.1", b"ann"), trusted=True) == b"ann"


def test_two_headers_are_refused() -> None:
    with pytest.raises(Unauthenticated, match="several times"):
        PROXIES.told(_scope(TRUSTED, b"ann", b"admin"))
    with pytest.raises(Unauthenticated, match="several times"):
        PROXIES.told(_scope(TRUSTED, b"", b"admin"))

"""By what requests to the artifacts service prove their sender."""

import ssl
from typing import Any

import pytest
from starlette.types import Scope

from tandem_artifacts.access.proof import AUTHORIZATION, Proof, Proofs
from tandem_artifacts.settings import Settings
from tandem_shared.auth.settings import CERTIFICATE_HEADER
from tandem_shared.errors import Unauthenticated
from tandem_shared.settings import SettingsError

TRUSTED = "10.0.0.5"
CERTIFICATE = ssl.DER_cert_to_PEM_cert(b"nobody reads it here")
ASKING = {"auth": "metadata", "metadata_url": "https://tandem-metadata:5000"}
PROXY = {"auth_proxy_header": "X-User", "auth_trusted_proxies": (TRUSTED,)}
CERTIFIED = {"auth_certificates": True, "tls_cert": "x", "tls_client_ca": "x", "metadata_cert": "x"}


def _scope(client: str = TRUSTED, certificate: str | None = None, **headers: str) -> Scope:
    scope: Scope = {"type": "http", "client": (client, 1)}
    scope["headers"] = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, value in headers.items()
    ]
    if certificate:
        scope["extensions"] = {"tls": {"client_cert_chain": [certificate]}}
    return scope


def _proofs(**changes: Any) -> Proofs:
    settings = Settings(**{**ASKING, **changes})
    settings.check()
    return Proofs(settings)


def test_nothing_but_credentials_counts_unless_settings_say_so() -> None:
    proofs = _proofs()
    assert proofs.of(_scope(certificate=CERTIFICATE, x_user="ann")) is None
    found = proofs.of(_scope(authorization="Bearer é"))
    assert found == Proof(AUTHORIZATION, "Bearer é")
    assert not found.by_itself
    with pytest.raises(Unauthenticated):
        proofs.of(_scope(authorization="Negotiate x"))


@pytest.mark.parametrize("flag", ["auth_proxy_header", "auth_certificate_header"])
def test_a_trusted_proxys_header_goes_on_as_it_is(flag: str) -> None:
    proofs = _proofs(**{flag: "X-User", "auth_trusted_proxies": (TRUSTED,)})
    found = proofs.of(_scope(x_user="jürgen", authorization="Bearer x"))
    assert found == Proof("X-User", "jürgen")
    assert found.by_itself
    assert proofs.of(_scope(authorization="Bearer x")) == Proof(AUTHORIZATION, "Bearer x")
    assert proofs.of(_scope(x_user="")) is None
    with pytest.raises(Unauthenticated, match="does not come from one"):
        proofs.of(_scope("10.0.0.6", x_user="ann", authorization="Bearer x"))


def test_a_connections_certificate_goes_on_where_a_request_says_nothing() -> None:
    proofs = _proofs(**CERTIFIED)
    found = proofs.of(_scope(certificate=CERTIFICATE))
    assert found == Proof(CERTIFICATE_HEADER, "bm9ib2R5IHJlYWRzIGl0IGhlcmU=")
    assert found.by_itself
    said = _scope(certificate=CERTIFICATE, authorization="Bearer x")
    assert proofs.of(said) == Proof(AUTHORIZATION, "Bearer x")
    assert proofs.of(_scope()) is None
    # What only the artifacts service may say, no client does.
    assert proofs.of(_scope(**{CERTIFICATE_HEADER: "x"})) is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"auth": "none", "metadata_url": None, **PROXY}, "is for --auth metadata"),
        ({"auth": "none", "metadata_url": None, "auth_certificates": True}, "is for --auth meta"),
        ({**PROXY, "auth_trusted_proxies": None}, "needs --auth-proxy-header"),
        ({**PROXY, "auth_proxy_header": None}, "needs --auth-proxy-header"),
        ({**PROXY, "auth_proxy_header": "Host"}, "must be the name of a header"),
        ({**PROXY, "auth_trusted_proxies": ("all",)}, "must hold addresses and networks"),
        ({**CERTIFIED, "tls_client_ca": None}, "--auth-certificates needs --tls-client-ca"),
        ({**CERTIFIED, "metadata_cert": None}, "--auth-certificates needs --tls-client-ca"),
        ({**CERTIFIED, "metadata_url": "http://tandem-metadata:5000"}, "of https"),
    ],
)
def test_settings_that_would_trust_too_many_or_nobody_are_refused(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        _proofs(**changes)

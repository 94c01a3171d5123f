"""Users for whom a proxy, a certificate or the artifacts service vouches.

Connections are told as `tls.scope` does; tests/system/test_client_certificates.py has real ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from tandem_metadata.access.vouched import GRANTS, Vouching
from tandem_metadata.app import create_app
from tandem_metadata.settings import Settings
from tandem_shared.auth.certificates import as_header
from tandem_shared.auth.settings import CERTIFICATE_HEADER
from tandem_shared.errors import Unauthenticated
from tandem_shared.settings import SettingsError
from tests.harness.certificates import Authority
from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import ADMIN, PASSWORD, basic

pytestmark = only_sqlite

TRUSTED = "10.0.0.5"
ARTIFACTS = "tandem-artifacts.ns.svc"
_ONE = "/api/2.0/mlflow/experiments/get?experiment_id=0"
_CREATE = "/api/2.0/mlflow/experiments/create"
PROXY = {"auth": "proxy", "auth_proxy_header": "X-User", "auth_trusted_proxies": (TRUSTED,)}
CERTIFIED = {"auth_certificate_user": "cn", "tls_cert": "x", "tls_client_ca": "x"}
FROM_ARTIFACTS = {"auth_artifacts_certificates": (ARTIFACTS,)}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Certificates by their common name."""
    authority = Authority.create(tmp_path_factory.mktemp("certificates"))
    names = (ADMIN, "mallory", ARTIFACTS)
    return {name: Path(authority.issue(name, [name])[0]).read_text() for name in names}


@contextmanager
def serving(
    settings: Settings, client: str = TRUSTED, presented: str | None = None, **changes: Any
) -> Iterator[TestClient]:
    """The service, for requests of a connection from an address, with a certificate."""
    app = create_app(replace(settings, **changes))
    wrapped = app if presented is None else _certified(app, presented)
    with TestClient(wrapped, base_url="http://localhost", client=(client, 1)) as opened:
        yield opened


def _certified(app: ASGIApp, certificate: str) -> ASGIApp:
    async def with_certificate(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["extensions"] = {"tls": {"client_cert_chain": [certificate]}}
        await app(scope, receive, send)

    return with_certificate


def _status(http: TestClient, **headers: str) -> int:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.get(_ONE, headers=given).status_code


def test_the_user_of_a_proxys_header_is_let_in(guarded_settings: Settings) -> None:
    with serving(guarded_settings, **PROXY) as http:
        assert _status(http, X_User=f" {ADMIN} ") == 200
        assert _status(http) == 401
        assert http.get(_ONE, headers=basic(ADMIN)).status_code == 200
        # A proxy says that it knows nobody: there are other ways.
        assert _status(http, X_User="") == 401
        assert http.get(_ONE, headers={**basic(ADMIN), "X-User": ""}).status_code == 200


@pytest.mark.parametrize("name", [b"\xff", b"a\tb", b"a" * 256])
def test_a_header_that_names_no_user_is_refused(guarded_settings: Settings, name: bytes) -> None:
    scope = {"type": "http", "client": (TRUSTED, 1), "headers": [(b"x-user", name)]}
    with pytest.raises(Unauthenticated, match="holds no name of a user"):
        Vouching(replace(guarded_settings, **PROXY)).by_header(scope)


def test_a_user_who_is_not_known_here_is_refused_by_name(
    guarded_settings: Settings, certificates: dict[str, str]
) -> None:
    with serving(guarded_settings, **PROXY) as http:
        answer = http.get(_ONE, headers={"X-User": "mallory"})
        assert answer.status_code == 401
        assert "The proxy vouches for 'mallory', who is no user" in answer.json()["message"]
    with serving(guarded_settings, presented=certificates["mallory"], **CERTIFIED) as http:
        answer = http.get(_ONE)
        assert answer.status_code == 401
        assert "certificate vouches for 'mallory', who is no user" in answer.json()["message"]


def test_the_user_of_a_connections_certificate_is_let_in(
    guarded_settings: Settings, certificates: dict[str, str]
) -> None:
    with serving(guarded_settings, presented=certificates[ADMIN], **CERTIFIED) as http:
        assert _status(http) == 200
    with serving(guarded_settings, **CERTIFIED) as http:  # --tls-client-auth optional
        assert _status(http) == 401


def test_a_certificate_is_nobodys_unless_the_settings_say_whose(
    guarded_settings: Settings, certificates: dict[str, str]
) -> None:
    with serving(guarded_settings, presented=certificates[ADMIN]) as http:
        assert _status(http) == 401


def test_what_a_request_says_goes_before_its_connections_certificate(
    guarded_settings: Settings, certificates: dict[str, str]
) -> None:
    """A proxy's connections have the certificate of the proxy, whoever sends the request."""
    with serving(guarded_settings, presented=certificates["mallory"], **CERTIFIED) as http:
        assert http.get(_ONE, headers=basic(ADMIN)).status_code == 200
    with serving(guarded_settings, presented=certificates[ADMIN], **CERTIFIED) as http:
        assert http.get(_ONE, headers=basic(ADMIN, "wrong " + PASSWORD)).status_code == 401
        assert http.get(_ONE, headers={"Authorization": "Bearer nothing"}).status_code == 401


def test_a_proxy_passes_certificates_on(
    guarded_settings: Settings, certificates: dict[str, str]
) -> None:
    passed = {
        **PROXY,
        "auth_proxy_header": None,
        "auth_certificate_header": "X-Cert",
        "auth_certificate_user": "cn",
    }
    own = certificates[ADMIN]
    with serving(guarded_settings, presented=own, **passed) as http:
        assert _status(http, X_Cert=as_header(certificates[ADMIN])) == 200
        assert _status(http, X_Cert=as_header(certificates["mallory"])) == 401
        assert _status(http, X_Cert=ADMIN) == 401
        assert _status(http) == 401  # the connection is the proxy's
    with serving(guarded_settings, "10.0.0.6", **passed) as http:
        assert _status(http, X_Cert=as_header(certificates[ADMIN])) == 401


@pytest.mark.parametrize("by", ["certificate", "proxy"])
def test_pages_of_other_services_change_nothing_by_what_browsers_bring_along(
    guarded_settings: Settings, certificates: dict[str, str], by: str
) -> None:
    """Browsers present certificates, and get through proxies, whatever page makes a request."""
    changes: dict[str, Any] = CERTIFIED if by == "certificate" else PROXY
    presented = certificates[ADMIN] if by == "certificate" else None
    user = {} if by == "certificate" else {"X-User": ADMIN}
    with serving(guarded_settings, presented=presented, **changes) as http:
        for number, (headers, status) in enumerate(
            (
                ({}, 200),  # a program
                ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
                ({"Sec-Fetch-Site": "same-origin"}, 200),
                ({"Origin": "https://evil.example.com"}, 403),
                ({"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"}, 403),
                ({"Origin": "null"}, 403),
                ({"Sec-Fetch-Site": "cross-site"}, 403),
                ({"Sec-Fetch-Site": "same-site"}, 403),
                ({"Sec-Fetch-Site": "none"}, 403),
            )
        ):
            answer = http.post(_CREATE, json={"name": str(number)}, headers={**user, **headers})
            assert (headers, answer.status_code) == (headers, status)


def _ask(http: TestClient, **headers: str) -> tuple[int, str]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = http.post(GRANTS, json={"path": "0/x", "action": "read"}, headers=given)
    return answer.status_code, answer.text


def test_the_artifacts_service_asks_for_the_user_of_a_certificate(
    guarded_settings: Settings, certificates: dict[str, str]
) -> None:
    own, of_admin = certificates[ARTIFACTS], as_header(certificates[ADMIN])
    changes: dict[str, Any] = CERTIFIED | FROM_ARTIFACTS
    with serving(guarded_settings, presented=own, **changes) as http:
        assert _ask(http, X_Tandem_Client_Cert=of_admin)[0] == 200
        status, told = _ask(http, X_Tandem_Client_Cert=as_header(certificates["mallory"]))
        assert status == 401
        assert "'mallory', who is no user here" in told
        assert _ask(http)[0] == 401
        # It is believed where it asks what a user may do, and nowhere else.
        assert _status(http, X_Tandem_Client_Cert=of_admin) == 401
        two = [(CERTIFICATE_HEADER, of_admin), (CERTIFICATE_HEADER, of_admin)]
        assert http.post(GRANTS, json={"action": "read"}, headers=two).status_code == 401


@pytest.mark.parametrize("presented", [None, ADMIN, "mallory"])
@pytest.mark.parametrize("named", [True, False])
def test_nobody_else_is_believed_who_a_user_is(
    guarded_settings: Settings, certificates: dict[str, str], presented: str | None, named: bool
) -> None:
    """Not even by his own certificate, once he says that he asks for another one."""
    changes: dict[str, Any] = CERTIFIED | (FROM_ARTIFACTS if named else {})
    own = certificates[presented] if presented else None
    with serving(guarded_settings, presented=own, **changes) as http:
        for headers in ({}, basic(ADMIN)):
            given = {**headers, CERTIFICATE_HEADER: as_header(certificates[ADMIN])}
            status, told = _ask(http, **given)
            assert status == 401
            assert "is believed of artifacts services alone" in told


def test_artifacts_asking_never_counts_as_a_user_of_its_own(
    guarded_settings: Settings, certificates: dict[str, str]
) -> None:
    """A set-up in which the two services do not agree opens nothing."""
    with serving(guarded_settings, presented=certificates[ADMIN], **CERTIFIED) as http:
        assert _status(http) == 200
        assert _ask(http)[0] == 401


def test_the_artifacts_service_passes_a_proxys_header_on(
    guarded_settings: Settings, certificates: dict[str, str]
) -> None:
    """From a trusted address, or with a certificate that is named."""
    elsewhere = "10.0.0.6"
    with serving(guarded_settings, **PROXY) as http:
        assert _ask(http, X_User=ADMIN)[0] == 200
    with serving(guarded_settings, elsewhere, **PROXY) as http:
        assert _ask(http, X_User=ADMIN)[0] == 401
    named: dict[str, Any] = {**PROXY, **FROM_ARTIFACTS, "tls_cert": "x", "tls_client_ca": "x"}
    with serving(guarded_settings, elsewhere, certificates[ARTIFACTS], **named) as http:
        assert _ask(http, X_User=ADMIN)[0] == 200
        assert _status(http, X_User=ADMIN) == 401
    with serving(guarded_settings, elsewhere, certificates["mallory"], **named) as http:
        assert _ask(http, X_User=ADMIN)[0] == 401


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"auth_proxy_header": None}, "--auth proxy needs --auth-proxy-header"),
        ({"auth_trusted_proxies": None}, "--auth proxy needs --auth-proxy-header"),
        ({"auth_proxy_header": "Authorization"}, "--auth-proxy-header must be the name"),
        ({"auth_proxy_header": CERTIFICATE_HEADER}, "--auth-proxy-header must be the name"),
        ({"auth_proxy_header": "Content-Type"}, "--auth-proxy-header must be the name"),
        ({"auth_proxy_header": "X Y"}, "--auth-proxy-header must be the name"),
        ({"auth_trusted_proxies": ("10.0.0.5/8",)}, "has host bits set"),
        ({"auth_trusted_proxies": ("everyone",)}, "must hold addresses and networks"),
        ({"auth_certificate_header": "X-Cert"}, "both name the user"),
        (
            {"auth_proxy_header": None, "auth_certificate_header": "X-Cert"},
            "--auth-certificate-header needs --auth-certificate-user",
        ),
        (
            {"auth_proxy_header": None, "auth_certificate_header": "Cookie"},
            "--auth-certificate-header must be the name",
        ),
        ({"auth": "basic", "auth_certificate_header": "X-Cert"}, "is for --auth proxy"),
        ({"auth_certificate_user": "dn"}, "must be one of cn, san-uri, san-email, not 'dn'"),
        ({"auth_certificate_user": "cn"}, "needs --tls-client-ca"),
        (
            {"auth": "none", **CERTIFIED},
            "--auth-certificate-user needs --auth basic, oidc or proxy",
        ),
        (FROM_ARTIFACTS, "--auth-artifacts-certificates needs --auth and --tls-client-ca"),
    ],
)
def test_settings_that_would_trust_too_many_or_nobody_are_refused(
    guarded_settings: Settings, changes: dict[str, Any], sentence: str
) -> None:
    wrong = replace(guarded_settings, **{**PROXY, **changes})
    with pytest.raises(SettingsError, match=sentence):
        wrong.check()

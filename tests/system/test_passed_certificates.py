"""Certificates of clients in the headers of real proxies: Traefik's and Caddy's own forms.

tests/system/test_guarded_by_proxy.py has nginx's, at both services.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
import requests

from tandem_shared.auth.certificates import as_header
from tests import debian
from tests.harness import traefik
from tests.harness.certificates import HERE, Authority
from tests.harness.processes import environment, free_port, running
from tests.system import services, teams

HEADERS = {"traefik": "X-Forwarded-Tls-Client-Cert", "caddy": "X-Client-Cert"}
_CADDYFILE = """
{{
    admin off
    auto_https off
}}
https://localhost:{port} {{
    tls "{folder}/proxy.pem" "{folder}/proxy.key" {{
        client_auth {{
            mode verify_if_given
            trusted_ca_cert_file "{folder}/authority.pem"
        }}
    }}
    reverse_proxy {to} {{
        header_up X-Client-Cert {{http.request.tls.client.certificate_der_base64}}
    }}
}}
"""


class Proxy(Protocol):
    def __call__(self, folder: Path, port: int, to: str) -> AbstractContextManager[None]: ...


def _is_there(folder: Path, port: int) -> bool:
    session = requests.Session()
    session.trust_env = False
    try:
        health = session.get(
            f"https://localhost:{port}/health", verify=str(folder / "authority.pem"), timeout=5
        )
    except requests.ConnectionError:
        return False
    return health.status_code == 200


def _traefik(folder: Path, port: int, to: str) -> AbstractContextManager[None]:
    files = {"certFile": str(folder / "proxy.pem"), "keyFile": str(folder / "proxy.key")}
    asking = {
        "caFiles": [str(folder / "authority.pem")],
        "clientAuthType": "VerifyClientCertIfGiven",
    }
    routes = {
        "http": {
            "routers": {
                "all": {
                    "rule": "PathPrefix(`/`)",
                    "service": "metadata",
                    "middlewares": ["certificate"],
                    "tls": {},
                }
            },
            "middlewares": {"certificate": {"passTLSClientCert": {"pem": True}}},
            "services": {"metadata": {"loadBalancer": {"servers": [{"url": to}]}}},
        },
        "tls": {
            "options": {"default": {"clientAuth": asking}},
            "stores": {"default": {"defaultCertificate": files}},
        },
    }
    traefik.write_routes(folder, routes)
    options = [f"--entrypoints.web.address=127.0.0.1:{port}"]
    return traefik.serve(folder, options, lambda: _is_there(folder, port))


@contextmanager
def _caddy(folder: Path, port: int, to: str) -> Iterator[None]:
    configuration = folder / "Caddyfile"
    configuration.write_text(_CADDYFILE.format(folder=folder, port=port, to=to))
    program = debian.find("caddy", "caddy")
    command = [program, "run", "--adapter", "caddyfile", "--config", str(configuration)]
    variables = environment(XDG_DATA_HOME=str(folder), HOME=str(folder))
    ready = lambda: _is_there(folder, port)  # noqa: E731
    with running(command, folder / "caddy.log", ready, env=variables):
        yield


PROXIES: dict[str, Proxy] = {"traefik": _traefik, "caddy": _caddy}


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_passes_on_whose_certificate_it_has_verified(proxy: str, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    authority.issue("proxy", HERE)
    ann = authority.issue("ann", ["ann"])
    header, database = HEADERS[proxy], f"sqlite:///{tmp_path / 'mlflow.db'}"
    flags = ["--auth", "proxy", "--auth-certificate-header", header]
    flags += ["--auth-certificate-user", "cn", "--auth-trusted-proxies", "127.0.0.1"]
    port = free_port()
    with (
        services.metadata_service(
            tmp_path, database, "mlflow-artifacts://127.0.0.1:1/", *flags, variables=services.ADMIN
        ) as metadata,
        PROXIES[proxy](tmp_path, port, metadata.url),
    ):
        user = teams.add_user(database, "ann")
        session = requests.Session()
        session.trust_env, session.verify = False, str(authority.certificate)
        url = f"https://localhost:{port}/api/2.0/mlflow/users/current"
        assert session.get(url, cert=ann).json()["user"]["username"] == "ann"
        # Neither his own header nor none makes a client somebody.
        told = {header: as_header(Path(ann[0]).read_text())}
        bob = authority.issue("bob", ["bob"])
        assert session.get(url).status_code == 401
        assert session.get(url, headers=told).status_code == 401
        assert "'bob'" in session.get(url, headers=told, cert=bob).json()["message"]
        # Without a certificate a token will do. Caddy then sends the name of its variable.
        answer = session.get(url, headers={"Authorization": user.bearer})
        assert answer.status_code == (200 if proxy == "traefik" else 401)

"""Both services behind an nginx that authenticates: by passwords of its own, or by certificates.

nginx calls them from an address of its own, as a proxy on another machine does: the services trust
it alone, and metadata the artifacts service.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tandem_shared.auth.certificates import as_header
from tests.harness import nginx
from tests.harness.certificates import HERE, Authority
from tests.harness.processes import Process, environment, free_port, running
from tests.system import services, stock_clients, teams
from tests.system.teams import ARTIFACTS

PROXY, HERE_ALONE = "127.0.0.2", "127.0.0.1"
USERS = ("ann", "bob")
REFUSED = "403|[Pp]ermission"
_BASIC = 'auth_basic tandem; auth_basic_user_file "{folder}/users";'
_TLS = """
    ssl_certificate "{folder}/nginx.pem"; ssl_certificate_key "{folder}/nginx.key";
    ssl_client_certificate "{folder}/authority.pem"; ssl_verify_client optional;
"""
_SERVER = """
server {{
    listen 127.0.0.1:{port} ssl;
    {authentication}
    location / {{
        proxy_pass {to};
        proxy_bind 127.0.0.2;
        proxy_set_header Host $http_host;
        proxy_set_header {header};
        proxy_set_header Authorization {authorization};
    }}
}}
"""


@dataclass
class Edge:
    """Both services, their addresses behind nginx, and how its users prove themselves there."""

    by: str
    metadata: Process
    artifacts: Process
    urls: dict[str, str]
    """Of nginx, by service."""
    authority: Authority

    @property
    def header(self) -> str:
        return "X-Forwarded-User" if self.by == "password" else "X-Client-Cert"

    def told(self, user: str) -> str:
        """What nginx puts into the header for a user."""
        if self.by == "password":
            return user
        return as_header(Path(self.authority.issue(f"{user}-told", [user])[0]).read_text())

    def session(self, user: str | None) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.authority.certificate)
        for name, value in self.environment(user).items():
            if name == "MLFLOW_TRACKING_CLIENT_CERT_PATH":
                session.cert = value
        if user and self.by == "password":
            session.auth = (user, f"{user} of nginx")
        return session

    def environment(self, user: str | None) -> dict[str, str]:
        """The variables of a stock client."""
        given = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(self.authority.certificate)}
        if user is None:
            return given
        if self.by == "password":
            password = f"{user} of nginx"
            return {
                **given,
                "MLFLOW_TRACKING_USERNAME": user,
                "MLFLOW_TRACKING_PASSWORD": password,
            }
        both = self.authority.directory / f"{user}-both.pem"
        if not both.exists():
            parts = self.authority.issue(user, [user])
            both.write_text("".join(Path(part).read_text() for part in parts))
        return {**given, "MLFLOW_TRACKING_CLIENT_CERT_PATH": str(both)}


def _servers(folder: Path, by: str, ports: dict[int, str]) -> str:
    if by == "password":
        lines = [f"{user}:{{PLAIN}}{user} of nginx\n" for user in USERS]
        (folder / "users").write_text("".join(lines))
    authentication = (_TLS + (_BASIC if by == "password" else "")).format(folder=folder)
    header = (
        "X-Forwarded-User $remote_user"
        if by == "password"
        else "X-Client-Cert $ssl_client_escaped_cert"
    )
    # Its own passwords are no business of the services; with certificates, tokens go through.
    authorization = '""' if by == "password" else "$http_authorization"
    return "".join(
        _SERVER.format(
            port=port,
            to=to,
            authentication=authentication,
            header=header,
            authorization=authorization,
        )
        for port, to in ports.items()
    )


@pytest.fixture(scope="module", params=["password", "certificate"])
def edge(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    by: str = request.param
    folder = tmp_path_factory.mktemp(by)
    authority = Authority.create(folder)
    authority.issue("nginx", HERE)
    if by == "password":
        header = ["--auth-proxy-header", "X-Forwarded-User"]
    else:
        header = ["--auth-certificate-header", "X-Client-Cert"]
    port, outer = free_port(), {"metadata": free_port(), "artifacts": free_port()}
    urls = {name: f"https://127.0.0.1:{number}" for name, number in outer.items()}
    asking = ["--auth", "metadata", "--metadata-url", f"http://127.0.0.1:{port}", *header]
    database = f"sqlite:///{folder / 'mlflow.db'}"
    root = urls["artifacts"].replace("https://", "mlflow-artifacts://") + "/"
    flags = ["--auth", "proxy", *services.GUARDED[2:], *header]
    if by == "certificate":
        flags += ["--auth-certificate-user", "cn"]
    with (
        services.artifacts_service(
            folder, str(folder / "files"), *asking, "--auth-trusted-proxies", PROXY
        ) as artifacts,
        services.metadata_service(
            folder,
            database,
            root,
            *flags,
            "--artifacts-url",
            artifacts.url,
            # The artifacts service passes on what nginx has told it.
            "--auth-trusted-proxies",
            f"{PROXY},{HERE_ALONE}",
            variables=services.ADMIN,
            port=port,
        ) as metadata,
    ):
        for user in USERS:
            teams.add_user(database, user)
        to = {outer["metadata"]: metadata.url, outer["artifacts"]: artifacts.url}
        command = nginx.command(folder, _servers(folder, by, to))
        found = Edge(by, metadata, artifacts, urls, authority)

        def is_there() -> bool:
            session = found.session("ann")
            try:
                return session.get(f"{urls['artifacts']}/health", timeout=5).status_code == 200
            except requests.ConnectionError:
                return False

        with running(command, folder / "nginx.log", is_there, env=environment()):
            yield found


@pytest.fixture
def ann(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """The stock client of a user whom nginx knows."""
    given = {**edge.environment("ann"), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    with stock_clients.pointed_at(edge.urls["metadata"], monkeypatch, given) as client:
        yield client


@pytest.fixture
def secret(ann: MlflowClient) -> str:
    """The path of a file of ann's on the artifacts service."""
    return stock_clients.log_file(ann, "secret.txt", "ann's")


def test_a_stock_client_needs_nothing_but_what_the_proxy_asks_for(
    edge: Edge, ann: MlflowClient, secret: str
) -> None:
    run = secret.split("/")[1]
    assert [file.path for file in ann.list_artifacts(run)] == ["secret.txt"]
    assert mlflow.artifacts.load_text(f"runs:/{run}/secret.txt") == "ann's"


def test_each_user_of_the_proxy_may_do_what_is_granted_him(
    edge: Edge, ann: MlflowClient, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{edge.urls['artifacts']}/api/{ARTIFACTS}/{secret}"
    for user, status in (("ann", 200), ("bob", 403), (None, 401)):
        assert edge.session(user).get(url).status_code == status
    for name, value in edge.environment("bob").items():
        monkeypatch.setenv(name, value)
    host = edge.urls["artifacts"].removeprefix("https://")
    with pytest.raises((MlflowException, requests.HTTPError), match=REFUSED):
        mlflow.artifacts.load_text(f"mlflow-artifacts://{host}/{secret}")


def test_what_a_client_puts_into_the_header_is_replaced(edge: Edge, secret: str) -> None:
    headers = {edge.header: edge.told("ann")}
    for service, path in (
        ("artifacts", f"/api/{ARTIFACTS}/{secret}"),
        ("metadata", f"/api/2.0/mlflow/runs/get?run_id={secret.split('/')[1]}"),
    ):
        url = edge.urls[service] + path
        assert edge.session("ann").get(url, headers=headers).status_code == 200
        assert edge.session("bob").get(url, headers=headers).status_code == 403
        assert edge.session(None).get(url, headers=headers).status_code == 401


def test_who_comes_past_the_proxy_is_not_believed(edge: Edge, secret: str) -> None:
    url = f"{edge.artifacts.url}/api/{ARTIFACTS}/{secret}"
    answer = requests.get(url, headers={edge.header: edge.told("ann")}, timeout=20)
    assert answer.status_code == 401
    assert "--auth-trusted-proxies" in answer.json()["message"]


def test_pages_of_other_services_change_no_files(edge: Edge, secret: str) -> None:
    """Browsers get through the proxy by themselves, whatever page makes a request."""
    url = f"{edge.urls['artifacts']}/api/{ARTIFACTS}/{secret}"
    ann = edge.session("ann")
    own = {"Origin": edge.urls["artifacts"], "Sec-Fetch-Site": "same-origin"}
    assert ann.put(url, b"ann's", headers=own).status_code == 200
    for headers in (
        {"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert ann.put(url, b"taken", headers=headers).status_code == 403
        assert ann.delete(url, headers=headers).status_code == 403
    assert ann.get(url).content == b"ann's"


def test_an_artifacts_service_that_metadata_does_not_trust_opens_nothing(
    edge: Edge, tmp_path: Path
) -> None:
    """The set-up is at fault, which the log tells; nobody is told that he may not."""
    header = "--auth-proxy-header" if edge.by == "password" else "--auth-certificate-header"
    trusting = ["--auth", "proxy", "--auth-trusted-proxies", PROXY, header, edge.header]
    if edge.by == "certificate":
        trusting += ["--auth-certificate-user", "cn"]
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    root = "mlflow-artifacts://127.0.0.1:1/"
    with services.metadata_service(
        tmp_path, database, root, *trusting, variables=services.ADMIN
    ) as metadata:
        asking = ["--auth", "metadata", "--metadata-url", metadata.url, header, edge.header]
        asking += ["--auth-trusted-proxies", HERE_ALONE]
        with services.artifacts_service(tmp_path, str(tmp_path / "files"), *asking) as artifacts:
            answer = requests.get(
                f"{artifacts.url}/api/{ARTIFACTS}/0/x",
                headers={edge.header: edge.told("admin")},
                timeout=20,
            )
            assert answer.status_code == 503
            assert "--auth-trusted-proxies" in artifacts.output()

"""`--auth proxy`: users by a header of proxies that are trusted, and of nobody else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tandem_metadata.access.proxies import Proxies
from tandem_metadata.app import create_app
from tandem_metadata.settings import Settings
from tandem_shared.errors import Unauthenticated
from tandem_shared.settings import SettingsError

TRUSTED = "10.0.0.5"
_ONE = "/api/2.0/mlflow/experiments/get?experiment_id=0"


def _sender(client: str | None, *names: bytes) -> str | None:
    scope = {
        "client": (client, 1) if client else None,
        "headers": [(b"x-forwarded-user", name) for name in names],
    }
    return Proxies("X-Forwarded-User", ["10.0.0.0/24", "fd00::/8"]).sender(scope)


@pytest.mark.parametrize("client", [TRUSTED, "fd00::1", "::ffff:10.0.0.5"])
def test_a_trusted_proxy_names_the_user(client: str) -> None:
    assert _sender(client, b" ann ") == "ann"
    assert _sender(client, "jürgen".encode()) == "jürgen"


def test_without_the_header_there_is_no_user() -> None:
    assert _sender(TRUSTED) is None


@pytest.mark.parametrize("client", ["10.0.1.5", "::1", "/run/tandem.sock", None])
def test_the_header_of_anybody_else_is_refused(client: str | None) -> None:
    with pytest.raises(Unauthenticated, match="does not come from one"):
        _sender(client, b"admin")


@pytest.mark.parametrize(
    "names", [(b"ann", b"admin"), (b"",), (b"\xff",), (b"a\tb",), (b"a" * 256,)]
)
def test_a_header_that_names_no_single_user_is_refused(names: tuple[bytes, ...]) -> None:
    with pytest.raises(Unauthenticated):
        _sender(TRUSTED, *names)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(
        backend_store_uri=f"sqlite:///{tmp_path}/tandem.db",
        default_artifact_root="mlflow-artifacts://localhost/",
        auth="proxy",
        auth_proxy_header="X-Forwarded-User",
        auth_trusted_proxies=(TRUSTED,),
        auth_admin_password="correct horse battery",
    )
    app = create_app(settings)
    with TestClient(app, base_url="http://localhost", client=(TRUSTED, 1)) as opened:
        yield opened


def test_the_user_of_the_header_is_let_in(client: TestClient) -> None:
    assert client.get(_ONE, headers={"X-Forwarded-User": "admin"}).status_code == 200


def test_a_user_who_is_not_known_here_is_refused_by_name(client: TestClient) -> None:
    answer = client.get(_ONE, headers={"X-Forwarded-User": "mallory"})
    assert answer.status_code == 401
    assert "vouches for 'mallory', who is no user here" in answer.json()["message"]


def test_without_header_and_credentials_nobody_is_let_in(client: TestClient) -> None:
    assert client.get(_ONE).status_code == 401


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"auth_proxy_header": None}, "--auth proxy needs --auth-proxy-header"),
        ({"auth_trusted_proxies": None}, "--auth proxy needs --auth-proxy-header"),
        ({"auth_proxy_header": "Authorization"}, "must be the name of a header"),
        ({"auth_proxy_header": "X Y"}, "must be the name of a header"),
        ({"auth_trusted_proxies": ("10.0.0.5/8",)}, "has host bits set"),
        ({"auth_trusted_proxies": ("everyone",)}, "must hold addresses and networks"),
    ],
)
def test_settings_that_would_trust_too_many_are_refused(
    changes: dict[str, object], sentence: str
) -> None:
    given = {"auth": "proxy", "auth_proxy_header": "X-User", "auth_trusted_proxies": (TRUSTED,)}
    with pytest.raises(SettingsError, match=sentence):
        Settings(**{**given, **changes}).check()

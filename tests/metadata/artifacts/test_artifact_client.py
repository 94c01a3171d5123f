"""Which artifact locations the metadata service follows, and where they lead."""

import pytest

from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.settings import Settings
from tandem_metadata.ui.policy import content_security_policy
from tandem_shared.errors import InvalidParameter, PermissionDenied
from tandem_shared.settings import SettingsError

ROOT = "mlflow-artifacts://artifacts.example.com:5500/"


def client(**settings: object) -> ArtifactClient:
    return ArtifactClient(Settings(**{"default_artifact_root": ROOT, **settings}))


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        (
            "mlflow-artifacts:/1/r/artifacts",
            "http://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/f",
        ),
        (
            "mlflow-artifacts://Artifacts.example.com:5500/1",
            "http://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/1/f",
        ),
        (
            "mlflow-artifacts://artifacts.example.com:5500",
            "http://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/f",
        ),
        (
            "https://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/1",
            "https://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/1/f",
        ),
    ],
)
def test_a_location_leads_to_the_artifacts_service(uri: str, url: str) -> None:
    assert client().locate(uri).url("f") == url


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts://ARTIFACTS.Example.COM:5500/1",
        "MLFLOW-ARTIFACTS://artifacts.example.com:5500/1",
        "mlflow-artifacts://someone@artifacts.example.com:5500/1",
        "mlflow-artifacts://evil.example.com\\@artifacts.example.com:5500/1",
        "mlflow-artifacts://artifacts.example.com:05500/1",
        "mlflow-artifacts://art\tifacts.example.com:5500/1",
    ],
)
def test_a_location_takes_its_address_from_the_allow_list(uri: str) -> None:
    expected = "http://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/1/f"
    assert client().locate(uri).url("f") == expected


@pytest.mark.parametrize(
    ("allowed", "uri", "scheme"),
    [
        ("a.example.com", "mlflow-artifacts://a.example.com:443/1", "https"),
        ("a.example.com:443", "mlflow-artifacts://a.example.com/1", "https"),
        ("a.example.com:80", "mlflow-artifacts://a.example.com/1", "http"),
        ("[2001:DB8::1]:5500", "mlflow-artifacts://[2001:db8::1]:5500/1", "http"),
    ],
)
def test_the_allow_list_matches_with_and_without_the_default_port(
    allowed: str, uri: str, scheme: str
) -> None:
    location = client(artifact_hosts=(allowed,), artifacts_scheme=scheme).locate(uri)
    assert location.base.startswith(f"{scheme}://")


@pytest.mark.parametrize(
    ("given", "scheme"),
    [
        ({}, "http"),
        ({"tls_cert": "metadata.pem"}, "https"),
        ({"tls_cert": "metadata.pem", "artifacts_scheme": "http"}, "http"),
    ],
)
def test_artifacts_are_called_as_clients_call_them(given: dict[str, str], scheme: str) -> None:
    """They take the scheme of their tracking URI for the artifacts host too."""
    location = client(**given).locate("mlflow-artifacts:/1")
    assert location.base.startswith(f"{scheme}://artifacts.example.com:5500/")


def test_a_location_without_an_authority_is_a_path() -> None:
    url = client().locate("mlflow-artifacts:////evil.example.com/1").url("f")
    assert url.startswith("http://artifacts.example.com:5500/api/")


def test_artifact_names_are_percent_encoded_in_the_url() -> None:
    location = client().locate("mlflow-artifacts:/my%20root")
    assert location.url("a b/100%.txt").endswith("/my%20root/a%20b/100%25.txt")


def test_artifacts_url_replaces_the_default_host_only() -> None:
    internal = client(
        artifacts_url="http://tandem-artifacts:5500/",
        artifact_hosts=("artifacts.example.com:5500", "other.example.com"),
        artifacts_scheme="https",
    )
    assert internal.locate("mlflow-artifacts:/1").base.startswith(
        "http://tandem-artifacts:5500/api"
    )
    other = internal.locate("mlflow-artifacts://other.example.com/1")
    assert other.base.startswith("https://other.example.com/api")


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts://127.0.0.1:22/1",
        "mlflow-artifacts://artifacts.example.com/1",
        "mlflow-artifacts://artifacts.example.com:5500@evil.example.com/1",
        "mlflow-artifacts://evil.example.com:5500/1",
        "mlflow-artifacts://artifacts.example.com:5500.evil.example.com/1",
        "http://169.254.169.254/api/2.0/mlflow-artifacts/artifacts/1",
        "mlflow-artifacts://artifacts.example.com:port/1",
        "mlflow-artifacts://artifacts.example.com:55000/1",
        "mlflow-artifacts://artifacts.example.com:5500:80/1",
        "mlflow-artifacts://artifacts.example.com:99999/1",
        "mlflow-artifacts://artifacts.example.com.:5500/1",
        "mlflow-artifacts://artifacts.example.com%2eevil.example.com:5500/1",
        "mlflow-artifacts://artifacts.example.com%00.evil.example.com:5500/1",
        "mlflow-artifacts://artifacts。example。com:5500/1",
        "mlflow-artifacts://user:artifacts.example.com:5500@evil.example.com:5500/1",
        "mlflow-artifacts://artifacts.example.com:5500\\@evil.example.com:5500/1",
        "mlflow-artifacts://evil.example.com:5500\\artifacts.example.com:5500/1",
        "mlflow-artifacts://localhost:5500/1",
        "mlflow-artifacts://127.1:5500/1",
        "mlflow-artifacts://2130706433:5500/1",
        "mlflow-artifacts://0x7f000001:5500/1",
        "mlflow-artifacts://[::1]:5500/1",
        "mlflow-artifacts://[::ffff:127.0.0.1]:5500/1",
        "mlflow-artifacts://[::1%25lo]:5500/1",
        "https://evil.example.com/api/2.0/mlflow-artifacts/artifacts/1",
        "https://artifacts.example.com/api/2.0/mlflow-artifacts/artifacts/1",
    ],
)
def test_a_location_on_a_host_not_allowed_is_refused(uri: str) -> None:
    with pytest.raises(PermissionDenied, match="--artifact-hosts"):
        client().locate(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/1",
        "file:///etc",
        "/etc/passwd",
        "http://artifacts.example.com:5500/admin",
        "http://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifactsX/1",
    ],
)
def test_a_location_outside_artifacts_services_is_refused(uri: str) -> None:
    with pytest.raises(InvalidParameter, match="artifacts service"):
        client().locate(uri)


@pytest.mark.parametrize("path", ["../secret", "a/../../b", "%2e%2e/x", "/etc/passwd", "a//b"])
def test_an_artifact_path_stays_below_the_root(path: str) -> None:
    with pytest.raises(InvalidParameter):
        client().locate("mlflow-artifacts:/1").url(path)


@pytest.mark.parametrize("root", ["mlflow-artifacts:/1/../2", "mlflow-artifacts:/%2e%2e/2"])
def test_an_artifact_root_stays_below_the_destination(root: str) -> None:
    with pytest.raises(InvalidParameter):
        client().locate(root)


def test_a_location_without_a_host_needs_artifacts_url_only() -> None:
    one_host = {"default_artifact_root": "mlflow-artifacts:/", "artifacts_url": "http://a:5500/x"}
    location = client(**one_host).locate("mlflow-artifacts:/1")
    assert location.base == "http://a:5500/x/api/2.0/mlflow-artifacts/artifacts"
    for uri in ("mlflow-artifacts://a:5500/1", "mlflow-artifacts://@/1", "mlflow-artifacts://:0/1"):
        with pytest.raises(PermissionDenied):
            client(**one_host).locate(uri)
    with pytest.raises(PermissionDenied):
        client(default_artifact_root="mlflow-artifacts:/").locate("mlflow-artifacts:/1")


def test_static_prefix_is_part_of_artifact_urls_as_clients_send_it() -> None:
    """Clients prefix the tracking URI's path on the artifacts host too."""
    endpoint = "api/2.0/mlflow-artifacts/artifacts"
    host = "artifacts.example.com:5500"
    prefixed = client(static_prefix="/mlflow", artifact_hosts=(host, "other.example.com"))
    for uri, url in {
        "mlflow-artifacts:/1": f"http://{host}/mlflow/{endpoint}/1/f",
        f"{ROOT}1": f"http://{host}/mlflow/{endpoint}/1/f",
        "mlflow-artifacts://other.example.com/1": f"http://other.example.com/mlflow/{endpoint}/1/f",
        f"http://{host}/mlflow/{endpoint}/1": f"http://{host}/mlflow/{endpoint}/1/f",
        f"http://{host}/{endpoint}/1": f"http://{host}/{endpoint}/1/f",
    }.items():
        assert prefixed.locate(uri).url("f") == url
    with pytest.raises(InvalidParameter):
        prefixed.locate(f"http://{host}/other/{endpoint}/1")
    direct = client(static_prefix="/mlflow", artifacts_url="http://a:5500/mlflow")
    assert direct.locate("mlflow-artifacts:/1").url("f") == f"http://a:5500/mlflow/{endpoint}/1/f"


def test_a_bucket_as_default_root_allows_no_host() -> None:
    with pytest.raises(PermissionDenied):
        client(default_artifact_root="s3://bucket/").locate("mlflow-artifacts://bucket/1")


@pytest.mark.parametrize(
    ("to", "url"),
    [
        ("https://a.example.com/", "https://a.example.com/api/2.0/mlflow-artifacts/artifacts/1/f"),
        ("/", "/api/2.0/mlflow-artifacts/artifacts/1/f"),
        ("/below", "/below/api/2.0/mlflow-artifacts/artifacts/1/f"),
    ],
)
def test_browsers_are_redirected_for_the_default_host_only(to: str, url: str) -> None:
    hosts = ("artifacts.example.com:5500", "other.example.com")
    redirecting = client(redirect_artifacts_to=to, artifact_hosts=hosts)
    assert redirecting.locate("mlflow-artifacts:/1").redirect_url("f") == url
    assert redirecting.locate(f"{ROOT}1").redirect_url("f") == url
    other = redirecting.locate("mlflow-artifacts://other.example.com/1")
    assert other.redirect_url("f") is None
    assert client().locate("mlflow-artifacts:/1").redirect_url("f") is None


@pytest.mark.parametrize(
    ("to", "sources"),
    [
        ("https://a.example.com/x", "'self' blob: https://a.example.com"),
        ("/x", "'self' blob:"),
        (None, "'self' blob:"),
    ],
)
def test_the_uis_policy_allows_the_redirect_target(to: str | None, sources: str) -> None:
    policy = content_security_policy(Settings(redirect_artifacts_to=to)).split("; ")
    assert f"connect-src {sources}" in policy
    # Image grids load pictures from the redirect target directly.
    assert f"img-src {sources.replace('blob:', 'data: blob:')}" in policy
    assert sum("example.com" in directive for directive in policy) == 2 * ("example.com" in sources)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("redirect_artifacts_to", "artifacts.example.com"),
        ("redirect_artifacts_to", "//artifacts.example.com"),
        ("redirect_artifacts_to", "javascript:alert(1)"),
        ("redirect_artifacts_to", "https://a.example.com/?x=y"),
        ("redirect_artifacts_to", "https://user@a.example.com/"),
        ("artifact_hosts", ("http://a.example.com",)),
        ("artifact_hosts", ("a.example.com/x",)),
        ("artifact_hosts", ("*@a.example.com",)),
        ("artifact_hosts", ("a.example.com:port",)),
    ],
)
def test_artifact_settings_that_cannot_work_are_refused(setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        client(**{setting: value})


def test_an_empty_allow_list_refuses_every_host() -> None:
    with pytest.raises(PermissionDenied):
        client(artifact_hosts=()).locate("mlflow-artifacts:/1")

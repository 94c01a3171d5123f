"""The variables of Azure and Google, and those that are refused with a sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tandem_artifacts.drivers.azure import account_of, place
from tandem_artifacts.drivers.gcs import endpoint_of
from tandem_artifacts.drivers.open import open_driver
from tandem_shared.settings import SettingsError

KEY = "c2VjcmV0LWtleQ=="
HOST = "account.blob.core.windows.net"
AZURE = f"wasbs://container@{HOST}/prefix"
GOOGLE = "gs://bucket/prefix"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    foreign = ("AZURE_", "GOOGLE_", "MLFLOW_", "STORAGE_EMULATOR_HOST", "SSL_", "REQUESTS_")
    for name in [each for each in os.environ if each.startswith(foreign)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("destination", "found"),
    [
        (AZURE, (HOST, "container", "/prefix")),
        (
            "abfss://files@a.dfs.core.windows.net/a%20b/c",
            ("a.dfs.core.windows.net", "files", "/a b/c"),
        ),
        (
            "wasbs://$root@a.blob.core.windows.net/a%20b",
            ("a.blob.core.windows.net", "$root", "/a%20b"),
        ),
    ],
)
def test_uri_of_azure_names_host_container_and_prefix(
    destination: str, found: tuple[str, str, str]
) -> None:
    assert place(urlsplit(destination)) == found


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        (HOST, f"https://{HOST}"),
        ("account.dfs.core.windows.net", f"https://{HOST}"),
        ("account.dfs.core.usgovcloudapi.net", "https://account.blob.core.usgovcloudapi.net"),
        ("account.blob.core.chinacloudapi.cn", "https://account.blob.core.chinacloudapi.cn"),
        (
            "account.privatelink.dfs.core.windows.net",
            "https://account.privatelink.blob.core.windows.net",
        ),
        ("account.z13.dfs.storage.azure.net", "https://account.z13.blob.storage.azure.net"),
    ],
)
def test_host_of_the_uri_is_the_endpoint_of_blobs(host: str, endpoint: str) -> None:
    account = account_of(host, {})
    assert (account.name, account.endpoint, account.credential) == ("account", endpoint, None)


@pytest.mark.parametrize(
    ("environ", "name", "endpoint", "credential"),
    [
        ({"AZURE_STORAGE_ACCESS_KEY": KEY}, "account", f"https://{HOST}", ("access_key", KEY)),
        (
            {"AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=a%2Fb"},
            "account",
            f"https://{HOST}",
            ("sas_token", "sv=1&sig=a%2Fb"),
        ),
        (
            {"AZURE_STORAGE_ACCESS_KEY": KEY, "AZURE_STORAGE_SAS_TOKEN": "sig=x"},
            "account",
            f"https://{HOST}",
            ("access_key", KEY),
        ),
        (
            {"AZURE_STORAGE_ACCESS_KEY": KEY, "AZURE_STORAGE_ENDPOINT": "https://10.0.0.7/blobs/"},
            "account",
            "https://10.0.0.7/blobs",
            ("access_key", KEY),
        ),
        (
            {
                "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=https;"
                f"AccountName=other;AccountKey={KEY};EndpointSuffix=core.usgovcloudapi.net",
                "AZURE_STORAGE_ACCESS_KEY": "ignored",
            },
            "other",
            "https://other.blob.core.usgovcloudapi.net",
            ("access_key", KEY),
        ),
        (
            {
                "AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=https://other.blob.example/;"
                "SharedAccessSignature=sv=2020&sig=a%3D"
            },
            "other",
            "https://other.blob.example",
            ("sas_token", "sv=2020&sig=a%3D"),
        ),
        (
            {"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"},
            "devstoreaccount1",
            "http://127.0.0.1:10000/devstoreaccount1",
            None,
        ),
    ],
)
def test_variables_of_azure_say_what_proves_the_service(
    environ: dict[str, str], name: str, endpoint: str, credential: tuple[str, str] | None
) -> None:
    account = account_of(HOST, environ)
    assert (account.name, account.endpoint) == (name, endpoint)
    assert account.credential is not None
    if credential:
        assert account.credential[credential[0]] == credential[1]


@pytest.mark.parametrize(
    ("environ", "url", "anonymous"),
    [
        ({}, None, False),
        ({"STORAGE_EMULATOR_HOST": "127.0.0.1:4443"}, "http://127.0.0.1:4443", True),
        ({"STORAGE_EMULATOR_HOST": "https://gs.example/"}, "https://gs.example", True),
        ({"GOOGLE_BASE_URL": "https://storage.p.googleapis.com"}, None, False),
    ],
)
def test_variables_of_google_say_where_buckets_are(
    environ: dict[str, str], url: str | None, anonymous: bool
) -> None:
    endpoint = endpoint_of(environ)
    assert endpoint.anonymous == anonymous
    assert endpoint.url == (url or environ.get("GOOGLE_BASE_URL"))


@pytest.mark.parametrize(
    ("destination", "name", "value"),
    [
        (AZURE, "AZURE_STORAGE_ACCESS_KEY", "no key!"),
        (AZURE, "AZURE_STORAGE_SAS_TOKEN", "secret"),
        (AZURE, "AZURE_STORAGE_CONNECTION_STRING", "AccountName=a;secret"),
        (AZURE, "AZURE_STORAGE_CONNECTION_STRING", "AccountName=a;AccountKey=secret!"),
        (AZURE, "AZURE_STORAGE_ENDPOINT", "account.blob.core.windows.net"),
        (AZURE, "AZURE_STORAGE_ENDPOINT", "https://a/?sig=secret"),
        (AZURE, "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", "soon"),
        (AZURE, "REQUESTS_CA_BUNDLE", "/no/such/file"),
        (AZURE, "REQUESTS_CA_BUNDLE", "/"),
        (GOOGLE, "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", "0"),
        (GOOGLE, "STORAGE_EMULATOR_HOST", "http://user:secret@host"),
        (GOOGLE, "GOOGLE_BASE_URL", "https://host/path"),
        (GOOGLE, "GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file"),
        (GOOGLE, "SSL_CERT_FILE", "/no/such/file"),
    ],
)
def test_unusable_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, destination: str, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name) as refused:
        open_driver(destination)

    assert "secret" not in str(refused.value)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("no JSON", "no file of Google's"),
        ("[]", "no file of Google's"),
        (json.dumps({"type": "external_account"}), "is of no use"),
        (json.dumps({"type": "of_another_time"}), "unknown type"),
        (json.dumps({"type": "service_account", "private_key": "x"}), "cannot be used"),
    ],
)
def test_credentials_of_no_use_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, sentence: str
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    with pytest.raises(SettingsError, match=sentence) as refused:
        open_driver(GOOGLE)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("seconds", ["-1", "1", "3600"])
@pytest.mark.anyio
async def test_time_for_a_part_may_be_chosen(monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    monkeypatch.setenv("MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", seconds)
    monkeypatch.setenv("AZURE_STORAGE_ACCESS_KEY", KEY)
    for destination in (AZURE, GOOGLE):
        await open_driver(destination).close()


def test_credentials_that_need_google_auth_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"type": "external_account"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setitem(sys.modules, "google.auth", None)

    with pytest.raises(SettingsError, match="pip install 'google-auth"):
        open_driver(GOOGLE)


@pytest.mark.parametrize("destination", [AZURE, GOOGLE, AZURE.replace("wasbs", "abfss")])
def test_start_without_obstore_says_what_to_install(destination: str) -> None:
    # None in sys.modules is how Python says that a module is not to be found.
    program = (
        "import sys; sys.modules['obstore'] = None; "
        f"sys.argv = ['tandem-artifacts', 'serve', '--artifacts-destination', {destination!r}]; "
        "from tandem_artifacts.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == 2
    assert "pip install 'tandem-artifacts[cloud]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

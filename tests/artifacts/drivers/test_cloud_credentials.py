"""Ways to log in to Azure and Google: keys, signatures and identities, right and wrong."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from tandem_artifacts.drivers.open import open_driver
from tandem_shared.errors import ApiError, PermissionDenied, Unavailable
from tests import azurite
from tests.artifacts.drivers.conftest import Container, Store
from tests.artifacts.drivers.content import entries, fetch, put_all, stream
from tests.artifacts.drivers.refusals import refusals
from tests.azurite import Azurite
from tests.cloud import identities
from tests.google_storage import GoogleStorage
from tests.harness.certificates import HERE, Authority

pytestmark = pytest.mark.anyio

WRONG_KEY = "d3Jvbmctc2VjcmV0"


async def test_wrong_key_is_told_without_naming_it(
    make_store: Callable[[str], Store],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = make_store("azure")
    right = store.server.environ["AZURE_STORAGE_CONNECTION_STRING"]  # type: ignore[attr-defined]
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", right.replace(azurite.KEY, WRONG_KEY))
    driver = open_driver(store.destination)

    with caplog.at_level(logging.DEBUG):
        errors = await refusals(driver)

    await driver.close()
    assert {type(error) for error in errors} == {PermissionDenied}
    told = caplog.text + "".join(error.message for error in errors)
    assert WRONG_KEY not in told
    assert azurite.ACCOUNT not in "".join(error.message for error in errors)


async def test_signature_is_enough_and_is_not_told(
    make_store: Callable[[str], Store],
    azure: Azurite,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = make_store("abfss")
    assert isinstance(store, Container)
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azure.endpoint)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "?" + azure.signature(store.container, "racwdl"))
    # An identity that is meant for something else, as of a database.
    monkeypatch.setenv("AZURE_CLIENT_ID", "c")
    monkeypatch.setenv("AZURE_TENANT_ID", "t")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", "/no/such/file")
    driver = open_driver(store.destination)
    await put_all(driver, ["dir/a", "dir/b"])
    assert [entry.path for entry in await entries(driver, "dir")] == ["a", "b"]
    await driver.delete("dir")
    assert store.keys() == []
    await driver.close()

    read_only = azure.signature(store.container, "r")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", read_only)
    driver = open_driver(store.destination)
    with caplog.at_level(logging.DEBUG), pytest.raises(PermissionDenied):
        await driver.write("object", stream(b"x"))
    await driver.close()
    assert "failed" in caplog.text
    assert "sig=" not in caplog.text
    assert read_only not in caplog.text


async def test_workload_identity_of_azure_is_asked_for_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_store: Callable[[str], Store]
) -> None:
    make_store("azure")
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    authority = Authority.create(tmp_path)
    certificate, key = authority.issue("azure", HERE)
    entra = identities.Azure(tmp_path)
    flags = ("--cert", certificate, "--key", key, "--oauth", "basic")
    with (
        azurite.run(tmp_path, *flags, scheme="https") as server,
        identities.serve(entra, (certificate, key)),
    ):
        server.create_container("by-identity")
        for name, value in entra.environ().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", server.endpoint)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
        destination = "wasbs://by-identity@devstoreaccount1.blob.core.usgovcloudapi.net/p"
        driver = open_driver(destination)
        await driver.check()
        await driver.write("object", stream(b"content"))
        assert await fetch(driver, "object") == b"content"
        await driver.close()
        assert server.blobs("by-identity", "") == ["p/object"]
        assert entra.asked[0]["client_assertion"] == "a ServiceAccount's token"

        entra.denies = True
        driver = open_driver(destination)
        with pytest.raises(PermissionDenied, match="gets no token"):
            await driver.check()
        await driver.close()

        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        driver = open_driver(destination)
        with pytest.raises(Unavailable):
            await driver.check()
        await driver.close()


async def test_account_of_a_google_pod_is_asked_for_a_token(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_store: Callable[[str], Store],
    google: GoogleStorage,
) -> None:
    store = make_store("gs")
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_BASE_URL", google.url)
    monkeypatch.setenv("HOME", str(tmp_path))
    account = identities.Google(scope="")
    with identities.serve(account):
        for name, value in account.environ().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(google, "takes", lambda token: token in account.tokens)
        driver = open_driver(store.destination)
        await driver.check()
        await driver.write("object", stream(b"content"))
        assert await fetch(driver, "object") == b"content"
        assert len(account.tokens) <= 2

        account.tokens.clear()
        errors = await refusals(driver)
        await driver.close()
        assert {type(error) for error in errors} == {PermissionDenied}

        account.denies = True
        driver = open_driver(store.destination)
        with pytest.raises(PermissionDenied, match="gets no token"):
            await driver.check()
        await driver.close()
        monkeypatch.setattr(google, "takes", None)


async def test_identity_of_another_cloud_is_exchanged_for_a_token_of_google(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_store: Callable[[str], Store],
    google: GoogleStorage,
) -> None:
    store = make_store("gs")
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_BASE_URL", google.url)
    account = identities.Google(scope="")
    with identities.serve(account):
        subject = tmp_path / "subject"
        subject.write_text("a token of the other cloud")
        file = tmp_path / "credentials.json"
        told = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/o",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{account.url}/v1/token",
            "credential_source": {"file": str(subject)},
        }
        file.write_text(json.dumps(told))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        monkeypatch.setattr(google, "takes", lambda token: token in account.tokens)
        driver = open_driver(store.destination)
        await driver.write("object", stream(b"content"))
        assert await fetch(driver, "object") == b"content"
        await driver.close()
        assert account.tokens

        account.denies = True
        driver = open_driver(store.destination)
        with pytest.raises(ApiError, match="gets no token"):
            await driver.check()
        await driver.close()
        monkeypatch.setattr(google, "takes", None)

import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.drivers.local import UPLOADS
from tandem_artifacts.drivers.open import open_driver
from tests import google_storage
from tests.azurite import Azurite
from tests.google_storage import GoogleStorage
from tests.seaweedfs import S3Server

KINDS = ("local", "s3", "minio", "azure", "gs")
"""Every driver."""
_FOREIGN = ("AWS_", "AZURE_", "GOOGLE_", "MINIO_", "STORAGE_EMULATOR_HOST")


class Store(ABC):
    """A destination under test, with a look at what really lies there."""

    destination: str
    driver: Driver

    @abstractmethod
    def keys(self) -> list[str]:
        """What is stored, partial or not, sorted."""

    @abstractmethod
    def leftovers(self) -> list[str]:
        """Traces of uploads that did not end well."""


class Directory(Store):
    def __init__(self, root: Path) -> None:
        self.root = root
        self.destination = str(root)

    def keys(self) -> list[str]:
        files = (path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file())
        return sorted(str(path) for path in files if path.parts[0] != UPLOADS)

    def leftovers(self) -> list[str]:
        uploads = self.root / UPLOADS
        return [str(path) for path in uploads.iterdir()] if uploads.exists() else []


class Bucket(Store):
    def __init__(self, destination: str, server: S3Server, bucket: str, prefix: str) -> None:
        self.destination = destination
        self.server = server
        self.bucket = bucket
        self.prefix = prefix

    def keys(self) -> list[str]:
        with closing(self.server.client()) as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + "/"
            )
            found = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return sorted(key.removeprefix(self.prefix + "/") for key in found)

    def leftovers(self) -> list[str]:
        with closing(self.server.client()) as client:
            uploads = client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())
        return [each["Key"] for each in uploads if each["Key"].startswith(self.prefix + "/")]


class Container(Store):
    """Of Azure, which has nothing to end an upload with: what it got of one it drops after a week,
    and shows to nobody. So there are no leftovers."""

    def __init__(self, destination: str, server: Azurite, container: str, prefix: str) -> None:
        self.destination = destination
        self.server = server
        self.container = container
        self.prefix = prefix

    def keys(self) -> list[str]:
        found = self.server.blobs(self.container, self.prefix + "/")
        return sorted(key.removeprefix(self.prefix + "/") for key in found)

    def leftovers(self) -> list[str]:
        return []


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Store]:
    def make(kind: str) -> Store:
        if kind == "local":
            return Directory(tmp_path / "artifacts")
        prefix = f"conformance/{uuid.uuid4().hex}"
        for name in [each for each in os.environ if each.startswith(_FOREIGN)]:
            monkeypatch.delenv(name)

        def use(variables: Mapping[str, str]) -> None:
            for name, value in variables.items():
                monkeypatch.setenv(name, value)

        if kind in ("azure", "abfss"):
            account: Azurite = request.getfixturevalue("azure")
            container: str = request.getfixturevalue("azure_container")
            use(account.environ)
            host = f"{container}@devstoreaccount1"
            destination = f"wasbs://{host}.blob.core.windows.net/{prefix}"
            if kind == "abfss":
                destination = f"abfss://{host}.dfs.core.windows.net/{prefix}"
            return Container(destination, account, container, prefix)
        if kind == "gs":
            google: GoogleStorage = request.getfixturevalue("google")
            use(google.environ)
            destination = f"gs://{google_storage.BUCKET}/{prefix}"
            return Bucket(destination, google.server, google_storage.BUCKET, prefix)
        server: S3Server = request.getfixturevalue("s3_server")
        bucket: str = request.getfixturevalue("s3_bucket")
        use(server.environ)
        if kind == "s3":
            return Bucket(f"s3://{bucket}/{prefix}", server, bucket, prefix)
        host = server.endpoint.removeprefix("http://")
        destination = f"minio://{host}/{bucket}/{prefix}?secure=false"
        return Bucket(destination, server, bucket, prefix)

    return make


@pytest.fixture
async def store(kind: str, make_store: Callable[[str], Store]) -> AsyncIterator[Store]:
    """Every driver in turn; fails at the end on whatever a test leaves half-done."""
    store = make_store(kind)
    store.driver = open_driver(store.destination)
    yield store
    await store.driver.close()
    assert store.leftovers() == []


@pytest.fixture
def driver(store: Store) -> Driver:
    return store.driver


@pytest.fixture
async def local(make_store: Callable[[str], Store]) -> AsyncIterator[Directory]:
    store = make_store("local")
    assert isinstance(store, Directory)
    store.driver = open_driver(store.destination)
    yield store
    await store.driver.close()
    assert store.leftovers() == []


@pytest.fixture(params=["azure", "gs"])
async def cloud(
    request: pytest.FixtureRequest, make_store: Callable[[str], Store]
) -> AsyncIterator[Store]:
    """Those of Azure and Google."""
    store = make_store(request.param)
    store.driver = open_driver(store.destination)
    yield store
    await store.driver.close()
    assert store.leftovers() == []


@pytest.fixture(params=["s3", "minio"])
async def bucket(
    request: pytest.FixtureRequest, make_store: Callable[[str], Store]
) -> AsyncIterator[Bucket]:
    store = make_store(request.param)
    assert isinstance(store, Bucket)
    store.driver = open_driver(store.destination)
    yield store
    await store.driver.close()
    assert store.leftovers() == []

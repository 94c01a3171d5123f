"""Names of artifacts, as the stock client sends them, over one store with MLflow's own server."""

import itertools
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

from tests.faults.scale import scaled
from tests.seaweedfs import S3Server
from tests.system.services import artifacts_service, mlflow_server

_CODES = [f"%{code}" for code in ("41", "7e", "20", "2e", "2f", "25", "3b", "3f", "5c", "7F")]
_HARD = ["%00", "%07", "%0a", "%09", "%1F", "%23", "%ff", "%C3", "%A9", "%c3%a9", "%252f", "%2541"]
NAMES = (
    st.lists(
        st.sampled_from([*_CODES, *_HARD, "%", "%s", "%1", "é", "\\", ";", "?", "#", "&", "+", " "])
        | st.text("0123456789abcdefABCDEF%.-_xyz", max_size=4),
        min_size=1,
        max_size=6,
    )
    .map("".join)
    .filter(lambda name: 0 < len(name) < 60 and name not in (".", "..") and name[0] > " ")
    # MLflow's server lets a line end through as the last character only; see docs/differences.md.
    .filter(lambda name: not name.lower().endswith("%0a"))
)
"""What may be the name of a file."""

_Found = dict[str, bytes]


@dataclass(frozen=True)
class Pair:
    """Two servers of artifacts over one store."""

    mlflow: str
    tandem: str
    numbers: Iterator[int]
    in_bucket: bool


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture(scope="module", params=["directory", "bucket"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("names")
    destination, variables = str(directory / "artifacts"), {}
    if request.param == "bucket":
        s3: S3Server = request.getfixturevalue("s3_server")
        bucket = f"names-{uuid.uuid4().hex}"
        s3.create_bucket(bucket)
        destination, variables = f"s3://{bucket}/root", s3.environ
    with ExitStack() as running:
        mlflow = running.enter_context(mlflow_server(directory, destination, variables))
        tandem = running.enter_context(
            artifacts_service(directory, destination, variables=variables)
        )
        yield Pair(mlflow.url, tandem.url, itertools.count(), request.param == "bucket")


def _client(url: str, directory: str) -> MlflowArtifactsRepository:
    uri = f"{url.replace('http:', 'mlflow-artifacts:')}/{directory}"
    repository = get_artifact_repository(uri, tracking_uri=url)
    assert isinstance(repository, MlflowArtifactsRepository)
    return repository


def _logged(client: MlflowArtifactsRepository, name: str, content: bytes) -> bool:
    """Whether the server has taken a file of that name."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / name).write_bytes(content)
        try:
            client.log_artifact(str(Path(directory) / name))
        except Exception:  # An HTTPError, or MlflowException after the only attempt.
            return False
    return True


def _read(client: MlflowArtifactsRepository, name: str) -> bytes | None:
    with tempfile.NamedTemporaryFile() as file:
        try:
            client._download_file(name, file.name)
        except Exception:
            return None
        return Path(file.name).read_bytes()


def _listed(client: MlflowArtifactsRepository, path: str | None = None) -> _Found | None:
    """Each file that the client lists, as it reads it; None when it cannot list."""
    found: _Found = {}
    try:
        for entry in client.list_artifacts(path):
            if entry.is_dir:
                found |= _listed(client, entry.path) or {}
            else:
                found[entry.path] = _read(client, entry.path) or b"unreadable"
    except Exception:  # The client refuses names itself, by several kinds of errors.
        return None
    return found


@settings(
    max_examples=scaled(12, 600),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(NAMES)
@example("k%step%0%timestamp%1795885658165%07ab.png")
@example("k%step%0%timestamp%1795885658165%41ab.png")
@example("k%step%0%timestamp%1795885658165%ffab.png")
@example("k%step%0%timestamp%1795885658165%2fab.png")
@example("k%step%0%timestamp%1795885658165%5cab.png")
@example("k%step%0%timestamp%1795885658165%23ab.png")
@example("%07")
@example("a%2f%2fb")
@example("%5c")
def test_a_name_is_stored_as_mlflow_stores_it(pair: Pair, name: str) -> None:
    # This store keeps nothing of such a name: test_a_backslash_in_the_store_of_these_tests.
    assume(not pair.in_bucket or not unquote(name).endswith("\\"))
    number = next(pair.numbers)
    for order in ((pair.mlflow, pair.tandem), (pair.tandem, pair.mlflow)):
        directory, content = f"1/{number}-{order.index(pair.mlflow)}", name.encode()
        writer, reader = (_client(url, directory) for url in order)
        if not _logged(writer, name, content):
            # What MLflow's server takes is taken.
            assert order[0] == pair.mlflow or not _logged(reader, name, content)
            continue
        mlflow, tandem = _client(pair.mlflow, directory), _client(pair.tandem, directory)
        listed = _listed(mlflow)
        if order[0] == pair.mlflow:
            assert listed is None or set(listed.values()) <= {content, b"unreadable"}
        assert _listed(tandem) == listed
        if (given := _read(mlflow, name)) is not None:
            assert given == content
        assert _read(tandem, name) == content
        tandem.delete_artifacts(name)
        assert _listed(tandem) == {} == _listed(mlflow)


def test_a_backslash_in_the_store_of_these_tests(s3_server: S3Server) -> None:
    """SeaweedFS takes a backslash for a slash: a name that ends so is a folder, without content."""
    bucket = f"names-{uuid.uuid4().hex}"
    s3_server.create_bucket(bucket)
    store = s3_server.client()
    store.put_object(Bucket=bucket, Key="name\\", Body=b"content")
    listed = store.list_objects_v2(Bucket=bucket)["Contents"]
    assert [(each["Key"], each["Size"]) for each in listed] == [("name/", 0)]

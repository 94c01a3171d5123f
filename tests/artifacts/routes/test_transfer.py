"""Transfers through the service as a process: memory, cuts, limits, stops, the stock client."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tests.artifacts.service import ARTIFACTS, stored
from tests.faults import memory
from tests.harness.processes import Process, eventually
from tests.system.services import artifacts_service

MIB = 1024 * 1024
HOST = b"Host: localhost\r\n"


@pytest.fixture(scope="module", params=["hypercorn", "uvicorn"])
def server(request: pytest.FixtureRequest) -> list[str]:
    """The flags that choose an ASGI server."""
    return ["--asgi-server", request.param]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, server: list[str]) -> Iterator[Process]:
    directory = tmp_path_factory.mktemp("service")
    limits = ["--max-artifact-bytes", str(3 * 1024 * MIB), "--upload-idle-timeout", "1"]
    with artifacts_service(directory, str(directory / "store"), *limits, *server) as running:
        yield running


@pytest.fixture
def root(service: Process) -> Iterator[Path]:
    """The destination, left empty by every test: what is not deleted here is a leftover."""
    yield service.log.parent / "store"
    for entry in httpx.get(f"{service.url}{ARTIFACTS}").json().get("files", []):
        httpx.delete(f"{service.url}{ARTIFACTS}/{entry['path']}")
    assert stored(service.log.parent / "store") == []


def begin(
    service: Process, name: str, headers: bytes, body: bytes, method: bytes = b"PUT"
) -> socket.socket:
    connection = service.connect()
    line = method + b" " + f"{ARTIFACTS}/{name}".encode() + b" HTTP/1.1\r\n"
    connection.sendall(line + HOST + headers + b"\r\n" + body)
    return connection


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    data = bytearray()
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        data += b"<reset>"
    return bytes(data)


def rest_of_head(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        assert piece
        data += piece
    return data


def there_and_back(service: Process, root: Path, mebibytes: int) -> None:
    """Upload zeros and download them, over bare connections that hold none of it in memory."""
    piece, size = bytes(MIB), mebibytes * MIB
    with begin(service, "big", f"Content-Length: {size}\r\n".encode(), b"") as upload:
        for _ in range(mebibytes):
            upload.sendall(piece)
        assert rest_of_head(upload).startswith(b"HTTP/1.1 200")
    assert (root / "big").stat().st_size == size
    with begin(service, "big", b"", b"", b"GET") as download:
        received = len(rest_of_head(download).split(b"\r\n\r\n", 1)[1])
        buffer = bytearray(MIB)
        while received < size and (came := download.recv_into(buffer)):
            received += came
    assert received == size


def test_memory_is_constant_while_a_large_file_passes_both_ways(
    service: Process, root: Path
) -> None:
    there_and_back(service, root, 64)
    before = memory.peak(service)
    there_and_back(service, root, 512)
    assert memory.peak(service) < before + 25 * MIB
    assert memory.peak(service) < 150 * MIB


def test_range_beyond_four_gibibytes_is_read(service: Process, root: Path) -> None:
    size = 5 * 1024 * MIB
    with (root / "sparse").open("wb") as sparse:
        sparse.truncate(size)
        sparse.seek(size - 3)
        sparse.write(b"end")
    url = f"{service.url}{ARTIFACTS}/sparse"
    assert httpx.head(url).headers["content-length"] == str(size)
    answer = httpx.get(url, headers={"Range": f"bytes={size - 5}-"})
    assert answer.headers["content-range"] == f"bytes {size - 5}-{size - 1}/{size}"
    assert answer.content == b"\0\0end"


def test_memory_is_constant_while_a_client_stops_reading(service: Process, root: Path) -> None:
    with (root / "sparse").open("wb") as sparse:
        sparse.truncate(1024 * MIB)
    left = service.output().count('"status":499')
    connection = begin(service, "sparse", b"", b"", b"GET")
    assert connection.recv(100).startswith(b"HTTP/1.1 200")
    threading.Event().wait(0.5)
    connection.close()
    eventually(lambda: service.output().count('"status":499') > left)
    assert memory.peak(service) < 150 * MIB


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Content-Length: 1000\r\n", b"x" * 999),
        (b"Content-Length: 9000000\r\n", b"x" * 3_000_000),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhel"),
        (b"Transfer-Encoding: chunked\r\n", b"not a length\r\nhello\r\n0\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("existing", [False, True])
def test_upload_that_is_cut_off_leaves_things_as_they_were(
    service: Process, root: Path, headers: bytes, body: bytes, existing: bool
) -> None:
    if existing:
        httpx.put(f"{service.url}{ARTIFACTS}/cut", content=b"old")
    connection = begin(service, "cut", headers, body)
    connection.shutdown(socket.SHUT_WR)
    assert b" 200 " not in rest(connection)
    connection.close()
    eventually(lambda: stored(root) == (["cut"] if existing else []))
    assert not existing or (root / "cut").read_bytes() == b"old"


def test_upload_that_stops_sending_is_answered_408(service: Process, root: Path) -> None:
    connection = begin(service, "slow", b"Content-Length: 1000\r\n", b"half")
    answer = rest_of_head(connection)
    assert b" 408 " in answer
    connection.close()
    eventually(lambda: stored(root) == [])


def test_upload_declared_over_the_size_limit_is_refused_before_it_is_sent(
    service: Process, root: Path
) -> None:
    connection = begin(service, "huge", b"Content-Length: 4000000000\r\n", b"")
    assert b" 413 " in rest_of_head(connection)
    connection.close()


def test_upload_waits_for_the_go_ahead_when_it_asks(service: Process, root: Path) -> None:
    connection = begin(service, "a", b"Content-Length: 5\r\nExpect: 100-continue\r\n", b"")
    assert rest_of_head(connection).startswith(b"HTTP/1.1 100")
    connection.sendall(b"hello")
    assert rest_of_head(connection).startswith(b"HTTP/1.1 200")
    connection.close()
    assert (root / "a").read_bytes() == b"hello"


@pytest.mark.parametrize("path", ["../x", "a/../../x", "./x", "a/..", "/etc/passwd", "a//b"])
@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE"])
def test_unsafe_paths_are_refused_as_they_come_over_the_wire(
    service: Process, root: Path, method: bytes, path: str
) -> None:
    (root.parent / "x").write_text("outside")
    headers = b"Connection: close\r\n"
    body = b""
    if method == b"PUT":
        headers, body = headers + b"Content-Length: 6\r\n", b"inside"
    answer = rest(begin(service, path, headers, body, method))
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b"INVALID_PARAMETER_VALUE" in answer
    assert (root.parent / "x").read_text() == "outside"


def test_download_whose_artifact_shrinks_is_cut_not_ended(service: Process, root: Path) -> None:
    with (root / "shrinks").open("wb") as sparse:
        sparse.truncate(512 * MIB)
    with httpx.stream("GET", f"{service.url}{ARTIFACTS}/shrinks") as download:
        chunks = download.iter_raw()
        next(chunks)
        with (root / "shrinks").open("r+b") as sparse:
            sparse.truncate(MIB)
        with pytest.raises(httpx.RemoteProtocolError):
            list(chunks)


def test_download_stays_whole_while_its_artifact_is_replaced(service: Process, root: Path) -> None:
    url = f"{service.url}{ARTIFACTS}/replaced"
    httpx.put(url, content=b"a" * 64 * MIB)
    with httpx.stream("GET", url) as download:
        chunks = download.iter_raw()
        received = next(chunks)
        assert httpx.put(url, content=b"b" * 1000).status_code == 200
        digest = hashlib.sha256(received)
        for chunk in chunks:
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(b"a" * 64 * MIB).digest()
    assert httpx.get(url).content == b"b" * 1000


def test_transfers_in_flight_finish_after_sigterm(tmp_path: Path, server: list[str]) -> None:
    with artifacts_service(tmp_path, str(tmp_path / "store"), *server) as service:
        (tmp_path / "store" / "down").write_bytes(b"d" * 64 * MIB)
        upload = begin(service, "up", b"Content-Length: 10\r\n", b"hello")
        with httpx.stream("GET", f"{service.url}{ARTIFACTS}/down", timeout=30) as download:
            chunks = download.iter_raw()
            received = len(next(chunks))
            service.send_signal()
            eventually(lambda: refuses(service))
            upload.sendall(b"world")
            assert b" 200 " in rest_of_head(upload)
            received += sum(len(chunk) for chunk in chunks)
        upload.close()
        assert received == 64 * MIB
        assert service.wait(20) == 0
    assert (tmp_path / "store" / "up").read_bytes() == b"helloworld"


def refuses(service: Process) -> bool:
    try:
        service.connect().close()
    except OSError:
        return True
    return False


def test_upload_that_outlasts_the_stop_stores_nothing(tmp_path: Path, server: list[str]) -> None:
    destination, timeout = str(tmp_path / "store"), ("--graceful-timeout", "0.5")
    with artifacts_service(tmp_path, destination, *timeout, *server) as service:
        upload = begin(service, "up", b"Content-Length: 3000000\r\n", bytes(2_500_000))
        eventually(lambda: stored(tmp_path / "store") != [])
        assert service.stop() == 0
        upload.close()
    assert stored(tmp_path / "store") == []


def test_metrics_of_several_workers_add_up(tmp_path: Path, server: list[str]) -> None:
    destination, workers = str(tmp_path / "store"), ("--workers", "2")
    with artifacts_service(tmp_path, destination, *workers, *server) as service:
        for number in range(10):
            assert httpx.put(f"{service.url}{ARTIFACTS}/{number}", content=b"x").is_success
        assert (
            'tandem_artifact_bytes_total{direction="in"} 10.0'
            in httpx.get(f"{service.url}/metrics").text
        )


@pytest.mark.parametrize("form", ["mlflow-artifacts://{host}/run", "{url}" + ARTIFACTS + "/run"])
def test_stock_client_works(service: Process, root: Path, tmp_path: Path, form: str) -> None:
    uri = form.format(url=service.url, host=f"127.0.0.1:{service.port}")
    repository = get_artifact_repository(uri, tracking_uri="http://127.0.0.1:1")
    source = tmp_path / "source"
    (source / "sub dir").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "sub dir" / "é+b.bin").write_bytes(bytes(range(256)))
    repository.log_artifacts(str(source), "out")
    repository.log_artifact(str(source / "a.txt"))

    listed = [(file.path, file.is_dir, file.file_size) for file in repository.list_artifacts()]
    assert listed == [("a.txt", False, 1), ("out", True, None)]
    below = [file.path for file in repository.list_artifacts("out/sub dir")]
    assert below == ["out/sub dir/é+b.bin"]
    assert repository.list_artifacts("a.txt") == []

    fetched = Path(repository.download_artifacts("out", str(tmp_path)))
    assert (fetched / "sub dir" / "é+b.bin").read_bytes() == bytes(range(256))

    repository.delete_artifacts("out/sub dir")
    assert stored(root) == ["run/a.txt", "run/out/a.txt"]
    repository.delete_artifacts()
    assert stored(root) == []

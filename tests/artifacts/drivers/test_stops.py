"""A stop while a part of an upload is on its way to an object store that is slow."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tandem_artifacts.drivers.upload import PART_BYTES
from tests.artifacts.drivers.conftest import Bucket, Store
from tests.artifacts.service import ARTIFACTS
from tests.faults.gate import Gate
from tests.harness.processes import eventually
from tests.system.services import artifacts_service, service


@pytest.fixture
def gate(kind: str, request: pytest.FixtureRequest) -> Iterator[Gate]:
    """Before the server of the store."""
    behind = request.getfixturevalue("google" if kind == "gs" else "s3_server")
    at = urlsplit(behind.url if kind == "gs" else behind.endpoint)
    opened = Gate(at.hostname or "", at.port or 0)
    yield opened
    opened.close()


@pytest.mark.parametrize("kind", ["s3", "minio", "gs"])
def test_stop_while_a_part_is_on_its_way_leaves_no_multipart_upload(
    kind: str, make_store: Callable[[str], Store], gate: Gate, tmp_path: Path
) -> None:
    store = make_store(kind)
    assert isinstance(store, Bucket)
    host = store.server.endpoint.removeprefix("http://")
    slow = f"127.0.0.1:{gate.port}"
    with artifacts_service(
        tmp_path,
        store.destination.replace(host, slow),
        *("--graceful-timeout", "0.2"),
        variables={
            **store.server.environ,
            "MLFLOW_S3_ENDPOINT_URL": f"http://{slow}",
            "STORAGE_EMULATOR_HOST": slow,
        },
    ) as service:
        assert httpx.put(f"{service.url}{ARTIFACTS}/whole", content=b"x").status_code == 200
        with service.connect() as upload:
            head = f"PUT {ARTIFACTS}/cut HTTP/1.1\r\nHost: localhost\r\n"
            upload.sendall(f"{head}Content-Length: {9 * PART_BYTES}\r\n\r\n".encode())
            upload.sendall(bytes(PART_BYTES + 1))
            eventually(lambda: store.leftovers() != [], "the first part leaves")
            with gate.frozen():
                # Whichever part is on its way by then; the service takes no more than one beside.
                threading.Thread(target=_send_until_cut, args=(upload,)).start()
                service.send_signal()
                threading.Event().wait(1)  # past the graceful timeout: the request is cancelled
                assert service.popen.poll() is None
            assert service.wait(20) == 0
    assert store.keys() == ["whole"]
    assert store.leftovers() == []
    assert "abandoned" not in service.output()


def _send_until_cut(upload: socket.socket) -> None:
    with contextlib.suppress(OSError):
        upload.sendall(bytes(7 * PART_BYTES))


PROGRAM = """
import atexit
from tandem_artifacts.__main__ import program

atexit.register(print, "handlers of atexit ran", flush=True)
try:
    program()
finally:
    print("Python ends")
"""


@pytest.mark.parametrize(("kind", "ends"), [("gs", False), ("azure", False), ("local", True)])
def test_handlers_of_atexit_run_but_not_the_end_of_python_beside_threads_of_obstore(
    kind: str, ends: bool, make_store: Callable[[str], Store], tmp_path: Path
) -> None:
    destination = make_store(kind).destination
    serve = ["python", "-c", PROGRAM, "serve", "--artifacts-destination", destination]
    with service(tmp_path, serve) as process:
        put = httpx.put(f"{process.url}{ARTIFACTS}/x", content=b"x")
        assert put.status_code == 200
    assert "handlers of atexit ran" in process.output()
    assert ("Python ends" in process.output()) == ends

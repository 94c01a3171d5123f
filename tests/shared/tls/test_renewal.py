"""Files that are renewed below a context in use."""

import logging
import os
import shutil
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tandem_shared.tls import contexts
from tandem_shared.tls.files import Files, PemFile
from tandem_shared.tls.renewal import EXPIRY, RenewedContext
from tests.harness.certificates import HERE, Authority


class Renewed:
    """A context over `tls.crt` and `tls.key` of a folder, and what a client of it sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority.create(folder.parent)
        self.files = Files(
            certificate=PemFile("--tls-cert", str(folder / "tls.crt")),
            key=PemFile("--tls-key", str(folder / "tls.key")),
        )

    def issue(self, name: str, to: Path) -> None:
        certificate, key = self.authority.issue(name, [name, *HERE])
        to.mkdir(exist_ok=True)
        shutil.copy(certificate, to / "tls.crt")
        shutil.copy(key, to / "tls.key")

    def open(self) -> RenewedContext:
        make = partial(contexts.of_server, self.files, ask_client=ssl.CERT_NONE, http2=False)
        return RenewedContext(self.files, make, "server")

    def served(self, context: RenewedContext) -> str:
        """The name of the certificate that a new connection gets."""
        client_context = ssl.create_default_context(cafile=str(self.authority.certificate))
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
        server = context.wrap_bio(to_server, to_client, server_side=True)
        for _ in range(3):
            for side in (client, server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        certificate = client.getpeercert()
        assert certificate
        return str(dict(pair[0] for pair in certificate["subject"])["commonName"])


@pytest.fixture
def renewed(tmp_path: Path) -> Renewed:
    made = Renewed(tmp_path / "tls")
    made.issue("first", made.folder)
    return made


def test_renewed_files_are_taken_up(renewed: Renewed) -> None:
    context = renewed.open()
    context.look()
    assert renewed.served(context) == "first"
    renewed.issue("second", renewed.folder)
    assert renewed.served(context) == "first"
    context.look()
    assert renewed.served(context) == "second"
    assert EXPIRY.labels("server")._value.get() > 0


def swap_symlink(renewed: Renewed, name: str) -> None:
    """As a kubelet does: `tls.crt` leads to `..data/tls.crt`, and `..data` to a dated folder."""
    dated = renewed.folder / f"..{name}"
    renewed.issue(name, dated)
    for file in ("tls.crt", "tls.key"):
        shutil.copystat("/", dated / file)  # one time for all, so that inodes alone differ
        if not (renewed.folder / file).is_symlink():
            (renewed.folder / file).unlink()
            (renewed.folder / file).symlink_to(f"..data/{file}")
    (renewed.folder / "..data_tmp").symlink_to(dated.name)
    os.rename(renewed.folder / "..data_tmp", renewed.folder / "..data")


def test_a_volume_of_kubernetes_that_is_renewed_by_a_symlink_is_taken_up(renewed: Renewed) -> None:
    swap_symlink(renewed, "second")
    context = renewed.open()
    assert renewed.served(context) == "second"
    swap_symlink(renewed, "third")
    context.look()
    assert renewed.served(context) == "third"


def break_certificate(folder: Path) -> None:
    (folder / "tls.crt").write_text("half a cert")


def remove_key(folder: Path) -> None:
    (folder / "tls.key").unlink()


@pytest.mark.parametrize("spoil", [break_certificate, remove_key])
def test_files_that_are_of_no_use_leave_the_old_ones_in_use_and_are_told_once(
    renewed: Renewed, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    context = renewed.open()
    spoil(renewed.folder)
    for _ in range(3):
        context.look()
    assert renewed.served(context) == "first"
    (told,) = [record.getMessage() for record in caplog.records]
    assert "the old ones stay in use: --tls-" in told
    renewed.issue("second", renewed.folder)
    with caplog.at_level(logging.INFO):
        context.look()
    assert renewed.served(context) == "second"
    assert "took up renewed files" in caplog.records[-1].getMessage()


def test_a_certificate_that_is_there_before_its_key_waits_for_it(renewed: Renewed) -> None:
    context = renewed.open()
    other = renewed.folder.parent / "other"
    renewed.issue("second", other)
    for file, served in (("tls.crt", "first"), ("tls.key", "second")):
        shutil.copy(other / file, renewed.folder / file)
        context.look()
        assert renewed.served(context) == served


def test_an_expired_certificate_is_warned_of_at_the_start(
    renewed: Renewed, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = renewed.authority.issue("old", HERE, days=-1)
    shutil.copy(certificate, renewed.folder / "tls.crt")
    shutil.copy(key, renewed.folder / "tls.key")
    renewed.open()
    assert "expired on 20" in caplog.text

"""Allowed targets of deliveries: public addresses, and the addresses that are connected to."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tandem_metadata.webhooks import targets
from tandem_metadata.webhooks.public_addresses import is_public
from tandem_metadata.webhooks.sender import Answer, Sender, Unreachable
from tandem_metadata.webhooks.targets import Policy
from tandem_shared.errors import InvalidParameter
from tests.receiver import Receiver, receiving

GUARDED = Policy(("http", "https"), allow_private=False)
OPEN = Policy(("http", "https"), allow_private=True)

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "192.0.1.1",
    "192.88.100.1",
    "198.17.255.255",
    "223.255.255.255",
    "2001:200::1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "64:ff9b:1::7f00:1",
    "100::1",
    "100:0:0:1::1",
    "2001:0:7f00:1::1",
    "2001:0:808:808::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:c058:6301::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "64:ff9b::c000:c0",
    "64:ff9b:1::808:808",
    "::808:808",
    "::ffff:0:808:808",
    "::ffff:192.88.99.1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_accepted(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_private_addresses_are_refused_in_any_wrapping(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/ x",
        " http://8.8.8.8/",
        "http://8.8.8.8/\t",
        "http://8.8.8.8/\u00a0x",
        "http://8.8.8.8\u2003/",
        "http://8.8.8.8\\@127.0.0.1/",
        "http://8.8.8.8/\x7f",
    ],
)
def test_target_url_with_white_space_or_backslashes_is_refused(url: str) -> None:
    with pytest.raises(InvalidParameter, match="%XX"):
        targets.parse(url, GUARDED)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def _post(sender: Sender, url: str) -> Answer:
    return asyncio.run(sender.post(url, {}, b"{}", read=100))


class Names:
    """A name server that gives its answers in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked: list[Any] = []
        self._answers = list(answers)
        monkeypatch.setattr(targets.socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        kind = socket.SOCK_STREAM
        return [
            (socket.AF_INET, kind, 6, "", (address, port or 0)) for address in self._answers.pop(0)
        ]


def test_target_that_resolves_to_a_private_address_after_the_check_is_refused(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    names = Names(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    url = receiver.url.replace("127.0.0.1", "rebinding.example")
    asyncio.run(targets.check(url, GUARDED))
    with pytest.raises(Unreachable, match="not public") as refused:
        _post(Sender(GUARDED, 10), url)
    assert not refused.value.retryable
    assert receiver.received == []
    assert names.asked == ["rebinding.example"] * 2


def test_target_with_one_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    Names(monkeypatch, ["8.8.8.8", "127.0.0.1"])
    with pytest.raises(Unreachable, match="not public"):
        _post(Sender(GUARDED, 10), receiver.url.replace("127.0.0.1", "mixed.example"))
    assert receiver.received == []


def test_target_is_resolved_once_and_each_address_is_tried(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    names = Names(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    url = receiver.url.replace("127.0.0.1", "receiver.example")
    assert _post(Sender(OPEN, 10), url + "/x?y=1").status == 200
    assert names.asked == ["receiver.example"]
    (got,) = receiver.received
    assert got.path == "/x?y=1"
    assert got.headers["host"] == url.removeprefix("http://")


def test_target_resolution_times_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never = asyncio.Event()

    async def look_up() -> None:
        loop = asyncio.get_running_loop()

        def hang(*_: Any, **__: Any) -> Any:
            asyncio.run_coroutine_threadsafe(never.wait(), loop).result(30)
            return []

        monkeypatch.setattr(targets.socket, "getaddrinfo", hang)
        monkeypatch.setattr(targets, "_RESOLVE_SECONDS", 0.05)
        with pytest.raises(targets.Unresolved, match="too long"):
            await targets.addresses("slow.example", GUARDED)
        never.set()
        await asyncio.sleep(0.1)

    asyncio.run(look_up())


def test_sender_uses_no_proxy_and_follows_no_redirect(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    with receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        url = receiver.answer("/moved", 302, Location=receiver.url + "/elsewhere")
        answer = _post(Sender(OPEN, 10), url)
        assert (answer.status, answer.accepted, answer.retryable) == (302, False, False)
        assert proxy.received == []
    assert [each.path for each in receiver.received] == ["/moved"]


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (429, "7", 7.0),
        (503, "0", 0.0),
        (500, "7", None),
        (429, "-1", None),
        (429, "1e9", None),
        (429, "soon", None),
        (429, "9" * 5000, None),
        (429, "Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (429, f"Wed, 21 Oct {'9' * 30} 07:28:00 GMT", None),
        (429, f"Wed, 21 Oct 2015 07:28:00 +{'9' * 15}", None),
    ],
)
def test_sender_reads_retry_after_as_seconds_or_a_date(
    receiver: Receiver, status: int, value: str, seconds: float | None
) -> None:
    url = receiver.answer("/a", status, Retry_After=value)
    assert _post(Sender(OPEN, 10), url).retry_after == seconds


def _certificate(directory: Path, *names: x509.GeneralName) -> Path:
    """A file with a key and a self-signed certificate for these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / "receiver.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_sender_verifies_tls_by_the_hosts_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _certificate(tmp_path, x509.DNSName("receiver.example"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with receiving(lambda bare: context.wrap_socket(bare, server_side=True)) as receiver:
        Names(monkeypatch, *[["127.0.0.1"]] * 3)
        at = receiver.url.replace("http://127.0.0.1", "https://{}")
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            _post(Sender(OPEN, 10), at.format("receiver.example"))
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert _post(Sender(OPEN, 10), at.format("receiver.example")).status == 200
        for other in ("other.example", "127.0.0.1"):
            with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
                _post(Sender(OPEN, 10), at.format(other))
        assert len(receiver.received) == 1


def test_sender_reports_a_receiver_that_is_no_http_server() -> None:
    async def test() -> None:
        async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n\r\n")
            await writer.drain()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable) as refused:
            await Sender(OPEN, 10).post(f"http://127.0.0.1:{port}/secret", {}, b"{}")
        assert refused.value.retryable
        assert "/secret" not in str(refused.value)
        server.close()

    asyncio.run(test())

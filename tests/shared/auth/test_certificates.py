"""Which user a client's certificate names, and the ways in which proxies write one."""

import base64
import ssl
from pathlib import Path
from urllib.parse import quote

import pytest

from tandem_shared.auth import certificates
from tandem_shared.auth.certificates import Users
from tandem_shared.auth.settings import NamedBy
from tandem_shared.errors import Unauthenticated
from tests.harness.certificates import Authority

SPIFFE = "spiffe://example.com/ns/team/sa/trainer"
NAMES = ("ann", SPIFFE, "ann@example.com")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> str:
    return Path(authority.issue("ann", NAMES)[0]).read_text()


def _der(pem: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem)


@pytest.mark.parametrize("by", NamedBy)
def test_a_certificate_names_the_user_by_what_is_chosen(certificate: str, by: NamedBy) -> None:
    names = dict(zip(NamedBy, NAMES, strict=True))
    assert Users(by).of_connection(certificate) == names[by]


@pytest.mark.parametrize(
    ("by", "names", "what"),
    [
        (NamedBy.SAN_URI, ["ann"], "one URI"),
        (NamedBy.SAN_URI, ["ann", SPIFFE, f"{SPIFFE}/other"], "one URI"),
        (NamedBy.SAN_EMAIL, ["ann", "localhost"], "one address of e-mail"),
        (NamedBy.SAN_EMAIL, ["ann", "ann@example.com", "root@example.com"], "one address"),
        (NamedBy.CN, ["a\nb"], "one common name"),
        (NamedBy.CN, [" "], "one common name"),
    ],
)
def test_a_certificate_that_names_no_single_user_names_nobody(
    authority: Authority, by: NamedBy, names: list[str], what: str
) -> None:
    path, _ = authority.issue("nobody", names)
    with pytest.raises(Unauthenticated, match=what):
        Users(by).of_connection(Path(path).read_text())


def test_a_certificate_without_names_names_nobody(authority: Authority, certificate: str) -> None:
    """The authority's own has a common name alone."""
    own = authority.certificate.read_text()
    assert Users(NamedBy.CN).of_connection(own) == "Tandem tests"
    for by in (NamedBy.SAN_URI, NamedBy.SAN_EMAIL):
        with pytest.raises(Unauthenticated):
            Users(by).of_connection(own)


def test_a_connection_that_outlives_its_certificate_is_nobodys(authority: Authority) -> None:
    """The handshake has checked it, which may be long ago."""
    path, _ = authority.issue("ended", ["ann"], days=-1)
    with pytest.raises(Unauthenticated, match="has expired"):
        Users(NamedBy.CN).of_connection(Path(path).read_text())


def _ways(pem: str) -> dict[str, str]:
    der = base64.b64encode(_der(pem)).decode()
    bare = "".join(line for line in pem.splitlines() if "-----" not in line)
    return {
        "RFC 9440": f":{der}:",
        "DER in base64, as HAProxy and Caddy": der,
        "PEM percent-encoded, as nginx": quote(pem, safe=""),
        "PEM without its lines, as Traefik": bare,
        "the same percent-encoded, as older ones": quote(bare, safe=""),
        "PEM folded by tabs, as old nginx": pem.strip().replace("\n", "\n\t").replace("\n", ""),
        "with what leads to the root": f"{bare},{bare}",
        "our own": certificates.as_header(pem),
    }


@pytest.mark.parametrize("way", _ways(ssl.DER_cert_to_PEM_cert(b"")))
def test_a_header_holds_the_certificate_in_any_way_of_proxies(certificate: str, way: str) -> None:
    value = _ways(certificate)[way].encode("ascii")
    assert Users(NamedBy.CN).of_header(value) == "ann"


def test_the_first_certificate_of_a_header_counts(authority: Authority, certificate: str) -> None:
    """It is the client's; what follows leads to its root."""
    root = certificates.as_header(authority.certificate.read_text())
    value = f"{certificates.as_header(certificate)},{root}"
    assert Users(NamedBy.CN).of_header(value.encode()) == "ann"


@pytest.mark.parametrize(
    "value",
    [b"", b"::", b"ann", b"CN=ann", b"\xff\xfe", b"%ff", b"MIIB", b",", b"%2525", b"A" * 70_000],
)
def test_a_header_that_holds_no_certificate_is_refused(value: bytes) -> None:
    with pytest.raises(Unauthenticated, match="cannot be read"):
        Users(NamedBy.CN).of_header(value)


def test_a_certificate_that_is_cut_or_followed_by_more_is_refused(certificate: str) -> None:
    der = _der(certificate)
    for wrong in (der[:-1], der + b"\0", der + der):
        with pytest.raises(Unauthenticated, match="cannot be read"):
            Users(NamedBy.CN).of_header(base64.b64encode(wrong))


def test_a_service_is_known_by_its_hosts_and_uris(authority: Authority) -> None:
    path, _ = authority.issue("service", ["artifacts", "tandem-artifacts.ns.svc", SPIFFE])
    found = certificates.service_names(Path(path).read_text())
    assert found == {"artifacts", "tandem-artifacts.ns.svc", SPIFFE}
    assert certificates.service_names("nonsense") == frozenset()


def test_the_certificate_of_a_connection_is_the_first_of_its_chain(certificate: str) -> None:
    assert certificates.of_connection({"type": "http"}) is None
    without = {"extensions": {"tls": {"client_cert_chain": []}}}
    assert certificates.of_connection(without) is None
    having = {"extensions": {"tls": {"client_cert_chain": [certificate]}}}
    assert certificates.of_connection(having) == certificate

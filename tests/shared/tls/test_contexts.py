"""What files of TLS may be, and the sentence on those that are of no use."""

import ssl
from pathlib import Path

import pytest

from tandem_shared.settings import SettingsError
from tandem_shared.tls import contexts
from tandem_shared.tls.files import Files, PemFile
from tests.harness.certificates import HERE, Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


def load(
    certificate: str | Path, key: str | Path | None = None, ca: str | Path | None = None
) -> contexts.Loaded:
    files = Files(
        certificate=PemFile("--tls-cert", str(certificate)),
        key=PemFile("--tls-key", str(key)) if key else None,
        authorities=PemFile("--tls-client-ca", str(ca)) if ca else None,
    )
    return contexts.of_server(files, ask_client=ssl.CERT_REQUIRED, http2=False)


def refusal(*files: str | Path | None) -> str:
    with pytest.raises(SettingsError) as refused:
        load(*files)  # type: ignore[arg-type]
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "mode."))
    return sentence


def test_a_certificate_and_its_key_may_be_in_one_file(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("a", HERE)
    both = tmp_path / "both.pem"
    both.write_text(Path(certificate).read_text() + Path(key).read_text())
    for loaded in (load(both), load(certificate, key, authority.certificate)):
        assert loaded.expires
        assert loaded.warning() is None


def test_an_expired_certificate_is_warned_of(authority: Authority) -> None:
    loaded = load(*authority.issue("a", HERE, days=-1))
    assert (loaded.warning() or "").startswith("expired on 20")


@pytest.mark.parametrize("missing", ["--tls-cert", "--tls-key", "--tls-client-ca"])
def test_a_missing_file_is_named_with_its_flag(authority: Authority, missing: str) -> None:
    certificate, key = authority.issue("a", HERE)
    given = {"--tls-cert": certificate, "--tls-key": key, "--tls-client-ca": authority.certificate}
    given[missing] = "/no/such.pem"
    sentence = refusal(*given.values())
    assert sentence == f"{missing} /no/such.pem cannot be read: No such file or directory."


def test_a_directory_is_no_file(authority: Authority, tmp_path: Path) -> None:
    assert "cannot be read: Is a directory." in refusal(tmp_path, authority.issue("a", HERE)[1])


def test_a_key_of_another_certificate_is_told(authority: Authority) -> None:
    certificate, _ = authority.issue("a", HERE)
    _, key = authority.issue("b", HERE)
    assert refusal(certificate, key) == (
        f"The key of --tls-key {key} is not that of the first certificate of --tls-cert "
        f"{certificate}."
    )


def test_an_encrypted_key_is_told_and_no_password_asked_for(authority: Authority) -> None:
    certificate, key = authority.issue("a", HERE, password=b"secret")
    assert f"The key of --tls-key {key} is encrypted" in refusal(certificate, key)


def test_a_file_without_a_certificate_is_told(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("a", HERE)
    assert refusal(key, key) == (
        f"--tls-cert {key} holds no certificate in PEM format (-----BEGIN CERTIFICATE-----)."
    )
    assert f"--tls-client-ca {key} holds no certificate" in refusal(certificate, key, key)


def test_a_certificate_without_its_key_is_told(authority: Authority) -> None:
    certificate, _ = authority.issue("a", HERE)
    assert f"--tls-cert {certificate} holds no private key" in refusal(certificate)


@pytest.mark.parametrize("part", ["certificate", "authorities"])
def test_a_spoilt_certificate_is_told(authority: Authority, tmp_path: Path, part: str) -> None:
    certificate, key = authority.issue("a", HERE)
    spoilt = tmp_path / "spoilt.pem"
    spoilt.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    if part == "certificate":
        assert f"--tls-cert {spoilt} and its key, of --tls-key {key}, cannot be used" in refusal(
            spoilt, key
        )
    else:
        assert f"--tls-client-ca {spoilt} cannot be used" in refusal(certificate, key, spoilt)

"""Hashes of passwords in the formats that MLflow's accounts have."""

import pytest
from werkzeug.security import generate_password_hash

from tandem_metadata.access import passwords

SCRYPT = generate_password_hash("right", "scrypt:1024:8:1")
PBKDF2 = generate_password_hash("right", "pbkdf2:sha256:10")


@pytest.mark.parametrize("hash", [SCRYPT, PBKDF2], ids=["scrypt", "pbkdf2"])
def test_password_matches_its_hash_alone(hash: str) -> None:
    assert passwords.matches(hash, "right")
    for wrong in ("", "Right", "right ", "wrong"):
        assert not passwords.matches(hash, wrong)


def test_password_of_any_characters_can_be_hashed() -> None:
    for password in ("pässwörd", "\U0001f511" * 20, "a" * 5000, " "):
        assert passwords.matches(passwords.hashed(password), password)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "right",
        "plain$salt$right",
        "scrypt:3:8:1$salt$00",  # no power of two
        "scrypt:1099511627776:8:1$salt$00",  # more memory than there is
        "scrypt:0:0:0$salt$00",
        "pbkdf2:nosuch:1$salt$00",
        "pbkdf2:sha256:0$salt$00",
        "pbkdf2:sha256:99999999999999999999$salt$00",
        "scrypt:1024:8:1$salt$",
        pytest.param(f"{SCRYPT}\n", id="with-a-line-end"),
    ],
)
def test_hash_that_cannot_be_checked_matches_nothing(
    stored: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "of_nobody", lambda: SCRYPT)
    assert not passwords.matches(stored, "right")
    assert not passwords.matches(stored, "")

"""Encrypts the secrets of webhooks as Fernet tokens, like MLflow's server."""

from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from tandem_shared.errors import InvalidParameter

MAX_BYTES: Final = 687
"""The longest secret in UTF-8; its token just fits into the column's 1000 characters."""

_VARIABLE: Final = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"


class Unreadable(Exception):
    """The settings' key does not decrypt a secret; the message says what to set."""


def seal(secret: str, key: str | None) -> str:
    """The token of a secret, to be stored.

    Raises InvalidParameter without a key, and for a secret that is too long. MLflow's server makes
    a random key then, which is lost with the process, and the secret with it.
    """
    if not key:
        raise InvalidParameter(
            "This server cannot keep a webhook's secret: its administrator must set "
            f"{_VARIABLE} (--webhook-secret-encryption-key). Or leave 'secret' out."
        )
    plain = secret.encode()
    if len(plain) > MAX_BYTES:
        raise InvalidParameter(
            f"Parameter 'secret' exceeds the maximum length of {MAX_BYTES} bytes: it has "
            f"{len(plain)}."
        )
    return Fernet(key).encrypt(plain).decode()


def unseal(token: str, key: str | None) -> str:
    """The secret in a token; raises Unreadable."""
    if not key:
        raise Unreadable(f"The webhook has a secret, and {_VARIABLE} is not set.")
    try:
        return Fernet(key).decrypt(token).decode()
    except (InvalidToken, UnicodeDecodeError):
        raise Unreadable(
            f"The webhook's secret was encrypted with another key than {_VARIABLE}; "
            "set that key, or give the webhook a new secret."
        ) from None

"""The headers of a delivery, with a signature that proves the sender.

MLflow documents the signature: `v1,` and base64 of HMAC-SHA256 over
`<delivery id>.<timestamp>.<body>` with the webhook's secret. All attempts of a delivery have the
same id, but different timestamps.
"""

import base64
import hashlib
import hmac
from typing import Final

SIGNATURE: Final = "X-MLflow-Signature"
DELIVERY_ID: Final = "X-MLflow-Delivery-Id"
TIMESTAMP: Final = "X-MLflow-Timestamp"


def headers(delivery_id: str, now: int, body: bytes, secret: str | None) -> dict[str, str]:
    """The headers of an attempt at `now`, in seconds since 1970; unsigned without a secret."""
    made = {
        "Content-Type": "application/json",
        DELIVERY_ID: delivery_id,
        TIMESTAMP: str(now),
    }
    if secret:
        made[SIGNATURE] = sign(secret, delivery_id, now, body)
    return made


def sign(secret: str, delivery_id: str, now: int, body: bytes) -> str:
    """The signature of one attempt."""
    signed = f"{delivery_id}.{now}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"

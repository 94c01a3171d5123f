"""What hands out credentials in a pod of a cloud, on this machine, and what they are worth.

The libraries of the clouds ask it as they ask the real one. Secrets are random and soon forgotten.
"""

import base64
import contextlib
import datetime
import hashlib
import hmac
import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

_ROLE = "arn:aws:iam::111122223333:role/tandem-metadata"


@dataclass
class Aws:
    """Signing keys by EKS Pod Identity's agent and by STS (IRSA), and IAM's look at signatures."""

    folder: Path
    url: str = ""
    handed_out: int = 0
    """How often keys were fetched."""
    denies: bool = False
    """Whether nobody gets keys any more."""
    refuses_before: datetime.datetime | None = None
    """Tokens that were signed before are not taken."""
    refusal: str = "PAM"
    _keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    def environ(self, way: str) -> dict[str, str]:
        """The variables that a pod gets: by `pod-identity` or by `irsa`."""
        token = self.folder / "token"
        token.write_text("a ServiceAccount's token")
        apart = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}
        if way == "pod-identity":
            return {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/v1/credentials",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
                **apart,
            }
        return {
            "AWS_ROLE_ARN": _ROLE,
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_REGION": "eu-central-1",
            **apart,
        }

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        """What the agent or STS answers."""
        if self.denies:
            return 403, _sts_error("AccessDenied", "Not authorized") if method == "POST" else "{}"
        self.handed_out += 1
        key, secret, session = (secrets.token_hex(10) for _ in range(3))
        self._keys[key] = (secret, session)
        ends = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)).isoformat()
        if method == "POST":
            assert dict(parse_qsl(body.decode()))["Action"] == "AssumeRoleWithWebIdentity"
            return 200, _assumed(key, secret, session, ends)
        assert path == "/v1/credentials"
        names = ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")
        return 200, json.dumps(dict(zip(names, (key, secret, session, ends), strict=True)))

    def takes(self, user: str, endpoint: str, token: str) -> bool:
        """Whether it is a request to connect as this user, signed by a key that holds."""
        parts = urlsplit(f"https://{token}")
        query = dict(parse_qsl(parts.query))
        signature = query.pop("X-Amz-Signature", "")
        key, *scope = query.get("X-Amz-Credential", "").split("/")
        secret, session = self._keys.get(key, ("", ""))
        began = datetime.datetime.strptime(query["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
        age = datetime.datetime.now(datetime.UTC) - began
        asked = {"Action": "connect", "DBUser": user, "X-Amz-Security-Token": session}
        return (
            bool(secret)
            and (self.refuses_before is None or began >= self.refuses_before)
            and parts.netloc == endpoint
            and asked.items() <= query.items()
            and scope[1:] == ["eu-central-1", "rds-db", "aws4_request"]
            and 0 <= age.total_seconds() + 1 < int(query["X-Amz-Expires"]) <= 900
            and hmac.compare_digest(signature, _signature(secret, scope, parts.netloc, query))
        )


def _signature(secret: str, scope: list[str], host: str, query: dict[str, str]) -> str:
    """AWS's signature, version 4, of a GET without a body."""
    asked = urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
    nothing = hashlib.sha256(b"").hexdigest()
    request = "\n".join(["GET", "/", asked, f"host:{host}", "", "host", nothing])
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", query["X-Amz-Date"], "/".join(scope), hashed])
    key = f"AWS4{secret}".encode()
    for part in (*scope, text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def _assumed(key: str, secret: str, session: str, ends: str) -> str:
    return (
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{key}</AccessKeyId>"
        f"<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{session}</SessionToken>"
        f"<Expiration>{ends}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>"
    )


def _sts_error(code: str, message: str) -> str:
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>'
        f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )


@dataclass
class Google:
    """A metadata server, as Workload Identity has it, and Cloud SQL's look at its tokens."""

    url: str = ""
    seconds: int = 3600
    """How long the next tokens hold."""
    scope: str = "sqlservice.login"
    """What tokens are asked for; "" for whatever the account may."""
    denies: bool = False
    """Whether nobody gets tokens any more."""
    refusal: str = "Cloud SQL IAM service account"
    tokens: dict[str, float] = field(default_factory=dict)
    """Those that were handed out, and until when they hold, by `time.monotonic`."""

    def environ(self) -> dict[str, str]:
        """The variables by which google-auth finds it."""
        return {
            "GCE_METADATA_HOST": self.url.removeprefix("http://"),
            "GCE_METADATA_IP": self.url.removeprefix("http://"),
            "CLOUDSDK_CONFIG": "/nonexistent",
        }

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        """What the metadata server answers."""
        parts = urlsplit(path)
        if parts.path.endswith("/token"):
            if self.denies:
                return 403, "no permission to get a token"
            assert self.scope in dict(parse_qsl(parts.query)).get("scopes", "")
            token = f"ya29.{secrets.token_urlsafe(40)}"
            self.tokens[token] = time.monotonic() + self.seconds
            told = {"access_token": token, "expires_in": self.seconds, "token_type": "Bearer"}
            return 200, json.dumps(told)
        if "/service-accounts/" in parts.path:
            email = "tandem@project.iam.gserviceaccount.com"
            told = {"aliases": ["default"], "email": email, "scopes": []}
            return 200, json.dumps(told)
        if parts.path.endswith("/project/project-id"):
            return 200, "project"
        return (200, "computeMetadata/\n") if parts.path == "/" else (404, "")

    def takes(self, user: str, endpoint: str, token: str) -> bool:
        """Whether it is a token of now."""
        return time.monotonic() < self.tokens.get(token, 0)


@dataclass
class Azure:
    """Entra's tokens for a workload identity, as AKS has it. Whoever takes them looks for himself.

    They say what an emulator looks at; nobody has signed them.
    """

    folder: Path
    url: str = ""
    denies: bool = False
    """Whether nobody gets tokens any more."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """The forms by which tokens were asked for."""

    def environ(self) -> dict[str, str]:
        """The variables that AKS's webhook gives to a pod."""
        token = self.folder / "token"
        token.write_text("a ServiceAccount's token")
        return {
            "AZURE_CLIENT_ID": "00000000-0000-0000-0000-00000000000c",
            "AZURE_TENANT_ID": "00000000-0000-0000-0000-00000000000d",
            "AZURE_FEDERATED_TOKEN_FILE": str(token),
            "AZURE_AUTHORITY_HOST": self.url,
        }

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        """What Entra answers."""
        self.asked.append(dict(parse_qsl(body.decode())))
        if self.denies:
            return 400, json.dumps({"error": "invalid_grant", "error_description": "AADSTS70021"})
        assert path.endswith("/oauth2/v2.0/token")
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-00000000000d/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        token = ".".join(
            base64.urlsafe_b64encode(text).rstrip(b"=").decode()
            for text in (b'{"alg":"RS256","typ":"JWT"}', json.dumps(claims).encode(), b"unsigned")
        )
        told = {"token_type": "Bearer", "expires_in": 3600, "access_token": token}
        return 200, json.dumps(told)


class _Handler(BaseHTTPRequestHandler):
    identity: ClassVar[Any]

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        status, text = self.identity.answer(self.command, self.path, self.rfile.read(length))
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/json" if text[:1] == "{" else "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serve(
    identity: Aws | Azure | Google, certificate: tuple[str, str] | None = None
) -> Iterator[None]:
    """Let it be asked over HTTP, or with a certificate and its key over HTTPS."""
    handler = type("Handler", (_Handler,), {"identity": identity})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        identity.url = f"{scheme}://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()

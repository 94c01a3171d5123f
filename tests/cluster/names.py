"""Example hosts in client processes: their names lead to the edge, as DNS would lead them there.

The names of the manifests (`mlflow.example.com`) are nobody's here, and port 443 is not everyone's
to listen on. So a test client asks this instead of a resolver; URLs, TLS and Host headers are those
that users have.
"""

import json
import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any

VARIABLE = "TANDEM_TEST_NAMES"
_resolve = socket.getaddrinfo


def variable(hosts: Iterable[str], address: tuple[str, int]) -> dict[str, str]:
    """What tells a client process where the HTTPS port of these hosts is."""
    return {VARIABLE: json.dumps(dict.fromkeys(hosts, address))}


def install() -> None:
    """Let this process find the hosts that its environment names; others are looked up as ever."""
    socket.getaddrinfo = resolver(json.loads(os.environ[VARIABLE]))


def resolver(addresses: Mapping[str, tuple[str, int]]) -> Any:
    """What may stand for `socket.getaddrinfo` where these hosts are asked for."""

    def getaddrinfo(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        if host in addresses and port == 443:
            host, port = addresses[host]
        return _resolve(host, port, *rest, **named)

    return getaddrinfo

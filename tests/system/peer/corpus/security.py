"""Requests that are refused for the host or the origin that they name."""

from tests.system.peer.ask import API, Ask

_GET = f"{API}experiments/get"
_CREATE = f"{API}experiments/create"
_DEFAULT = (("experiment_id", "0"),)

REQUESTS = [
    Ask("a host of nobody", "GET", _GET, query=_DEFAULT, headers={"Host": "evil.example"}),
    Ask("a host that looks local", "GET", _GET, query=_DEFAULT, headers={"Host": "localhost.evil"}),
    Ask("a foreign page", "POST", _CREATE, {"name": "x"}, headers={"Origin": "https://a.example"}),
    Ask("a page of no origin", "POST", _CREATE, {"name": "x"}, headers={"Origin": "null"}),
    Ask(
        "a host of nobody at an artifact", "GET", "/get-artifact", headers={"Host": "evil.example"}
    ),
]

"""A certified OpenID Connect provider (the npm package oidc-provider), and its users' browsers."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urljoin

import httpx

from tests import npm
from tests.harness.processes import eventually, free_port, get

PACKAGE = "oidc-provider@9.13.3"
CLIENT_ID, CLIENT_SECRET = "tandem", "a secret of the client"
_SCRIPT = Path(__file__).with_name("identity_provider.mjs")
_FORM = re.compile(r'<form[^>]*action="([^"]+)"')


@dataclass
class IdentityProvider:
    """The running provider."""

    issuer: str

    def set_user(self, name: str, groups: Sequence[str] = ()) -> None:
        """Add a user, or give him other groups."""
        self._control(f"{quote(name, safe='')}/{','.join(groups)}")

    def remove_user(self, name: str) -> None:
        """He cannot log in any more, and his refresh tokens are worthless."""
        self._control(quote(name, safe=""))

    def rotate_keys(self) -> None:
        """Sign by another key from now on; logins under way and refresh tokens are forgotten."""
        self._control("rotate")

    def _control(self, path: str) -> None:
        get(f"{self.issuer}/control/{path}").raise_for_status()


def log_in(browser: httpx.Client, start: str, name: str) -> httpx.Response:
    """Follow a browser from a page that leads to the provider, through its forms, and back.

    Returns the first answer that is neither a redirect nor a form of the provider's.
    """
    answer = browser.get(start)
    for _ in range(20):
        if answer.is_redirect:
            answer = browser.get(urljoin(str(answer.url), answer.headers["location"]))
        elif (form := _FORM.search(answer.text)) and "/interaction/" in form[1]:
            prompt = "login" if 'name="login"' in answer.text else "consent"
            fields = {"prompt": prompt, "login": name, "password": "any"}
            answer = browser.post(urljoin(str(answer.url), form[1]), data=fields)
        else:
            return answer
    raise AssertionError(f"the login goes round in circles: {answer.url}")


@contextmanager
def serve(redirect_uri: str, home: str) -> Iterator[IdentityProvider]:
    """A provider without users; without npm the test is skipped, or fails if tools are required."""
    node = npm.node()
    script = npm.installed(PACKAGE) / _SCRIPT.name  # Node looks for packages beside it
    shutil.copyfile(_SCRIPT, script)
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [node, str(script), str(port), redirect_uri, home],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: _answers(issuer), "the provider answers", 60)
        yield IdentityProvider(issuer)
    finally:
        process.terminate()
        process.wait(30)


def _answers(issuer: str) -> bool:
    try:
        found = get(f"{issuer}/.well-known/openid-configuration")
    except httpx.TransportError:
        return False
    return found.is_success

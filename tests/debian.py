"""Programs that no Python package brings: they are Debian's, from `apt-get install`."""

import os
import shutil
from collections.abc import Iterable

import pytest

REQUIRED = "TANDEM_REQUIRE_TOOLS"
"""With this variable set, a missing program fails the tests instead of skipping them."""

_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where servers are, and the path of an ordinary user often is not."""


def find(name: str, package: str, required: str = REQUIRED) -> str:
    """The path of the program `name`, which Debian's `package` has.

    Without one the test (or the fixture, for all its tests) is skipped, or fails when `required`
    is set in the environment.
    """
    return find_any((name,), package, required)


def find_any(names: Iterable[str], package: str, required: str = REQUIRED) -> str:
    """As `find`, for a program that goes by several names; the first found wins."""
    names = tuple(names)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    sentence = f"no {' or '.join(names)} on this machine: apt-get install {package}"
    if os.environ.get(required):
        pytest.fail(sentence)
    pytest.skip(sentence)

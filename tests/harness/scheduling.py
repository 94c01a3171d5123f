"""Which test goes to which process of pytest-xdist, and in which order.

A group of tests goes to one process, so that what they share is started once. The longest groups
are begun first, so that no process is left alone with one at the end.
"""

import re
from collections.abc import Iterable
from typing import TypeVar

import pytest
from xdist.scheduler import LoadScopeScheduling

_Item = TypeVar("_Item", bound=pytest.Item)

_STACK = re.compile(r"\[(?:.*-)?(sqlite-disk|postgresql-s3)(?:-.*)?\]$")
"""The pair of services that a test of tests/system shares with those of other files."""

LONGEST = (
    "tests/system/peer/test_peer.py",
    "postgresql-s3",
    "sqlite-disk",
    "tests/system/test_database_compatibility.py",
    "tests/system/test_webhooks.py",
    "tests/system/test_operations.py",
    "tests/shared/test_serve.py",
    "tests/system/test_moving.py",
    "tests/system/test_migration.py",
    "tests/system/test_artifact_names.py",
    "tests/artifacts/test_transfer.py",
    "tests/artifacts/conformance/test_objects.py",
    "tests/shared/test_asgi_servers.py",
    "tests/metadata/database/test_mlflow_revisions.py",
    "tests/kubernetes/test_scrape.py",
)
"""Groups that take more than half a minute, in the order in which they are begun."""


def group_of(nodeid: str) -> str:
    """The group of a test: its file, or the pair of services that it uses, or the browser."""
    path = nodeid.partition("::")[0]
    if path.startswith("tests/browser/"):
        return "tests/browser"
    shared = path.startswith("tests/system/") and _STACK.search(nodeid)
    return shared[1] if shared else path


def longest_first(items: Iterable[_Item]) -> list[_Item]:
    """The same tests, with those of the longest groups before all others."""
    places = {group: place for place, group in enumerate(LONGEST)}
    return sorted(items, key=lambda item: places.get(group_of(item.nodeid), len(places)))


class GroupScheduling(LoadScopeScheduling):
    """Sends the tests of a group to one process, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

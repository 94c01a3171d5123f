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

_SHARED = (
    ("tests/system/", re.compile(r"\[(?:.*-)?(sqlite-disk|postgresql-s3)(?:-.*)?\]$")),
    ("tests/system/", re.compile(r"\[(?:.*-)?(beside-mlflow-(?:sqlite|postgresql))(?:-.*)?\]$")),
    ("tests/browser/", re.compile(r"\[(?:.*-)?(two_hosts)(?:-.*)?\]$")),
    ("tests/browser/", re.compile("()")),
    ("tests/artifacts/drivers/", re.compile("()")),
    ("tests/cluster/test_compose.py", re.compile("()")),
    ("tests/cluster/", re.compile(r"\[(?:.*-)?(two-hosts|single-host)(?:-.*)?\]$")),
)
"""What tests of several files share, by where they are: services named in a test's parameters, the
browser, or the stores. The first that fits counts."""

LONGEST = (
    "tests/cluster/ two-hosts",
    "tests/browser/",
    "tests/cluster/test_compose.py",
    "tests/cluster/ single-host",
    "tests/system/ postgresql-s3",
    "tests/system/test_database_compatibility.py",
    "tests/system/peer/test_peer.py",
    "tests/system/peer/test_decisions.py",
    "tests/system/ sqlite-disk",
    "tests/browser/ two_hosts",
    "tests/system/test_models.py",
    "tests/system/test_imported_file_store.py",
    "tests/system/test_gc.py",
    "tests/system/test_database_import.py",
    "tests/system/test_export.py",
    "tests/system/test_doctor.py",
    "tests/system/test_operations.py",
    "tests/shared/serving/test_serve.py",
    "tests/system/test_webhooks.py",
    "tests/system/test_moving.py",
    "tests/system/test_migration.py",
    "tests/artifacts/drivers/",
    "tests/system/test_artifact_names.py",
    "tests/artifacts/routes/test_transfer.py",
    "tests/metadata/transfer/test_databases_merging.py",
    "tests/metadata/transfer/test_databases_traps.py",
    "tests/metadata/cleanup/test_rows.py",
    "tests/metadata/database/test_mlflow_revisions.py",
    "tests/shared/serving/test_asgi_servers.py",
    "tests/metadata/webhooks/test_webhook_delivery.py",
    "tests/metadata/database/test_optimization.py",
    "tests/kubernetes/test_images.py",
    "tests/metadata/store/tracking/test_datasets.py",
    "tests/shared/serving/test_idle_connections.py",
    "tests/kubernetes/test_chart_matrix.py",
)
"""Groups that take half a minute or more, in the order in which they are begun."""


def group_of(nodeid: str) -> str:
    """The group of a test: its file, or what it shares with tests of other files."""
    path = nodeid.partition("::")[0]
    for place, pattern in _SHARED:
        if path.startswith(place) and (found := pattern.search(nodeid)):
            return f"{place} {found[1]}".rstrip()
    return path


def longest_first(items: Iterable[_Item]) -> list[_Item]:
    """The same tests, with those of the longest groups before all others."""
    places = {group: place for place, group in enumerate(LONGEST)}
    return sorted(items, key=lambda item: places.get(group_of(item.nodeid), len(places)))


class GroupScheduling(LoadScopeScheduling):
    """Sends the tests of a group to one process, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

"""docs/architecture.md names the packages and functions that there are."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "architecture.md").read_text()
DISTRIBUTIONS = ("tandem_metadata", "tandem_artifacts", "tandem_shared")
_NAMES = re.compile(r"`((?:[a-z_]+\.)+[A-Za-z_]+)`")


def _parts(distribution: str) -> set[str]:
    return {
        part.name for part in pkgutil.iter_modules(importlib.import_module(distribution).__path__)
    }


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_architecture_lists_every_package_of(distribution: str) -> None:
    section = PAGE.split(f"### `{distribution}`\n")[1].split("\n#")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert listed == _parts(distribution)


def _found(name: str) -> bool:
    """Whether a dotted name below one of the distributions is a module or has such an attribute."""
    for distribution in DISTRIBUTIONS:
        if name.split(".")[0] not in _parts(distribution):
            continue
        try:
            pkgutil.resolve_name(f"{distribution}.{name}")
        except (ImportError, AttributeError):
            continue
        return True
    return False


@pytest.mark.parametrize("name", sorted(set(_NAMES.findall(PAGE))))
def test_architecture_names_what_there_is(name: str) -> None:
    assert _found(name), f"docs/architecture.md names {name}, which is in no distribution"

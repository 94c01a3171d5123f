"""Tests that share services run in one process, or each process would start them all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.scheduling import LONGEST, group_of

_ROOT = Path(__file__).parents[1]
_TEST = """
import pytest

@pytest.mark.parametrize("number", range(6))
def test_number(number):
    pass
"""


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/shared/wire/test_codec.py::test_a[x]", "tests/shared/wire/test_codec.py"),
        ("tests/system/test_a.py::test_b[sqlite-disk]", "tests/system/ sqlite-disk"),
        ("tests/system/test_a.py::test_b[x-postgresql-s3-y]", "tests/system/ postgresql-s3"),
        ("tests/system/test_a.py::test_b[postgresql]", "tests/system/test_a.py"),
        (
            "tests/system/test_a.py::test_b[beside-mlflow-sqlite-x]",
            "tests/system/ beside-mlflow-sqlite",
        ),
        ("tests/artifacts/drivers/test_open.py::test_b[s3]", "tests/artifacts/drivers/"),
        ("tests/browser/test_tab.py::test_c", "tests/browser/"),
        ("tests/browser/test_tab.py::test_c[two_hosts]", "tests/browser/ two_hosts"),
        ("tests/cluster/test_roll.py::test_d[two-hosts]", "tests/cluster/ two-hosts"),
        ("tests/cluster/test_compose.py::test_e[two-hosts]", "tests/cluster/test_compose.py"),
        ("tests/cluster/test_stand_in.py::test_f[x]", "tests/cluster/test_stand_in.py"),
    ],
)
def test_group_of_a_test_is_its_file_or_its_services(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group


def test_longest_groups_are_in_files_that_exist() -> None:
    assert [group for group in LONGEST if not (_ROOT / group.partition(" ")[0]).exists()] == []


def test_groups_stay_in_one_process_each(tmp_path: Path) -> None:
    """With the options of `make test`, in a run of its own."""
    found = re.search(r"-n \S+ (--dist .*) \$\(ARGS\)", (_ROOT / "Makefile").read_text())
    assert found is not None
    for name in ("one", "two", "three"):
        (tmp_path / f"test_{name}.py").write_text(_TEST)
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    inherited = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-n", "2", *found[1].split(), tmp_path],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.findall(r"^\[(gw\d)\] .* PASSED test_(\w+)\.py", done.stdout, re.MULTILINE)
    assert len(ran) == 18, done.stdout
    assert len(set(ran)) == 3, done.stdout
    assert len({process for process, _ in ran}) > 1, done.stdout

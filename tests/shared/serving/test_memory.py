"""The limit of memory, as cgroups of either version tell it."""

from pathlib import Path

import pytest

from tandem_shared.serving import memory

V2 = "0::{path}\n"
V1 = "9:cpu,cpuacct:/\n4:memory:{path}\n0::/init\n"


def root(tmp_path: Path, cgroup: str, **limits: str) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(cgroup)
    for name, limit in limits.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{limit}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("cgroup", "limits", "expected"),
    [
        (V2.format(path="/"), {"memory.max": "1000"}, 1000),
        (V2.format(path="/a/b"), {"a/b/memory.max": "max", "a/memory.max": "2000"}, 2000),
        (V2.format(path="/not/mounted"), {"memory.max": "3000"}, 3000),
        (V1.format(path="/a"), {"memory/a/memory.limit_in_bytes": "4000"}, 4000),
        (V1.format(path="/docker/x"), {"memory/memory.limit_in_bytes": "5000"}, 5000),
    ],
)
def test_the_least_limit_counts(
    tmp_path: Path, cgroup: str, limits: dict[str, str], expected: int
) -> None:
    assert memory.limit(root(tmp_path, cgroup, **limits)) == expected


@pytest.mark.parametrize("limit", ["max", "9223372036854771712"])
def test_without_a_limit_it_is_the_machine_s(tmp_path: Path, limit: str) -> None:
    machine = memory.limit(tmp_path / "nothing")
    assert machine > 64 * 1024 * 1024
    assert memory.limit(root(tmp_path, V2.format(path="/"), **{"memory.max": limit})) == machine

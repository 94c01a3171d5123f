"""The memory limit of this process."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def limit(root: Path = Path("/")) -> int:
    """The least of the limits of its cgroups (version 2 and 1) and the machine's memory, in bytes.

    `root` is the directory of `proc` and `sys`.
    """
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *_limits(root)])


def _limits(root: Path) -> Iterator[int]:
    for file in _files(root):
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():  # not "max"
            yield int(text)


def _files(root: Path) -> Iterator[Path]:
    """Files that may hold the limits of this process's cgroups and of their parents."""
    mounted = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            base, name = mounted, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = mounted / "memory", "memory.limit_in_bytes"
        else:
            continue
        # A container sees its own cgroup at the top; the path is the host's.
        own = PurePosixPath(path.lstrip("/"))
        for each in (own, *own.parents):
            yield base / each / name

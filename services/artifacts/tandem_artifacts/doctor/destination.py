"""A destination on this machine's disks: whether the service may use it, and how full it is."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tandem_shared.doctor.findings import Finding, failure, ok, warning

_GIB: Final = 1024**3
LEAST_BYTES: Final = 64 * 1024**2
"""With less free, transfers fail."""
LEAST_SHARE: Final = 0.05
"""With less than this share free, and less than `_PLENTY`, it is time to make room."""
_PLENTY: Final = 20 * _GIB
_LEAST_FILES: Final = 1_000


def look(folder: Path) -> Iterator[Finding]:
    """Whether the folder is there, may be used, and has room."""
    user = f"the service's user (id {os.geteuid()})"
    if not os.path.exists(folder):
        above = next(each for each in folder.absolute().parents if each.exists())
        if os.access(above, os.W_OK | os.X_OK):
            yield warning(
                f"There is no folder {folder} yet: serve makes it.",
                "Correct --artifacts-destination if files are somewhere else already.",
            )
        else:
            yield failure(
                f"There is no folder {folder}, and {user} may not make it in {above}.",
                f"Make the folder, and give it to the user: chown {os.geteuid()} {folder}.",
            )
        return
    if not folder.is_dir():
        yield failure(
            f"{folder} is no folder.", "Give the path of a folder by --artifacts-destination."
        )
        return
    disk = os.statvfs(folder)
    if disk.f_flag & os.ST_RDONLY:
        yield failure(
            f"The file system of {folder} is read-only.", "Mount it for writing, or see why not."
        )
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield failure(
            f"{user[0].upper()}{user[1:]} may not read and write in {folder}.",
            f"Give the folder to the user: chown -R {os.geteuid()} {folder}.",
        )
    else:
        yield _room(folder, disk)


def _room(folder: Path, disk: os.statvfs_result) -> Finding:
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    shown = f"{free / _GIB:,.1f} GiB of {size / _GIB:,.1f} GiB are free at {folder}"
    cure = "Make room: delete what is not needed, or enlarge the disk."
    if free < LEAST_BYTES:
        return failure(f"The disk of {folder} is full: {free // 1024:,} KiB are free.", cure)
    if disk.f_files and disk.f_favail < _LEAST_FILES:
        return failure(f"The disk of {folder} takes {disk.f_favail} more files.", cure)
    if free < min(_PLENTY, LEAST_SHARE * size):
        return warning(f"Only {shown}.", cure)
    return ok(f"{shown}, and the service may use them.")

"""Files in PEM format: a certificate with its key, and the authorities whose certificates count."""

import os
from dataclasses import dataclass

Fingerprint = tuple[tuple[int, int, int, int] | None, ...]
"""For each file the device, inode, time of change and size; None if it cannot be looked at."""


@dataclass(frozen=True, slots=True)
class PemFile:
    """A file, and the flag that names it."""

    flag: str
    path: str

    def __str__(self) -> str:
        return f"{self.flag} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What one side of connections presents, and whom it trusts."""

    certificate: PemFile | None = None
    """The certificate, and after it those that lead to a root."""
    key: PemFile | None = None
    """The certificate's key; None if it is in the certificate's file."""
    authorities: PemFile | None = None
    """The roots that the other side's certificate must lead to."""

    def all(self) -> tuple[PemFile, ...]:
        """The files that are given."""
        given = (self.certificate, self.key, self.authorities)
        return tuple(file for file in given if file)

    def fingerprint(self) -> Fingerprint:
        """What changes whenever a file is written, replaced, or reached by another symlink.

        Kubernetes renews a volume of a Secret by one symlink: paths and names stay, inodes do not.
        """
        return tuple(_look(file.path) for file in self.all())


def _look(path: str) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

"""Negotiates the content coding of a file (RFC 9110, section 12.5.3)."""

import re
from collections.abc import Collection

IDENTITY = "identity"
PREFERENCE = ("br", "gzip", IDENTITY)
"""The content codings that files may have, the smallest first."""

_ITEM = re.compile(r"\s*([!#$%&'*+.^_`|~\w-]+)\s*(?:;\s*q\s*=\s*([0-9.]+)\s*)?", re.ASCII)


def choose(accept: str, available: Collection[str]) -> str:
    """The available coding that `Accept-Encoding` prefers, of equal ones the smallest.

    An empty header, and one that accepts no available coding, get `identity`: the file is more
    useful than an error.
    """
    weights = dict(_weights(accept))
    others = weights.get("*", 0.0)
    # RFC 9110: identity is acceptable unless excluded; here it ranks below every named coding.
    weights.setdefault(IDENTITY, others or 1e-6)
    offered = [
        (weights.get(coding, others), -rank)
        for rank, coding in enumerate(PREFERENCE)
        if coding in available
    ]
    weight, rank = max(offered, default=(0.0, 0))
    return PREFERENCE[-rank] if weight > 0 else IDENTITY


def _weights(accept: str) -> list[tuple[str, float]]:
    found = []
    for item in accept.split(","):
        if match := _ITEM.fullmatch(item):
            try:
                found.append((match[1].lower(), float(match[2] or 1)))
            except ValueError:  # as in "q=1.2.3"
                continue
    return found

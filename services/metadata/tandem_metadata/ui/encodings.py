"""Which compressed form of a file a client takes (RFC 9110, section 12.5.3)."""

import re
from collections.abc import Collection

IDENTITY = "identity"
PREFERENCE = ("br", "gzip", IDENTITY)
"""The codings we have, the smallest first."""

_ITEM = re.compile(r"\s*([!#$%&'*+.^_`|~\w-]+)\s*(?:;\s*q\s*=\s*([0-9.]+)\s*)?", re.ASCII)


def choose(accept: str, available: Collection[str]) -> str:
    """The coding to answer with: what `Accept-Encoding` weighs most, the smaller among equals.

    A client that says nothing gets the file as it is, and so does one that accepts none of what
    there is: that is more use to it than an error.
    """
    weights = dict(_weights(accept))
    others = weights.get("*", 0.0)
    # Not named, the file as it is remains acceptable, but less than anything that is named.
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

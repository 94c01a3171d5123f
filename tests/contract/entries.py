"""A contract as entries of a kind, each with a name and its members, and their text."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Entries = Mapping[str, tuple[str, ...]]
"""Members by the name of an entry."""

KINDS = {
    "endpoint": "requests that the server takes; members are the messages of request and answer",
    "message": "fields of messages, each with its type",
    "enum": "values of enumerations",
    "error": "error codes and their HTTP statuses",
    "info": "fields of server-info, which clients and the web UI ask first",
    "graphql": "types of the GraphQL schema and their fields",
    "variable": "environment variables and their defaults",
    "command": "commands of a server's operator, with their flags",
    "revision": "revisions of the database, with what they follow and what they touch",
    "table": "tables of the database and their columns",
    "page": "requests of the web UI",
    "unread": "places that the reader does not understand: look at them yourself",
}
"""Every kind of entry, in the order of the text."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What one release promises."""

    version: str
    kinds: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    def of(self, kind: str) -> Entries:
        """The entries of a kind; an unknown kind has none."""
        return self.kinds.get(kind, {})


def write(contract: Contract) -> str:
    """The text of a contract: a line an entry, sorted, so that two of them diff well."""
    lines = [
        "# What MLflow promises, as `make follow` reads it from the wheel. Nobody edits this:",
        f"# `make follow VERSION={contract.version} KEEP=1` writes it again.",
        f"mlflow {contract.version}",
    ]
    for kind, about in KINDS.items():
        if entries := contract.of(kind):
            lines += ["", f"# {about}"]
            lines += [" ".join((kind, name, *entries[name])) for name in sorted(entries)]
    return "\n".join(lines) + "\n"


def read(text: str) -> Contract:
    """The contract of a text of `write`; raises ValueError for anything else."""
    version, kinds = "", {kind: dict[str, tuple[str, ...]]() for kind in KINDS}
    for number, line in enumerate(text.splitlines(), 1):
        kind, *words = line.split(" ")
        if not line or kind.startswith("#"):
            continue
        if kind == "mlflow" and len(words) == 1:
            (version,) = words
        elif kind in KINDS and words:
            kinds[kind][words[0]] = tuple(words[1:])
        else:
            raise ValueError(f"line {number} is no entry of a contract: {line!r}")
    if not version:
        raise ValueError("a contract must have a line `mlflow VERSION`")
    return Contract(version, {kind: entries for kind, entries in kinds.items() if entries})


@dataclass(frozen=True, slots=True)
class Change:
    """How an entry differs between two contracts."""

    kind: str
    name: str
    what: str
    """`new`, `gone` or `changed`."""
    added: tuple[str, ...]
    removed: tuple[str, ...]


def compare(kept: Contract, other: Contract) -> list[Change]:
    """The changes from `kept` to `other`, by kind and name; the order of members counts not."""
    return [change for kind in KINDS for change in _of_kind(kind, kept.of(kind), other.of(kind))]


def _of_kind(kind: str, kept: Entries, other: Entries) -> Iterator[Change]:
    for name in sorted({*kept, *other}):
        if name not in kept:
            yield Change(kind, name, "new", other[name], ())
        elif name not in other:
            yield Change(kind, name, "gone", (), kept[name])
        else:
            added, removed = _lacking(other[name], kept[name]), _lacking(kept[name], other[name])
            if added or removed:
                yield Change(kind, name, "changed", added, removed)


def _lacking(members: Iterable[str], of: Iterable[str]) -> tuple[str, ...]:
    known = set(of)
    return tuple(member for member in members if member not in known)

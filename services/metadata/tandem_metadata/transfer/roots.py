"""Roots of artifact locations, and where what lies below one is below another.

One place has several spellings: `/srv/mlruns`, `file:///srv/mlruns` and `file:/srv/mlruns`. A root
in any of them stands for all. Whole segments of a path count, and case does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from tandem_metadata.rules import default_artifact_root
from tandem_shared.settings import SettingsError, without_credentials

FROM: Final = "--from"
TO: Final = "--to"

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)
_WINDOWS: Final = re.compile(r"[A-Za-z]:[\\/]")
_NO_PLACES: Final = frozenset({"models", "runs"})
"""Schemes of what names a run or a model, whose own location is rewritten."""

_ENCODED: Final = frozenset({"file", "mlflow-artifacts", "http", "https"})
"""Schemes whose paths clients decode. Those of object stores are keys as they are."""

_FILE_STARTS: Final = ("file:", "file://", "file://localhost")


@dataclass(frozen=True, slots=True)
class Form:
    """One spelling of a root, and what takes its place."""

    start: str
    """The root without the slash at its end."""
    target: str
    """The new root, likewise."""
    target_alone: str
    """The new root where no path follows: with the slash that begins its path."""
    ends: str = "/"
    """Characters that may follow `start`: a query only in a URI."""
    hostless: bool = False
    """Whether `start` is a scheme alone, so that two slashes after it would begin a host."""
    recoded: str = ""
    """Characters in the rest of the path that the new root spells otherwise; "" for none."""
    encodes: bool = False
    """Whether they are percent-encoded then; else they are decoded."""

    def rest(self, location: str) -> str | None:
        """What follows the root in a location, from the slash on; None for one elsewhere."""
        if not location.startswith(self.start):
            return None
        rest = location[len(self.start) :]
        if (rest and rest[0] not in self.ends) or (self.hostless and rest[1:2] == "/"):
            return None
        return rest

    def moved(self, rest: str) -> str:
        """The location below the new root."""
        if self.recoded and self.encodes:
            rest = "".join(f"%{ord(each):02X}" if each in self.recoded else each for each in rest)
        elif self.recoded:
            rest = unquote(rest)
        return (self.target if rest.startswith("/") else self.target_alone) + rest


class Moves:
    """Moves of roots, the longest first, so that a root within another goes its own way."""

    def __init__(self, pairs: Sequence[tuple[str, str]], flag: str = TO) -> None:
        """`pairs`: old and new roots; `flag` gives the new ones.

        Raises SettingsError for what is no root, and for an old one that is given twice.
        """
        forms: dict[str, Form] = {}
        for old, new in pairs:
            for form in _forms(old, new, flag):
                if form.start in forms:
                    raise SettingsError(
                        f"{FROM} {without_credentials(old)} is given twice, or in two spellings: "
                        "give it once."
                    )
                forms[form.start] = form
        self.forms: Sequence[Form] = sorted(forms.values(), key=lambda form: -len(form.start))
        """Each spelling, in the order in which they are tried."""

    def apply(self, location: str) -> str | None:
        """The new location of one that lies below an old root; None for any other."""
        for form in self.forms:
            if (rest := form.rest(location)) is not None:
                return form.moved(rest)
        return None

    @property
    def repeats(self) -> bool:
        """Whether a new root lies below an old one, so that a second move would move again."""
        moved = (f"{form.target}/x" for form in self.forms)
        return any(self.apply(each) not in (None, each) for each in moved)


@dataclass(frozen=True, slots=True)
class _Root:
    scheme: str
    """"" for a path."""
    start: str
    path: str
    """The path after the host, without slashes at its ends."""

    @classmethod
    def old(cls, given: str) -> "_Root":
        """A root as locations may have it; raises SettingsError."""
        if _WINDOWS.match(given):
            given = given.replace("\\", "/")
            return cls("", given.rstrip("/"), given.rstrip("/"))
        parts = _SCHEME.fullmatch(given)
        if parts is None:
            if not given.strip("/."):
                raise _refused(FROM, given, "it names no folder")
            return cls("", given.rstrip("/"), given.strip("/"))
        return cls._of_uri(FROM, given)

    @classmethod
    def new(cls, given: str, flag: str) -> "_Root":
        """A root as locations may get it; raises SettingsError."""
        if given.startswith("/") and given.strip("/"):
            return cls("", given.rstrip("/"), given.strip("/"))
        default_artifact_root.check(given, flag)
        return cls._of_uri(flag, given)

    @classmethod
    def _of_uri(cls, flag: str, given: str) -> "_Root":
        try:
            parts = urlsplit(given)
        except ValueError:
            raise _refused(flag, given, "it is no URI") from None
        if parts.scheme in _NO_PLACES:
            reason = f"{parts.scheme}:/ names a run or a model, whose own location is rewritten"
            raise _refused(flag, given, reason)
        if parts.query or "#" in given:
            raise _refused(flag, given, "it must have neither query nor fragment")
        if not given.partition(":")[2].startswith("/"):
            raise _refused(flag, given, "a slash must follow its scheme")
        if parts.scheme == "file" and not parts.path.strip("/"):
            raise _refused(flag, given, "it names no folder")
        # As it is given: the scheme, the host and the path keep their case.
        return cls(parts.scheme, given.rstrip("/"), parts.path.strip("/"))


def _forms(old: str, new: str, flag: str) -> list[Form]:
    """The spellings of an old root, each with what takes its place; raises SettingsError."""
    if not old or not new:
        raise SettingsError(f"{FROM if new else flag} must not be empty.")
    source, target = _Root.old(old), _Root.new(new, flag)
    alone = target.start if target.path else f"{target.start}/"
    forms = []
    for start, scheme, hostless in _spellings(source):
        recoded, encodes = _recoding(scheme, target.scheme)
        ends = "/?" if scheme else "/"
        forms.append(Form(start, target.start, alone, ends, hostless, recoded, encodes))
    return forms


def _spellings(root: _Root) -> list[tuple[str, str, bool]]:
    """Each as its text, its scheme, and whether it is a scheme alone."""
    if root.scheme in ("", "file"):
        return _spellings_of_path(root)
    if urlsplit(root.start).netloc:
        return [(root.start, root.scheme, False)]
    scheme = root.start.partition(":")[0]
    below = f"/{root.path}" if root.path else ""
    return [
        (f"{scheme}:{below}", root.scheme, not below),
        (f"{scheme}://{below}", root.scheme, False),
    ]


def _spellings_of_path(root: _Root) -> list[tuple[str, str, bool]]:
    path = unquote(f"/{root.path}") if root.scheme else root.start
    if _WINDOWS.match(path.removeprefix("/")):
        path = path.removeprefix("/")
    elif not path.startswith("/"):
        bare = path.removeprefix("./")
        return [(bare, "", False), (f"./{bare}", "", False)]
    slashed = path if path.startswith("/") else f"/{path}"
    names = dict.fromkeys((slashed, quote(slashed), quote(slashed, safe="/:")))
    uris = (f"{each}{name}" for name in names for each in _FILE_STARTS)
    return [(path, "", False), *((uri, "file", False) for uri in uris)]


def _recoding(old: str, new: str) -> tuple[str, bool]:
    """The characters that are spelled otherwise by the new scheme, and whether it encodes them."""
    if (old in _ENCODED) == (new in _ENCODED):
        return "", False
    if old in _ENCODED:
        return "%", False
    return ("%" if old else "%?#"), True


def _refused(flag: str, given: str, reason: str) -> SettingsError:
    return SettingsError(f"{flag} {without_credentials(given)} cannot be used: {reason}.")

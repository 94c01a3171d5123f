"""A user with all that he is granted, as a request carries him."""

import contextvars
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Grants, Key, Level, Readable
from tandem_shared.auth.rules import Principal
from tandem_shared.errors import PermissionDenied


@dataclass(frozen=True, slots=True)
class Account(Principal):
    """A user of this service."""

    id: int = 0
    experiments: tuple[str, ...] | None = None
    """Those that his token is restricted to; None for no restriction."""
    token_id: str | None = None
    """The token by which he has signed in, if it is one of this service's own."""
    expires_at: int | None = None
    """When that token ends, in milliseconds since 1970; None for never."""
    grants: Grants = field(default_factory=lambda: Grants(Level.NO_PERMISSIONS))
    credentials: bytes = field(default=b"", compare=False)
    """A digest of what he has signed in by."""
    read_at: float = field(default=0.0, compare=False)
    """When his grants were read, by the clock of the authenticator."""

    def permits(self, action: Action, *keys: Key) -> bool:
        """Whether he may do this; see `Grants.permits`. Administrators may do everything."""
        return self.admin or self.grants.permits(action, *keys)

    def need(self, action: Action, what: str, *keys: Key) -> None:
        """Raise PermissionDenied, naming the level that is missing, unless `permits`."""
        if not self.permits(action, *keys):
            raise self.denied(action, what)

    def denied(self, action: Action, what: str) -> PermissionDenied:
        """The refusal of an action on what the sentence names."""
        if action is Action.NOT_DENIED:
            who = f"user '{self.name}' is denied" if self.experiments is None else TOKEN_DENIED
            return PermissionDenied(f"Permission denied: {who} {what}.")
        return PermissionDenied(self.lacks(Level(action.value).name, what))

    def lacks(self, level: str, what: str) -> str:
        """The sentence that he, or the token by which he has signed in, lacks a level."""
        whose = f"which user '{self.name}' lacks."
        if self.experiments is not None:
            shown = ", ".join(self.experiments[:_SHOWN])
            more = ", …" if len(self.experiments) > _SHOWN else ""
            whose = (
                f"which this token of user '{self.name}' does not permit: it is restricted to "
                f"what he may do in experiments {shown}{more}."
            )
        return f"Permission denied: this needs {level} on {what}, {whose}"

    @property
    def withheld(self) -> frozenset[str]:
        """See `Grants.withheld`; nothing is withheld from administrators."""
        return _NONE if self.admin else self.grants.withheld

    @property
    def denies_experiments(self) -> bool:
        """See `Grants.denies_experiments`; nothing is denied to administrators."""
        return not self.admin and self.grants.denies_experiments

    def denied_runs(self, experiments: Mapping[str, str | None]) -> frozenset[str]:
        """Those runs whose experiments, which are given by their ids, are denied to him."""
        return frozenset(
            run for run, each in experiments.items() if each and self.grants.is_denied(each)
        )

    def readable(self, type: str, *also: str) -> Readable | None:
        """Which resources of a type his listings show; None for all.

        Where one of the types `also` is denied to him, nothing is shown.
        """
        if self.admin:
            return None
        if not all(self.grants.permits(Action.NOT_DENIED, Key(each)) for each in also):
            return _NOTHING
        found = self.grants.readable(type)
        return None if found == _EVERYTHING else found

    def restricted_to(self, experiments: Collection[str]) -> "Account":
        """The same user in these experiments, and nowhere else: no other one, no registry."""
        held = {
            each: Level.MANAGE
            if self.admin
            else self.grants.level(Key(permissions.EXPERIMENT, each))
            for each in experiments
        }
        unlimited = self.admin or self.grants.administers
        # Levels as they count, not as they are granted: the default raises these, and it goes.
        of_all = {
            kind: self.grants.level(Key(kind))
            for kind in self.grants.of_all
            if kind != permissions.WORKSPACE and not unlimited
        }
        for kind in _TOP_LEVEL:
            of_all[kind] = Level.DENY
        # Grants on scorers decide without those on the experiment, so they are taken along.
        scorer = permissions.SCORER
        of_all[scorer] = Level.MANAGE if unlimited else self.grants.level(Key(scorer))
        named = () if unlimited else self.grants.of_one.get(scorer, ())
        one = {each: self.grants.level(Key(scorer, each)) for each in named}
        of_one = {permissions.EXPERIMENT: held, scorer: one}
        grants = Grants(Level.NO_PERMISSIONS, of_all, of_one)
        return replace(self, admin=False, grants=grants, experiments=tuple(experiments))


TOKEN_DENIED: Final = "this token is restricted to experiments, and does not permit"

_SHOWN: Final = 10
_NONE: Final[frozenset[str]] = frozenset()
_EVERYTHING: Final = Readable(True, frozenset())
_NOTHING: Final = Readable(False, frozenset())
_TOP_LEVEL: Final = (
    permissions.EXPERIMENT,
    permissions.REGISTERED_MODEL,
    permissions.PROMPT,
)

_current: contextvars.ContextVar[Account | None] = contextvars.ContextVar("account", default=None)


def current() -> Account | None:
    """The user of the request under way; None where nobody is authenticated."""
    return _current.get()


def sender() -> Account:
    """The user of the request under way, where requests are authenticated."""
    if (found := _current.get()) is None:
        raise RuntimeError("nobody is authenticated")
    return found


def enter(account: Account) -> None:
    """Make this the user of the request under way."""
    _current.set(account)

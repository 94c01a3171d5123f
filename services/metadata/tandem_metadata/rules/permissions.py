"""What a grant permits, and how several grants decide together.

The levels, the types of resources and their precedence are those of MLflow's accounts:

- Of the grants on one key, DENY wins; otherwise the highest level does.
- The first key that holds any grant decides, and keys after it are not asked: the own key of a
  resource comes first, then what it lies in.
- A grant that permits anything permits at least what the default permission does. Without any
  grant the default permission decides.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tandem_metadata.rules import integers, limits
from tandem_shared.errors import InvalidParameter


class Level(enum.IntEnum):
    """What may be done, in MLflow's names; each level permits what those below it do."""

    DENY = -1
    NO_PERMISSIONS = 0
    READ = 1
    USE = 2
    EDIT = 3
    MANAGE = 4


class Action(enum.Enum):
    """What a request does, by the least level that permits it."""

    READ = Level.READ
    USE = Level.USE
    UPDATE = Level.EDIT
    DELETE = Level.MANAGE
    NOT_DENIED = Level.NO_PERMISSIONS
    """Nothing needs to be granted; a DENY forbids it. So new resources are created."""


EXPERIMENT: Final = "experiment"
REGISTERED_MODEL: Final = "registered_model"
PROMPT: Final = "prompt"
RUN: Final = "run"
TRACE: Final = "trace"
LOGGED_MODEL: Final = "logged_model"
ASSESSMENT: Final = "assessment"
SCORER: Final = "scorer"
SCORER_VERSION: Final = "scorer_version"
REVIEW_QUEUE: Final = "review_queue"
MODEL_VERSION: Final = "registered_model_version"
PROMPT_VERSION: Final = "prompt_version"
WORKSPACE: Final = "workspace"
ANY: Final = "*"
"""The pattern of a grant on all resources of a type."""

_PATTERN: Final = 255

_NAMED: Final = frozenset(
    (
        EXPERIMENT,
        REGISTERED_MODEL,
        PROMPT,
        SCORER,
        "gateway_secret",
        "gateway_endpoint",
        "gateway_model_definition",
        "mcp_server",
    )
)
"""Types whose grants may name one resource; those of others hold for all of the type."""

TYPES: Final = _NAMED | {
    RUN,
    TRACE,
    LOGGED_MODEL,
    ASSESSMENT,
    REVIEW_QUEUE,
    MODEL_VERSION,
    PROMPT_VERSION,
    SCORER_VERSION,
    "mcp_server_version",
    WORKSPACE,
}

TIERS: Final = (RUN, LOGGED_MODEL, MODEL_VERSION, PROMPT_VERSION)
"""Types of what other resources tell of: a version names its run, a run its models."""


class Key(NamedTuple):
    """What a grant is looked up by."""

    type: str
    id: str = ANY


class Grant(NamedTuple):
    """One row of `role_permissions`."""

    type: str
    pattern: str
    level: Level


@dataclass(frozen=True, slots=True)
class Readable:
    """Which resources of a type may be read: all but `ids`, or `ids` alone."""

    all_but: bool
    ids: frozenset[str]

    def __contains__(self, id: object) -> bool:
        return (id in self.ids) != self.all_but


@dataclass(frozen=True, slots=True)
class Grants:
    """All grants of one user, folded by key, with the default permission."""

    default: Level
    of_all: Mapping[str, Level] = field(default_factory=dict)
    """By type, what holds for all of it."""
    of_one: Mapping[str, Mapping[str, Level]] = field(default_factory=dict)
    """By type and id; DENY of the whole type is in it already."""
    administers: bool = False
    """Whether MANAGE of the workspace makes each other grant needless, a DENY too."""
    withheld: frozenset[str] = field(init=False, compare=False)
    """Types in `TIERS` that are denied: other resources are shown without what tells of these."""
    denies_experiments: bool = field(init=False, compare=False)
    """Whether any experiment is denied: versions are shown without its runs."""
    denies_files: bool = field(init=False, compare=False)
    """Whether anything is denied that has artifacts: experiments, or what lies in them."""
    _readable: dict[str, Readable] = field(
        init=False, compare=False, repr=False, default_factory=dict
    )
    """What `readable` has found, by type."""

    def __post_init__(self) -> None:
        denied = (each for each in TIERS if not self.permits(Action.NOT_DENIED, Key(each)))
        object.__setattr__(self, "withheld", frozenset(denied))
        ids = (ANY, *self.of_one.get(EXPERIMENT, ()))
        experiments = any(self.is_denied(each) for each in ids)
        tiers = (self.level(Key(each)) for each in (RUN, LOGGED_MODEL, TRACE))
        object.__setattr__(self, "denies_experiments", experiments)
        object.__setattr__(self, "denies_files", experiments or Level.DENY in tiers)

    @classmethod
    def of(cls, grants: Iterable[Grant], default: Level) -> "Grants":
        """Fold grants. Those whose pattern their type does not take count for nothing."""
        of_all: dict[str, Level] = {}
        named: dict[str, dict[str, Level]] = {}
        held = [*grants]
        for kind, pattern, level in held:
            if pattern == ANY:
                of_all[kind] = _fold(of_all.get(kind), level)
            elif kind in _NAMED:
                ids = named.setdefault(kind, {})
                ids[pattern] = _fold(ids.get(pattern), level)
        for kind, ids in named.items():
            if (whole := of_all.get(kind)) is not None:
                for each in ids:
                    ids[each] = _fold(ids[each], whole)
        return cls(default, of_all, named, Grant(WORKSPACE, ANY, Level.MANAGE) in held)

    def level(self, *keys: Key) -> Level:
        """The level by the first of the keys that holds a grant, or by none."""
        if self.administers:
            return Level.MANAGE
        for key in keys:
            found = self.of_one.get(key.type, {}).get(key.id)
            if found is None:
                found = self.of_all.get(key.type)
            if found is not None:
                return self._at_least_default(found)
        return self.default

    def permits(self, action: Action, *keys: Key) -> bool:
        """Whether the level by these keys permits the action."""
        return self.level(*keys) >= action.value

    def is_denied(self, experiment: str) -> bool:
        """Whether a DENY is on an experiment, or on all."""
        return self.level(Key(EXPERIMENT, experiment)) is Level.DENY

    def is_same_for_all(self, *types: str) -> bool:
        """Whether no grant on these types names a resource: each is decided like any other."""
        return self.administers or not any(self.of_one.get(each) for each in types)

    def readable(self, type: str) -> Readable:
        """Which resources of a type listings show; found once, as there may be many grants."""
        if (found := self._readable.get(type)) is None:
            found = self._readable[type] = self._find_readable(type)
        return found

    def _find_readable(self, type: str) -> Readable:
        workspace = Key(WORKSPACE)
        others = self.permits(Action.READ, Key(type), workspace)
        ids = frozenset(
            each
            for each in self.of_one.get(type, {})
            if self.permits(Action.READ, Key(type, each), workspace) != others
        )
        return Readable(others, ids)

    def _at_least_default(self, level: Level) -> Level:
        return level if level <= Level.NO_PERMISSIONS else max(level, self.default)


def _fold(held: Level | None, level: Level) -> Level:
    if held is None:
        return level
    return Level.DENY if Level.DENY in (held, level) else max(held, level)


def level_of(name: str, type: str) -> Level:
    """The level that a grant on a type may have; raises InvalidParameter for another name."""
    check_type(type)
    able = (Level.USE, Level.MANAGE) if type == WORKSPACE else (*Level,)
    allowed = [each.name for each in able if each is not Level.NO_PERMISSIONS]
    if name not in allowed:
        raise InvalidParameter(
            f"Invalid permission '{name}' for resource_type='{type}'; use one of "
            f"{', '.join(allowed)}."
        )
    return Level[name]


def check_type(type: str) -> None:
    """Raise InvalidParameter unless grants can be on resources of this type."""
    if type not in TYPES:
        raise InvalidParameter(
            f"Invalid resource type '{type}'; use one of {', '.join(sorted(TYPES))}."
        )


def check_of_resource(type: str) -> None:
    """Raise InvalidParameter for the workspace, which single users are not granted."""
    if type == WORKSPACE:
        raise InvalidParameter(
            f"resource_type '{WORKSPACE}' is not supported for single users; grant it to a role."
        )
    check_type(type)


def canonical(pattern: str, type: str) -> str:
    """The pattern by which requests look for a grant: an experiment's number as it is stored."""
    if type != EXPERIMENT or pattern == ANY:
        return pattern
    try:
        number = integers.parse(pattern)
    except ValueError:
        return pattern
    return pattern if number is None else str(number)


def check_pattern(pattern: str, type: str) -> None:
    """Raise InvalidParameter for a pattern that grants on this type cannot have."""
    check_type(type)
    limits.check_length("resource_pattern", pattern, _PATTERN)
    if pattern != ANY and type not in _NAMED:
        raise InvalidParameter(
            f"Invalid resource_pattern '{pattern}' for resource_type='{type}': its grants hold "
            "for all of the type; use '*'."
        )

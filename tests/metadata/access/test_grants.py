"""What grants permit, beside a plain evaluator of MLflow's rules of precedence (hypothesis)."""

from hypothesis import example, given
from hypothesis import strategies as st

from tandem_metadata.access.account import Account
from tandem_metadata.rules.permissions import (
    ANY,
    EXPERIMENT,
    LOGGED_MODEL,
    PROMPT,
    REGISTERED_MODEL,
    RUN,
    SCORER,
    TIERS,
    WORKSPACE,
    Action,
    Grant,
    Grants,
    Key,
    Level,
)

NAMED = (EXPERIMENT, REGISTERED_MODEL, PROMPT)
IDS = ("1", "2", "m")
DEFAULTS = (Level.NO_PERMISSIONS, Level.READ, Level.USE, Level.EDIT, Level.MANAGE)

_grants = st.lists(
    st.builds(
        Grant,
        st.sampled_from((*NAMED, *TIERS, WORKSPACE)),
        st.sampled_from((ANY, *IDS)),
        st.sampled_from(Level),
    ),
    max_size=8,
)
_keys = st.lists(
    st.builds(Key, st.sampled_from(NAMED), st.sampled_from(IDS))
    | st.builds(Key, st.sampled_from((*NAMED, *TIERS, WORKSPACE))),
    min_size=1,
    max_size=3,
)
_defaults = st.sampled_from(DEFAULTS)


def _plain(grants: list[Grant], default: Level, keys: list[Key]) -> Level:
    """The level as MLflow's rules say it, grant by grant."""
    if Grant(WORKSPACE, ANY, Level.MANAGE) in grants:
        return Level.MANAGE
    for key in keys:
        found = [
            level
            for kind, pattern, level in grants
            if kind == key.type and (pattern == ANY or (kind in NAMED and pattern == key.id))
        ]
        if Level.DENY in found:
            return Level.DENY
        if found:
            best = max(found)
            return best if best is Level.NO_PERMISSIONS else max(best, default)
    return default


@given(_grants, _defaults, _keys)
def test_grants_are_folded_as_the_rules_say(
    grants: list[Grant], default: Level, keys: list[Key]
) -> None:
    assert Grants.of(grants, default).level(*keys) is _plain(grants, default, keys)


@given(_grants, _defaults, st.sampled_from(NAMED), st.sampled_from((*IDS, "unknown")))
def test_listings_show_what_may_be_read_alone(
    grants: list[Grant], default: Level, kind: str, id: str
) -> None:
    readable = Grants.of(grants, default).readable(kind)
    may_read = _plain(grants, default, [Key(kind, id), Key(WORKSPACE)]) >= Level.READ
    assert (id in readable) is may_read


@given(_grants, _defaults)
def test_withheld_is_what_is_denied(grants: list[Grant], default: Level) -> None:
    denied = {each for each in TIERS if _plain(grants, default, [Key(each)]) is Level.DENY}
    assert Grants.of(grants, default).withheld == denied
    admin = Account(name="a", admin=True, grants=Grants.of(grants, default))
    assert admin.withheld == set()


@given(_grants, _defaults, _keys)
def test_grants_that_name_no_resource_decide_all_alike(
    grants: list[Grant], default: Level, keys: list[Key]
) -> None:
    folded = Grants.of(grants, default)
    kinds = [key.type for key in keys]
    if folded.is_same_for_all(*kinds):
        assert folded.level(*keys) is folded.level(*(Key(kind) for kind in kinds))


@given(
    _grants,
    _defaults,
    st.booleans(),
    st.sets(st.sampled_from(IDS)),
    st.sampled_from(IDS),
    st.sampled_from((None, RUN, LOGGED_MODEL)),
    st.sampled_from(Action),
)
@example([Grant(RUN, ANY, Level.READ)], Level.USE, False, {"1"}, "1", RUN, Action.USE)
def test_token_that_is_restricted_permits_the_same_within_and_nothing_beyond(
    grants: list[Grant],
    default: Level,
    admin: bool,
    experiments: set[str],
    id: str,
    tier: str | None,
    action: Action,
) -> None:
    whole = Account(name="a", admin=admin, grants=Grants.of(grants, default))
    token = whole.restricted_to(experiments)
    assert not token.admin

    def permits(account: Account) -> bool:
        experiment = Key(EXPERIMENT, id)
        if not tier:
            return account.permits(action, experiment)
        return account.permits(Action.READ, experiment) and account.permits(
            action, Key(tier), experiment
        )

    assert permits(token) is (id in experiments and permits(whole))
    readable = token.readable(EXPERIMENT)
    assert readable is not None
    assert (id in readable) is (
        id in experiments and token.permits(Action.READ, Key(EXPERIMENT, id))
    )


@given(_grants, _defaults, st.booleans(), st.sampled_from(Action), st.sampled_from(IDS))
def test_token_that_is_restricted_has_no_registry_and_creates_no_experiment(
    grants: list[Grant], default: Level, admin: bool, action: Action, id: str
) -> None:
    token = Account(name="a", admin=admin, grants=Grants.of(grants, default)).restricted_to(["1"])
    for kind in (REGISTERED_MODEL, PROMPT):
        assert not token.permits(action, Key(kind, id))
        assert not token.permits(action, Key(kind))
        readable = token.readable(kind)
        assert readable is not None
        assert id not in readable
    assert not token.permits(Action.NOT_DENIED, Key(EXPERIMENT))


@given(st.text(), _defaults)
def test_grant_on_one_of_a_type_whose_grants_hold_for_all_counts_for_nothing(
    pattern: str, default: Level
) -> None:
    given = [] if pattern == ANY else [Grant(RUN, pattern, Level.DENY)]
    assert Grants.of(given, default).level(Key(RUN)) is default


def test_token_that_is_restricted_has_grants_on_scorers_as_they_count() -> None:
    """The default permission raises a grant that is less."""
    whole = Account(name="a", grants=Grants.of([Grant(SCORER, "1/s", Level.READ)], Level.USE))
    scorer = Key(SCORER, "1/s")
    assert whole.permits(Action.USE, scorer)
    assert whole.restricted_to({"1"}).permits(Action.USE, scorer)

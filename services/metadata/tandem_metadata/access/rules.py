"""The rules that endpoints name: who may send a request, by what it asks for.

The decisions are those of MLflow's accounts:

- What lies in an experiment needs READ there. Beyond that, a grant on all runs (or logged models)
  decides alone; without one the grant on the experiment does.
- What is created in something needs EDIT there, and must not be denied.
- Versions are to registered models and prompts what runs are to experiments (`registry_rules`).
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from tandem_metadata.access.account import Account
from tandem_metadata.access.owners import Owners
from tandem_metadata.access.reads import Reads
from tandem_metadata.rules import permissions, retention
from tandem_metadata.rules.permissions import Action, Key
from tandem_metadata.search.language.fields import Entity, Resource
from tandem_metadata.search.language.groups import leaves
from tandem_metadata.search.language.logged_model_fields import LOGGED_MODELS
from tandem_metadata.search.language.model_version_fields import MODEL_VERSIONS
from tandem_metadata.search.language.parser import parse_filter
from tandem_shared.auth.rules import Rule

_CASCADE: Final = (
    permissions.RUN,
    permissions.TRACE,
    permissions.LOGGED_MODEL,
    permissions.ASSESSMENT,
    permissions.REVIEW_QUEUE,
    permissions.SCORER,
    permissions.SCORER_VERSION,
)
"""What goes, and comes back, with its experiment."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request that is not an administrator's, and what decides it."""

    account: Account
    owners: Owners
    read: Reads
    """Runs functions of the store of accounts."""

    def need_experiment(self, action: Action, id: str) -> None:
        """Raise PermissionDenied unless he may do this to an experiment."""
        self.account.need(action, f"experiment {id}", experiment_key(id))

    def need_in_experiment(self, action: Action, type: str, id: str, what: str) -> None:
        """Raise PermissionDenied unless he may do this to what lies in an experiment."""
        experiment = experiment_key(id)
        self.account.need(Action.READ, what, experiment)
        self.account.need(action, what, Key(type), experiment)

    def need_new_in_experiment(self, type: str, id: str) -> None:
        """Raise PermissionDenied unless he may create something in an experiment."""
        self.need_experiment(Action.UPDATE, id)
        self.account.need(Action.NOT_DENIED, f"new {plural(type)}", Key(type))

    async def need_runs(self, action: Action, ids: Collection[str]) -> None:
        """Raise PermissionDenied unless he may do this to each run, and each exists.

        Where all experiments are alike to him, whether a run exists is no secret, and is not asked.
        """
        if self.account.grants.is_same_for_all(permissions.EXPERIMENT):
            self.need_in_experiment(action, permissions.RUN, permissions.ANY, "runs")
            return
        for run_id, experiment in (await self.owners.runs.of(ids)).items():
            if not self._may_in(action, permissions.RUN, experiment):
                self._refuse_in(action, permissions.RUN, experiment, f"run {run_id[:SHOWN]}")

    async def need_logged_models(self, action: Action, ids: Collection[str]) -> None:
        """As `need_runs`, for logged models."""
        if self.account.grants.is_same_for_all(permissions.EXPERIMENT):
            self.need_in_experiment(
                action, permissions.LOGGED_MODEL, permissions.ANY, "logged models"
            )
            return
        for model_id, experiment in (await self.owners.logged_models.of(ids)).items():
            if not self._may_in(action, permissions.LOGGED_MODEL, experiment):
                what = f"logged model {model_id[:SHOWN]}"
                self._refuse_in(action, permissions.LOGGED_MODEL, experiment, what)

    async def need_traces(self, action: Action, ids: Collection[str]) -> Collection[str]:
        """As `need_runs`, for traces; returns the ids of their experiments.

        Where all experiments are alike to him, that is `permissions.ANY`.
        """
        if self.account.grants.is_same_for_all(permissions.EXPERIMENT):
            self.need_in_experiment(action, permissions.TRACE, permissions.ANY, "traces")
            return (permissions.ANY,)
        found = await self.owners.of_traces(ids)
        for trace_id, experiment in found.items():
            if not self._may_in(action, permissions.TRACE, experiment):
                what = f"trace {trace_id[:SHOWN]}"
                self._refuse_in(action, permissions.TRACE, experiment, what)
        return {each for each in found.values() if each is not None}

    async def need_not_denied(self, roots: Collection[str], path: str = "") -> None:
        """Raise PermissionDenied if a DENY is on what a path below these locations belongs to.

        READ on a model's versions lets a user read files that he may not read otherwise, but none
        that are denied to him.
        """
        for each in roots:
            if await self.owners.artifacts.is_denied(self.account, each, path):
                raise self.account.denied(Action.NOT_DENIED, "what the version's files belong to")

    def _may_in(self, action: Action, type: str, experiment: str | None) -> bool:
        """Whether he may do this to what lies in an experiment; None is what does not exist."""
        if experiment is None:
            return False
        own, permits = Key(permissions.EXPERIMENT, experiment), self.account.permits
        return permits(Action.READ, own) and permits(action, Key(type), own)

    def _refuse_in(self, action: Action, type: str, experiment: str | None, what: str) -> NoReturn:
        # What does not exist is refused in the words for what he may not read.
        if experiment is not None:
            self.need_in_experiment(action, type, experiment, what)
        raise self.account.denied(Action.READ, what)

    async def registered(self, name: str) -> tuple[Key, Key]:
        """The keys of a registered model or prompt, and of its versions.

        A name that nobody has counts as a model's.
        """
        family = permissions.REGISTERED_MODEL
        if not self.account.grants.is_same_for_all(*_FAMILIES) or self._families_differ():
            family = await self.owners.family(name) or family
        return Key(family, name), Key(VERSIONS[family])

    def _families_differ(self) -> bool:
        of_all = self.account.grants.of_all
        models, prompts = (
            (of_all.get(family), of_all.get(VERSIONS[family])) for family in _FAMILIES
        )
        return models != prompts


SHOWN: Final = 100
"""The most of a name that a refusal repeats."""
_FAMILIES: Final = (permissions.REGISTERED_MODEL, permissions.PROMPT)
VERSIONS: Final = {
    permissions.REGISTERED_MODEL: permissions.MODEL_VERSION,
    permissions.PROMPT: permissions.PROMPT_VERSION,
}
"""The type of the versions of a registered model and of a prompt."""

Check = Callable[[Caller, Any], Awaitable[None]]
"""Raises PermissionDenied for a message that the caller may not send."""


@dataclass(frozen=True, slots=True)
class MessageRule(Rule):
    """A rule that looks at the request's message as well; administrators pass without it."""

    check: Check | None = None


def experiment_key(id: str) -> Key:
    """The key of an experiment, however the number is written."""
    return Key(permissions.EXPERIMENT, permissions.canonical(id, permissions.EXPERIMENT))


def plural(type: str) -> str:
    """Resources of a type, as a refusal calls them."""
    return type.replace("_", " ") + "s"


def level(action: Action) -> str:
    """The level that permits it, as the text of a rule calls it."""
    return permissions.Level(action.value).name if action is not Action.NOT_DENIED else "no DENY"


def experiment(action: Action) -> MessageRule:
    """For messages with `experiment_id`."""

    async def check(caller: Caller, message: Any) -> None:
        caller.need_experiment(action, message.experiment_id)

    return MessageRule(f"{level(action)} on the experiment", check=check)


async def _experiment_by_name(caller: Caller, message: Any) -> None:
    alike = caller.account.grants.is_same_for_all(permissions.EXPERIMENT)
    if alike and caller.account.permits(Action.READ, Key(permissions.EXPERIMENT)):
        return
    # A name that nobody has is told to be free: clients then create the experiment.
    found = await caller.owners.experiment_named(message.experiment_name)
    caller.need_experiment(Action.READ, found)


async def _whole_experiment(caller: Caller, message: Any) -> None:
    whole = experiment_key(message.experiment_id)
    caller.need_experiment(Action.DELETE, message.experiment_id)
    for kind in _CASCADE:
        what = f"the {plural(kind)} of experiment {whole.id[:SHOWN]}"
        caller.account.need(Action.DELETE, what, Key(kind), whole)


async def _experiment_tag(caller: Caller, message: Any) -> None:
    if message.key == retention.TAG:  # which has traces, and what is deleted, go for good
        await _whole_experiment(caller, message)
    caller.need_experiment(Action.UPDATE, message.experiment_id)


async def _experiments(caller: Caller, message: Any) -> None:
    for each in message.experiment_ids:
        caller.need_experiment(Action.READ, each)


def new(type: str) -> MessageRule:
    """For what is created in nothing else."""

    async def check(caller: Caller, _: Any) -> None:
        caller.account.need(Action.NOT_DENIED, f"new {plural(type)}", Key(type))

    return MessageRule(f"any user to whom {plural(type)} are not denied", check=check)


async def _new_experiment(caller: Caller, message: Any) -> None:
    account = caller.account
    account.need(Action.NOT_DENIED, "new experiments", Key(permissions.EXPERIMENT))
    location = message.artifact_location
    if location and not await caller.owners.artifacts.may_locate(account, location):
        raise account.denied(
            Action.DELETE,
            "all that the artifact_location lies in or holds (leave it out, or choose another)",
        )


NEW_EXPERIMENT: Final = MessageRule(
    "any user to whom experiments are not denied; MANAGE on all that the location lies in or holds",
    check=_new_experiment,
)
EXPERIMENT_BY_NAME: Final = MessageRule("READ on the experiment", check=_experiment_by_name)
EXPERIMENT_TAG: Final = MessageRule(
    "EDIT on the experiment; for the tag tandem.retention as to delete the experiment",
    check=_experiment_tag,
)
WHOLE_EXPERIMENT: Final = MessageRule(
    "MANAGE on the experiment and on what it holds", check=_whole_experiment
)
EXPERIMENTS: Final = MessageRule("READ on each experiment", check=_experiments)
LISTED: Final = Rule("any user; the answer holds what he may read")


def some_experiments(*also: str) -> MessageRule:
    """For searches that show what is readable of `experiment_ids`: refused where nothing is.

    Nor may one of the types `also` be denied.
    """

    async def check(caller: Caller, message: Any) -> None:
        readable = caller.account.readable(permissions.EXPERIMENT, *also)
        ids = [experiment_key(each).id for each in message.experiment_ids]
        if readable is not None and ids and not any(each in readable for each in ids):
            raise caller.account.denied(Action.READ, "any of these experiments")

    return MessageRule(
        "READ on an experiment; the answer holds what the user may read", check=check
    )


def searched_without_runs(fields: Resource, field: str) -> MessageRule:
    """For searches whose filter must not tell of runs, by a condition on `field`, if denied."""

    async def check(caller: Caller, message: Any) -> None:
        account = caller.account
        denied = permissions.RUN in account.withheld
        if not message.filter or not (denied or account.denies_experiments):
            return
        conditions = leaves(fields.criteria(parse_filter(message.filter)))
        on_runs = [
            each
            for each in conditions
            if each.field.entity is Entity.ATTRIBUTE and each.field.key == field
        ]
        if on_runs and denied:
            account.need(Action.NOT_DENIED, f"a filter on {field}", Key(permissions.RUN))
        if not on_runs or not account.denies_experiments:
            return
        ids: set[str] = set()
        for each in on_runs:
            if each.negated or each.operator not in ("=", "IN"):
                raise account.denied(Action.NOT_DENIED, f"a filter on {field} but by = and IN")
            values = each.value if isinstance(each.value, tuple | list) else (each.value,)
            ids.update(str(value) for value in values)
        if account.denied_runs(await caller.owners.runs.of(ids)):
            raise account.denied(Action.NOT_DENIED, f"a filter on {field} of a run")

    return MessageRule(
        f"{LISTED.text}; a filter on {field} needs runs not denied, "
        "by = and IN where single ones are",
        check=check,
    )


VERSIONS_LISTED: Final = searched_without_runs(MODEL_VERSIONS, "run_id")
LOGGED_MODELS_LISTED: Final = searched_without_runs(LOGGED_MODELS, "source_run_id")


def run(action: Action) -> MessageRule:
    """For messages with `run_id`, or with `run_uuid` of old clients."""

    async def check(caller: Caller, message: Any) -> None:
        if run_id := _run_id(message):
            await caller.need_runs(action, (run_id,))

    return MessageRule(f"{level(action)} on the run", check=check)


def _run_id(message: Any) -> str | None:
    run_id: str | None = getattr(message, "run_id", None) or getattr(message, "run_uuid", None)
    return run_id


def logging(model_ids: Callable[[Any], Iterable[str | None]]) -> MessageRule:
    """For messages that log to a run and perhaps to logged models, which `model_ids` finds."""

    async def check(caller: Caller, message: Any) -> None:
        if run_id := _run_id(message):
            await caller.need_runs(Action.UPDATE, (run_id,))
        if models := {each for each in model_ids(message) if each}:
            await caller.need_logged_models(Action.UPDATE, models)

    return MessageRule("EDIT on the run and on each logged model", check=check)


def runs(ids: Callable[[Any], Collection[str]]) -> MessageRule:
    """For messages that read several runs."""

    async def check(caller: Caller, message: Any) -> None:
        await caller.need_runs(Action.READ, ids(message))

    return MessageRule("READ on each run", check=check)


async def _runs_of_experiment(caller: Caller, message: Any) -> None:
    what = f"the runs of experiment {message.experiment_id[:SHOWN]}"
    caller.need_in_experiment(Action.READ, permissions.RUN, message.experiment_id, what)


RUNS_OF_EXPERIMENT: Final = MessageRule(
    "READ on the experiment and on its runs", check=_runs_of_experiment
)


def new_in_experiment(type: str) -> MessageRule:
    """For what is created in the experiment of `experiment_id`, perhaps by a run."""

    async def check(caller: Caller, message: Any) -> None:
        caller.need_new_in_experiment(type, message.experiment_id)
        if source := getattr(message, "source_run_id", None):
            await caller.need_runs(Action.READ, (source,))

    return MessageRule(f"EDIT on the experiment; {plural(type)} not denied", check=check)


def logged_model(action: Action) -> MessageRule:
    """For messages with `model_id`."""

    async def check(caller: Caller, message: Any) -> None:
        await caller.need_logged_models(action, (message.model_id,))

    return MessageRule(f"{level(action)} on the logged model", check=check)


def trace(action: Action) -> MessageRule:
    """For messages with `trace_id`, or with `request_id` of old clients and the web UI."""

    async def check(caller: Caller, message: Any) -> None:
        if trace_id := getattr(message, "trace_id", "") or getattr(message, "request_id", ""):
            await caller.need_traces(action, (trace_id,))

    return MessageRule(f"{level(action)} on the trace", check=check)


async def _deleted_traces(caller: Caller, message: Any) -> None:
    named = message.experiment_id
    what = f"the traces of experiment {named[:SHOWN]}"
    caller.need_in_experiment(Action.DELETE, permissions.TRACE, named, what)
    # Assessments go with them: a grant on these decides, else one on the experiment.
    granted = permissions.ASSESSMENT in caller.account.grants.of_all
    action = Action.DELETE if granted else Action.UPDATE
    caller.need_in_experiment(action, permissions.ASSESSMENT, named, f"assessments of {what}")


async def _linked_traces(caller: Caller, message: Any) -> None:
    await caller.need_runs(Action.UPDATE, (message.run_id,))
    await caller.need_traces(Action.READ, message.trace_ids)


DELETED_TRACES: Final = MessageRule(
    "MANAGE on the experiment's traces, EDIT on their assessments", check=_deleted_traces
)
LINKED_TRACES: Final = MessageRule("EDIT on the run, READ on each trace", check=_linked_traces)


async def _run_or_logged_model(caller: Caller, message: Any) -> None:
    if message.model_id:
        await caller.need_logged_models(Action.UPDATE, (message.model_id,))
    elif message.run_id:
        await caller.need_runs(Action.UPDATE, (message.run_id,))


RUN_OR_LOGGED_MODEL: Final = MessageRule(
    "EDIT on the run or the logged model", check=_run_or_logged_model
)

"""The rules of endpoints of registered models and prompts, and of their versions.

Versions are to them what runs are to experiments. A version shows what it was made of, so that must
be readable as well.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

from tandem_metadata.access.rules import SHOWN, VERSIONS, Caller, MessageRule, level, plural
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Key
from tandem_metadata.store.registry.prompts import marked
from tandem_metadata.store.registry.sources import names_in


def registered(action: Action, versions: Action | None = None) -> MessageRule:
    """For messages that name a registered model or prompt; `versions`: also on its versions."""

    async def check(caller: Caller, message: Any) -> None:
        container, tier = await caller.registered(message.name)
        what = f"{_family(container)} {message.name[:SHOWN]!r}"
        caller.account.need(action, what, container)
        if versions:
            caller.account.need(versions, f"versions of {what}", tier, container)

    also = f", {level(versions)} on its versions" if versions else ""
    return MessageRule(f"{level(action)} on the registered model or prompt{also}", check=check)


def version(action: Action) -> MessageRule:
    """For messages that change a version; `READ` for those that only read it.

    Reading needs READ on the model, and versions not denied.
    """

    async def check(caller: Caller, message: Any) -> None:
        container, tier = await caller.registered(message.name)
        what = f"{_family(container)} {message.name[:SHOWN]!r}"
        caller.account.need(Action.READ, what, container)
        if action is Action.READ:
            caller.account.need(Action.NOT_DENIED, f"versions of {what}", tier)
        else:
            caller.account.need(action, f"versions of {what}", tier, container)

    return MessageRule(f"{level(action)} on the version", check=check)


async def _version_file(caller: Caller, message: Any) -> None:
    if READ_VERSION.check:
        await READ_VERSION.check(caller, message)
    if caller.account.grants.denies_files:
        roots = await caller.owners.version_roots(message.name, message.version)
        await caller.need_not_denied(roots, message.path)


READ_VERSION: Final = version(Action.READ)
VERSION_FILE: Final = MessageRule(
    f"{READ_VERSION.text}; no DENY on what its files belong to", check=_version_file
)
"""For messages with `name`, `version` and the `path` of a file, which is checked already."""


def is_prompt(message: Any) -> bool:
    """Whether the tags of a message, which are those that will be stored, make a prompt."""
    return marked({tag.key: tag.value for tag in message.tags})


async def _new_registered(caller: Caller, message: Any) -> None:
    kind = permissions.PROMPT if is_prompt(message) else permissions.REGISTERED_MODEL
    caller.account.need(Action.NOT_DENIED, f"new {plural(kind)}", Key(kind, message.name))


async def _new_version(caller: Caller, message: Any) -> None:
    family = await caller.owners.family(message.name)
    if family is None:
        raise caller.account.denied(Action.UPDATE, f"registered model {message.name[:SHOWN]!r}")
    container, tier = Key(family, message.name), VERSIONS[family]
    what = f"{_family(container)} {message.name[:SHOWN]!r}"
    caller.account.need(Action.UPDATE, what, container)
    caller.account.need(Action.NOT_DENIED, f"new versions of {what}", Key(tier))
    asserted = permissions.PROMPT_VERSION if is_prompt(message) else permissions.MODEL_VERSION
    if asserted != tier:
        caller.account.need(Action.NOT_DENIED, f"new versions of {what}", Key(asserted))
    await _source(caller, message)


async def _source(caller: Caller, message: Any) -> None:
    """A version shows what it was made of, so that must be readable as well."""
    names = names_in(message.source)
    if len(names) > 1:  # models:/name/version
        await _copied_version(caller, names[0], message.source)
        return
    if names and "@" in names[0]:  # models:/name@alias
        await _copied_version(caller, names[0].rpartition("@")[0], message.source)
        return
    if message.run_id is not None:
        await _existing(caller.need_runs, message.run_id, caller, "run")
    if message.model_id is not None:
        await _existing(caller.need_logged_models, message.model_id, caller, "logged model")
    if names and names[0]:  # models:/m-…
        await caller.need_logged_models(Action.READ, names)


async def _copied_version(caller: Caller, name: str, source: str) -> None:
    family = await caller.owners.family(name)
    if family is None:
        raise caller.account.denied(Action.READ, f"registered model {name[:SHOWN]!r}")
    caller.account.need(Action.READ, f"registered model {name[:SHOWN]!r}", Key(family, name))
    if caller.account.grants.denies_files:
        await caller.need_not_denied(await caller.owners.copied_roots(source))


async def _existing(
    need: Callable[[Action, Collection[str]], Awaitable[None]], id: str, caller: Caller, what: str
) -> None:
    if not id:
        raise caller.account.denied(Action.READ, f"a {what} without an id")
    await need(Action.READ, (id,))


NEW_REGISTERED: Final = MessageRule(
    "any user to whom registered models (or prompts) are not denied", check=_new_registered
)
NEW_VERSION: Final = MessageRule(
    "EDIT on the registered model or prompt, READ on the source", check=_new_version
)


def _family(container: Key) -> str:
    return container.type.replace("_", " ")

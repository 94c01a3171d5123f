"""The rules of endpoints of evaluation datasets: their experiments decide, all of them.

A dataset that is in no experiment is the administrators' alone.
"""

from collections.abc import Collection
from typing import Any, Final

from tandem_metadata.access.rules import Caller, MessageRule
from tandem_metadata.rules.permissions import Action

_OF_NONE: Final = "datasets of no experiment: name experiments in 'experiment_ids'"


async def _need(caller: Caller, action: Action, dataset_id: str) -> None:
    what = f"evaluation dataset {dataset_id[:100]}"
    _need_all(caller, action, await caller.owners.of_dataset(dataset_id), what)


def _need_all(caller: Caller, action: Action, experiments: Collection[str], what: str) -> None:
    if not experiments:
        raise caller.account.denied(action, what)
    for each in experiments:
        caller.need_experiment(action, each)


async def _read(caller: Caller, message: Any) -> None:
    await _need(caller, Action.READ, message.dataset_id)


async def _change(caller: Caller, message: Any) -> None:
    await _need(caller, Action.UPDATE, message.dataset_id)


async def _delete(caller: Caller, message: Any) -> None:
    await _need(caller, Action.DELETE, message.dataset_id)


async def _create(caller: Caller, message: Any) -> None:
    _need_all(caller, Action.UPDATE, message.experiment_ids, _OF_NONE)


async def _search(caller: Caller, message: Any) -> None:
    _need_all(caller, Action.READ, message.experiment_ids, _OF_NONE)


async def _add(caller: Caller, message: Any) -> None:
    await _need(caller, Action.UPDATE, message.dataset_id)
    _need_all(caller, Action.UPDATE, message.experiment_ids, _OF_NONE)


READ: Final = MessageRule("READ on all experiments of the dataset", check=_read)
CHANGE: Final = MessageRule("EDIT on all experiments of the dataset", check=_change)
DELETE: Final = MessageRule("MANAGE on all experiments of the dataset", check=_delete)
CREATE: Final = MessageRule("EDIT on each experiment, of which one is named", check=_create)
SEARCH: Final = MessageRule("READ on each experiment, of which one is named", check=_search)
ADD: Final = MessageRule("EDIT on all experiments of the dataset, and on the new ones", check=_add)

"""The rules of endpoints of assessments, which messages name by their trace.

To read the trace is needed in any case. What decides more is a grant on all assessments; without
one the grant on the trace's experiment does.
"""

from typing import Any, Final

from tandem_metadata.access.rules import Caller, MessageRule, experiment_key
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Key

_WHAT: Final = "assessments of the trace"


async def _create(caller: Caller, message: Any) -> None:
    [experiment] = await caller.need_traces(Action.READ, (message.trace_id,))
    caller.account.need(Action.NOT_DENIED, "new assessments", Key(permissions.ASSESSMENT))
    # A grant on all traces adds to what one on the experiment permits, and takes nothing away.
    if not caller.account.permits(Action.UPDATE, Key(permissions.TRACE)):
        caller.need_experiment(Action.UPDATE, experiment)


async def _start_trace(caller: Caller, message: Any) -> None:
    caller.need_new_in_experiment(permissions.TRACE, message.experiment_id)
    if message.info.assessments:
        caller.account.need(Action.NOT_DENIED, "new assessments", Key(permissions.ASSESSMENT))


async def _read(caller: Caller, message: Any) -> None:
    [experiment] = await caller.need_traces(Action.READ, (message.trace_id,))
    caller.need_in_experiment(Action.READ, permissions.ASSESSMENT, experiment, _WHAT)


async def _change(caller: Caller, message: Any) -> None:
    [experiment] = await caller.need_traces(Action.READ, (message.trace_id,))
    caller.need_in_experiment(Action.UPDATE, permissions.ASSESSMENT, experiment, _WHAT)


async def _delete(caller: Caller, message: Any) -> None:
    [experiment] = await caller.need_traces(Action.READ, (message.trace_id,))
    account, granted = caller.account, Key(permissions.ASSESSMENT)
    if permissions.ASSESSMENT in account.grants.of_all:
        account.need(Action.DELETE, _WHAT, granted)
    else:
        account.need(Action.UPDATE, _WHAT, granted, experiment_key(experiment))


CREATE: Final = MessageRule(
    "READ on the trace, EDIT on the experiment or on traces; assessments not denied", check=_create
)
START_TRACE: Final = MessageRule(
    "EDIT on the experiment; traces not denied, nor assessments that come with it",
    check=_start_trace,
)
READ: Final = MessageRule("READ on the trace and its assessments", check=_read)
CHANGE: Final = MessageRule("READ on the trace, EDIT on its assessments", check=_change)
DELETE: Final = MessageRule(
    "READ on the trace, EDIT on the experiment; MANAGE on assessments if granted", check=_delete
)

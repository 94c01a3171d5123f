"""The requests of the peer test, one module a resource, sent in this order."""

from tests.system.peer.ask import Ask
from tests.system.peer.corpus import (
    artifacts,
    bad_input,
    datasets,
    experiments,
    graphql,
    history,
    logged_models,
    logging,
    model_artifacts,
    model_versions,
    promptlab,
    registered_models,
    registry_search,
    runs,
    search_experiments,
    search_logged_models,
    search_runs,
    security,
    syntax,
    trace_reads,
    webhooks,
)

_MODULES = (
    experiments, runs, logging, search_runs, syntax, search_experiments, history, datasets,
    artifacts, logged_models, search_logged_models, registry_search, registered_models,
    model_versions, model_artifacts, promptlab, webhooks, graphql, bad_input,
    security, trace_reads,
)  # fmt: skip

REQUESTS: dict[str, Ask] = {
    f"{module.__name__.rpartition('.')[2]}: {ask.name}": ask
    for module in _MODULES
    for ask in module.REQUESTS
}
"""All of them by their full name, as `runs: rename a run`."""

assert len(REQUESTS) == sum(len(module.REQUESTS) for module in _MODULES), "a name is used twice"

"""The lists of fields in refusals: what is listed works, and what works is listed."""

import pytest

from tandem_metadata.messages.logged_models import SearchOrderBy
from tandem_metadata.search.language.evaluation_dataset_fields import EVALUATION_DATASETS
from tandem_metadata.search.language.experiment_fields import EXPERIMENTS
from tandem_metadata.search.language.fields import Entity, Resource
from tandem_metadata.search.language.logged_model_fields import LOGGED_MODELS
from tandem_metadata.search.language.model_version_fields import (
    MODEL_VERSION_ORDER,
    MODEL_VERSIONS,
)
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.language.registered_model_fields import (
    REGISTERED_MODEL_ORDER,
    REGISTERED_MODELS,
)
from tandem_metadata.search.language.run_fields import RUNS
from tandem_metadata.search.language.trace_fields import TRACES
from tandem_metadata.search.sql.logged_models import order_logged_models
from tandem_metadata.search.sql.order import parsed
from tandem_shared.errors import InvalidParameter

_FILTERED = {
    "runs": RUNS,
    "experiments": EXPERIMENTS,
    "logged models": LOGGED_MODELS,
    "models": REGISTERED_MODELS,
    "versions": MODEL_VERSIONS,
    "datasets": EVALUATION_DATASETS,
    "traces": TRACES,
}
_SORTED = {
    "runs": RUNS,
    "experiments": EXPERIMENTS,
    "models": REGISTERED_MODEL_ORDER,
    "versions": MODEL_VERSION_ORDER,
    "datasets": EVALUATION_DATASETS,
    "traces": TRACES,
}


def _filter_refusal(fields: Resource, name: str) -> str:
    try:
        fields.criteria(parse_filter(f"{name} = 'x'"))
    except InvalidParameter as refused:
        return refused.message
    return ""


def _order_refusal(fields: Resource, name: str) -> str:
    try:
        parsed([name], fields)
    except InvalidParameter as refused:
        return refused.message
    return ""


def _listed(message: str) -> list[str]:
    return message.partition(", only ")[2].removesuffix(".").split(", ")


@pytest.mark.parametrize("fields", _FILTERED.values(), ids=_FILTERED)
def test_a_filters_list_is_of_what_can_be_compared(fields: Resource) -> None:
    listed = _listed(_filter_refusal(fields, "nope"))
    for name in listed:
        assert "there is no" not in _filter_refusal(fields, name), name
    known = {*fields.keys[Entity.ATTRIBUTE], *fields.aliases} | {
        key for entity, key in fields.same if entity is Entity.ATTRIBUTE
    }
    plain = {each.lower().replace(" ", "_") for each in known}
    assert plain == {*listed}


@pytest.mark.parametrize("fields", _SORTED.values(), ids=_SORTED)
def test_an_orders_list_is_of_what_results_can_be_sorted_by(fields: Resource) -> None:
    listed = _listed(_order_refusal(fields, "nope"))
    known = {*fields.keys[Entity.ATTRIBUTE], *fields.order_aliases}
    working = {
        each.lower() for each in known if each.isidentifier() and not _order_refusal(fields, each)
    }
    assert working == {*listed}


def test_lists_name_what_traces_have_beside_columns() -> None:
    listed = _listed(_filter_refusal(TRACES, "nope"))
    assert {"text", "timestamp", "execution_time", "end_time", "prompt"} <= {*listed}
    assert "attributes.<key>" in _listed(_filter_refusal(TRACES, "span.duration"))
    listed = _listed(_order_refusal(TRACES, "nope"))
    assert {"timestamp", "execution_time", "end_time", "timestamp_ms"} <= {*listed}
    assert not {"text", "prompt", "client_request_id"} & {*listed}


@pytest.mark.parametrize("name", ["prompt", "client_request_id", "span.name", "text"])
def test_what_traces_cannot_be_sorted_by_is_told_with_what_they_can(name: str) -> None:
    message = _order_refusal(TRACES, name)
    assert "results cannot be sorted by" in message
    assert "only by end_time, end_time_ms, execution_time," in message
    assert message.endswith("timestamp_ms, and any metadata or tag.")


def test_logged_models_list_is_of_what_they_can_be_sorted_by() -> None:
    def refusal(name: str) -> str:
        try:
            order_logged_models([SearchOrderBy(field_name=name)])
        except InvalidParameter as refused:
            return refused.message
        return ""

    first, *listed = refusal("nope").partition(" may be ")[2].removesuffix(".").split(", ")
    assert first == "metrics.<key>"
    assert [each for each in listed if refusal(each)] == []
    assert {*listed} == {*LOGGED_MODELS.keys[Entity.ATTRIBUTE], *LOGGED_MODELS.aliases}

"""The tag that has traces deleted for good is set by those who may delete them."""

from tandem_metadata.rules.retention import TAG
from tests.metadata.guarded import ADMIN, Guarded


def test_the_tag_of_retention_needs_what_a_deletion_needs(service: Guarded) -> None:
    experiment = service.experiment("kept for a time", of=ADMIN)
    service.user("ann", ("experiment", experiment, "EDIT"))
    tag = {"experiment_id": experiment, "key": TAG, "value": "1d"}
    other = {**tag, "key": "team"}
    service.call("ann", "POST", "experiments/set-experiment-tag", **other)
    assert service.refusal("ann", "POST", "experiments/set-experiment-tag", **tag)
    service.call(ADMIN, "POST", "experiments/set-experiment-tag", **tag)
    key = {"experiment_id": experiment, "key": TAG}
    assert service.refusal("ann", "POST", "experiments/delete-experiment-tag", **key)
    service.call("ann", "POST", "experiments/delete-experiment-tag", **{**key, "key": "team"})


def test_who_manages_an_experiment_sets_its_retention(service: Guarded) -> None:
    service.user("ann")
    experiment = service.experiment("of ann", of="ann")
    tag = {"experiment_id": experiment, "key": TAG, "value": "90d"}
    service.call("ann", "POST", "experiments/set-experiment-tag", **tag)
    key = {"experiment_id": experiment, "key": TAG}
    service.call("ann", "POST", "experiments/delete-experiment-tag", **key)

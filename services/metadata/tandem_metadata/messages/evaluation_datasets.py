"""Messages of evaluation datasets and their records.

As in MLflow, tags and records are JSON within JSON: texts that hold an object or a list.
"""

from msgspec import Struct

from tandem_shared.wire.codec import Int32, Required


class Dataset(Struct, omit_defaults=True):
    """An evaluation dataset in an answer; times count milliseconds since 1970."""

    dataset_id: str
    name: str
    tags: str
    digest: str | None = None
    schema: str | None = None
    profile: str | None = None
    created_time: int | None = None
    last_update_time: int | None = None
    created_by: str | None = None
    last_updated_by: str | None = None
    experiment_ids: list[str] = []
    create_time: int | None = None
    """`created_time` again, by the name that the web UI's list looks for; MLflow never has it."""


class CreateDataset(Struct):
    """Request of `datasets/create`."""

    name: Required
    experiment_ids: list[str] = []
    tags: str = ""


class DatasetResponse(Struct):
    """Answer of requests that make, read or associate a dataset."""

    dataset: Dataset


class GetDataset(Struct):
    """Request for a dataset, or for its experiments; the path names it."""

    dataset_id: str = ""


class DeleteDataset(Struct):
    """Request that deletes a dataset, which the path names."""

    dataset_id: str = ""


class SearchDatasets(Struct):
    """Request of `datasets/search`."""

    experiment_ids: list[str] = []
    filter_string: str | None = None
    max_results: Int32 | None = None
    order_by: list[str] = []
    page_token: str | None = None


class SearchDatasetsResponse(Struct, omit_defaults=True):
    """Answer of `datasets/search`."""

    datasets: list[Dataset] = []
    next_page_token: str | None = None


class SetDatasetTags(Struct):
    """Request that sets tags of a dataset, which the path names."""

    tags: Required
    dataset_id: str = ""


class DeleteDatasetTag(Struct):
    """Request that deletes a tag of a dataset; the path names both."""

    dataset_id: str = ""
    key: str = ""


class UpsertRecords(Struct):
    """Request that adds records to a dataset, which the path names."""

    records: Required
    dataset_id: str = ""


class UpsertRecordsResponse(Struct):
    """Answer to added records."""

    inserted_count: int
    updated_count: int


class GetRecords(Struct):
    """Request for a page of a dataset's records."""

    dataset_id: str = ""
    max_results: Int32 | None = None
    page_token: str | None = None


class GetRecordsResponse(Struct, omit_defaults=True):
    """Answer with a page of records."""

    records: str
    next_page_token: str | None = None


class DeleteRecords(Struct):
    """Request that deletes records of a dataset, which the path names."""

    dataset_id: str = ""
    dataset_record_ids: list[str] = []


class DeleteRecordsResponse(Struct):
    """Answer to deleted records."""

    deleted_count: int


class ExperimentIdsResponse(Struct, omit_defaults=True):
    """Answer with the experiments of a dataset."""

    experiment_ids: list[str] = []


class ChangeExperiments(Struct):
    """Request that adds a dataset to experiments, or removes it; the path names the dataset."""

    dataset_id: str = ""
    experiment_ids: list[str] = []

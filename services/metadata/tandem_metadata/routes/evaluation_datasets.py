"""Endpoints of evaluation datasets, their records, tags and experiments."""

from typing import Any, Final

from tandem_metadata.access import dataset_rules as rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import evaluation_datasets as messages
from tandem_metadata.routes.endpoint import READ, RETRIED_WRITE, Endpoint
from tandem_metadata.store.evaluation import associations, datasets, membership, records, search
from tandem_shared.http.router import API, UI_API

_RECORDS_BYTES: Final = 64 * 1024 * 1024
"""The longest body of records: clients send all of a dataset in one request."""


def create(conn: Connection, request: messages.CreateDataset) -> messages.DatasetResponse:
    """Make a dataset."""
    made = datasets.create(conn, request.name, request.experiment_ids, request.tags)
    return messages.DatasetResponse(made)


def get(conn: Connection, request: messages.GetDataset) -> messages.DatasetResponse:
    """Read a dataset."""
    return messages.DatasetResponse(datasets.get(conn, request.dataset_id))


def delete(conn: Connection, request: messages.DeleteDataset) -> None:
    """Delete a dataset."""
    datasets.remove(conn, request.dataset_id)


def find(conn: Connection, request: messages.SearchDatasets) -> messages.SearchDatasetsResponse:
    """Find datasets."""
    found, token = search.search(
        conn,
        experiment_ids=request.experiment_ids,
        filter=request.filter_string,
        max_results=request.max_results,
        order_by=request.order_by,
        page_token=request.page_token,
    )
    return messages.SearchDatasetsResponse(found, token)


def find_for_ui(
    conn: Connection, request: messages.SearchDatasets
) -> messages.SearchDatasetsResponse:
    """Find datasets, and say when they were made by the name that the web UI looks for."""
    answer = find(conn, request)
    for each in answer.datasets:
        each.create_time = each.created_time
    return answer


def set_tags(conn: Connection, request: messages.SetDatasetTags) -> None:
    """Set tags of a dataset."""
    datasets.put_tags(conn, request.dataset_id, request.tags)


def delete_tag(conn: Connection, request: messages.DeleteDatasetTag) -> None:
    """Delete a tag of a dataset."""
    datasets.remove_tag(conn, request.dataset_id, request.key)


def upsert_records(
    conn: Connection, request: messages.UpsertRecords
) -> messages.UpsertRecordsResponse:
    """Add records to a dataset."""
    return messages.UpsertRecordsResponse(*records.merge(conn, request.dataset_id, request.records))


def save_records(
    conn: Connection, request: messages.UpsertRecords
) -> messages.UpsertRecordsResponse:
    """Save what people have made of records in the web UI, which names those that there were."""
    return messages.UpsertRecordsResponse(*records.save(conn, request.dataset_id, request.records))


def get_records(conn: Connection, request: messages.GetRecords) -> messages.GetRecordsResponse:
    """Read records of a dataset."""
    found, token = records.page(
        conn,
        request.dataset_id,
        max_results=request.max_results,
        page_token=request.page_token,
    )
    return messages.GetRecordsResponse(found, token)


def delete_records(
    conn: Connection, request: messages.DeleteRecords
) -> messages.DeleteRecordsResponse:
    """Delete records of a dataset."""
    return messages.DeleteRecordsResponse(
        records.remove(conn, request.dataset_id, request.dataset_record_ids)
    )


def experiment_ids(
    conn: Connection, request: messages.GetDataset
) -> messages.ExperimentIdsResponse:
    """Read which experiments a dataset is in."""
    return messages.ExperimentIdsResponse(associations.experiments_of(conn, request.dataset_id))


def add(conn: Connection, request: messages.ChangeExperiments) -> messages.DatasetResponse:
    """Add a dataset to experiments."""
    return messages.DatasetResponse(
        membership.add(conn, request.dataset_id, request.experiment_ids)
    )


def remove(conn: Connection, request: messages.ChangeExperiments) -> messages.DatasetResponse:
    """Take a dataset out of experiments."""
    return messages.DatasetResponse(
        membership.remove(conn, request.dataset_id, request.experiment_ids)
    )


_PATH: Final = "3.0/mlflow/datasets"
_ONE: Final = f"{_PATH}/{{dataset_id}}"
_RECORDS: Final = f"{_ONE}/records"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST", f"{_PATH}/create", messages.CreateDataset, RETRIED_WRITE, create, rules.CREATE
    ),
    *(
        Endpoint(
            method,
            f"{_PATH}/search",
            messages.SearchDatasets,
            READ,
            handle,
            rules.SEARCH,
            prefixes=[prefix],
        )
        for method in ("GET", "POST")
        for prefix, handle in ((API, find), (UI_API, find_for_ui))
    ),
    Endpoint("GET", _ONE, messages.GetDataset, READ, get, rules.READ),
    Endpoint("DELETE", _ONE, messages.DeleteDataset, RETRIED_WRITE, delete, rules.DELETE),
    Endpoint(
        "PATCH", f"{_ONE}/tags", messages.SetDatasetTags, RETRIED_WRITE, set_tags, rules.CHANGE
    ),
    Endpoint(
        "DELETE",
        f"{_ONE}/tags/{{key}}",
        messages.DeleteDatasetTag,
        RETRIED_WRITE,
        delete_tag,
        rules.CHANGE,
    ),
    *(
        Endpoint(
            "POST",
            _RECORDS,
            messages.UpsertRecords,
            RETRIED_WRITE,
            handle,
            rules.CHANGE,
            _RECORDS_BYTES,
            [prefix],
        )
        for prefix, handle in ((API, upsert_records), (UI_API, save_records))
    ),
    Endpoint("GET", _RECORDS, messages.GetRecords, READ, get_records, rules.READ),
    Endpoint(
        "DELETE", _RECORDS, messages.DeleteRecords, RETRIED_WRITE, delete_records, rules.CHANGE
    ),
    Endpoint(
        "GET", f"{_ONE}/experiment-ids", messages.GetDataset, READ, experiment_ids, rules.READ
    ),
    Endpoint(
        "POST",
        f"{_ONE}/add-experiments",
        messages.ChangeExperiments,
        RETRIED_WRITE,
        add,
        rules.ADD,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/remove-experiments",
        messages.ChangeExperiments,
        RETRIED_WRITE,
        remove,
        rules.CHANGE,
    ),
]

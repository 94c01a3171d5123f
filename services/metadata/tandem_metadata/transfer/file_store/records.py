"""What is read of a file store, as the reader hands it over."""

from typing import Any

from msgspec import Struct, field

Point = tuple[int, int, float]
"""Step, timestamp in milliseconds, value as it is in the file."""


class Experiment(Struct):
    """An experiment: a folder that holds runs."""

    path: str
    folder: str
    """The folder's name, by which runs and locations know the experiment."""
    in_trash: bool
    name: str
    artifact_location: str | None
    """As it is written; None if it is not."""
    lifecycle_stage: str
    creation_time: int | None
    last_update_time: int | None
    recovered: bool
    """Whether nothing was known of it but its folder."""
    moved_from: str | None = None
    """The id in its file, if the folder has another name."""
    key: str = ""
    """What tells it from all others of the store: the folder's name, if no other has it."""

    @property
    def number(self) -> int | None:
        """The id as a number; None if it is none, or another experiment's."""
        if self.key.isdecimal() and self.key.isascii() and str(int(self.key)) == self.key:
            return int(self.key)
        return None


class Input(Struct, frozen=True):
    """A dataset or a model that a run has read, or a model that it has written."""

    kind: str
    """`dataset`, `model` or `output`."""
    source: str
    """A dataset's folder, or a model's id."""
    step: int
    tags: dict[str, str]
    path: str


class Run(Struct):
    """A run with all but its metrics."""

    run_id: str
    path: str
    name: str
    source_type: str
    source_name: str
    entry_point_name: str
    user_id: str
    status: str
    start_time: int | None
    end_time: int | None
    source_version: str
    lifecycle_stage: str
    artifact_uri: str | None
    deleted_time: int | None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    inputs: list[Input] = field(default_factory=list)


class Dataset(Struct, frozen=True):
    """A dataset that runs of an experiment use."""

    folder: str
    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    path: str


class ModelPoint(Struct, frozen=True):
    """A value of a logged model's metric."""

    key: str
    timestamp: int
    value: float
    step: int
    run_id: str
    dataset_name: str | None
    dataset_digest: str | None
    where: str
    """`file:line`."""


class LoggedModel(Struct):
    """A logged model."""

    model_id: str
    path: str
    name: str
    artifact_location: str | None
    creation_time: int
    last_update_time: int
    status: int
    status_message: str | None
    lifecycle_stage: str
    model_type: str | None
    source_run_id: str | None
    params: dict[str, str]
    tags: dict[str, str]
    points: list[ModelPoint]


class Assessment(Struct, frozen=True):
    """An assessment of a trace, as its document has it."""

    path: str
    document: dict[str, Any]


class Trace(Struct):
    """A trace."""

    trace_id: str
    path: str
    timestamp_ms: int
    execution_time_ms: int | None
    state: str
    client_request_id: str | None
    request_preview: str | None
    response_preview: str | None
    tags: dict[str, str]
    metadata: dict[str, str]
    assessments: list[Assessment]
    spans: list[str]
    """Their documents, if they are of MLflow 3 and in the folder; else they stay where they are."""


class Version(Struct):
    """A version of a registered model."""

    number: int
    path: str
    creation_time: int | None
    last_update_time: int | None
    description: str | None
    user_id: str | None
    stage: str
    source: str | None
    run_id: str | None
    run_link: str | None
    status: str
    status_message: str | None
    storage_location: str | None
    model_id: str | None
    tags: dict[str, str]


class RegisteredModel(Struct):
    """A registered model."""

    name: str
    path: str
    creation_time: int | None
    last_update_time: int | None
    description: str | None
    tags: dict[str, str]
    aliases: dict[str, int]
    versions: list[Version]

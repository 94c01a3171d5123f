"""What no catalog tells: where ids of experiments are, and what else refers to other rows."""

from typing import Final, NamedTuple

EXPERIMENT_ID: Final = "experiment_id"
"""Every column of this name holds an id of an experiment: a number, or in accounts its text."""

IMPORTED_ID: Final = "tandem.import.experimentId"
"""Tag of an experiment that has another id than in the source: the id that it had there."""

PROMPT_EXPERIMENTS: Final = "_mlflow_experiment_ids"
"""Tag of a prompt: the experiments that it is used in, as `,1,2,`."""


class Reference(NamedTuple):
    """A column that names rows of another table where a column tells the kind of the row."""

    table: str
    column: str
    kind: str | None
    """The column that tells the kind; None if all rows are of one."""
    kinds: tuple[str, ...]
    parent: str
    referred: str


REFERENCES: Final = (
    Reference("inputs", "destination_id", "destination_type", ("RUN",), "runs", "run_uuid"),
    Reference(
        "inputs", "source_id", "source_type", ("RUN_INPUT", "RUN_OUTPUT"), "runs", "run_uuid"
    ),
    Reference(
        "inputs",
        "destination_id",
        "destination_type",
        ("MODEL_INPUT", "MODEL_OUTPUT"),
        "logged_models",
        "model_id",
    ),
    Reference("inputs", "source_id", "source_type", ("DATASET",), "datasets", "dataset_uuid"),
    Reference("input_tags", "input_uuid", None, (), "inputs", "input_uuid"),
    *(
        Reference("entity_associations", f"{end}_id", f"{end}_type", (kind,), parent, referred)
        for end in ("source", "destination")
        for kind, parent, referred in (
            ("run", "runs", "run_uuid"),
            ("trace", "trace_info", "request_id"),
            ("model", "logged_models", "model_id"),
            ("evaluation_dataset", "evaluation_datasets", "dataset_id"),
        )
    ),
    Reference("tandem_webhook_deliveries", "webhook_id", None, (), "webhooks", "webhook_id"),
)
"""References that are no foreign keys."""

IDENTITY: Final = {
    "logged_models": (EXPERIMENT_ID,),
    "registered_models": ("creation_time",),
    "model_versions": ("creation_time",),
    "runs": (EXPERIMENT_ID,),
    "trace_info": (EXPERIMENT_ID,),
}
"""Columns in which two rows of one key differ only if they are different things."""

UNFINISHED: Final = {
    "runs": ("status", ("RUNNING", "SCHEDULED"), ("status", "end_time")),
    "trace_info": (
        "status",
        ("IN_PROGRESS",),
        ("status", "execution_time_ms", "request_preview", "response_preview"),
    ),
    "logged_models": ("status", (1,), ("status", "status_message", "last_updated_timestamp_ms")),
}
"""By table: the column and the values that say that a row will change, and what of it then does."""

DERIVED: Final = frozenset(
    {
        "sql_assessment_daily_rollups",
        "sql_span_cost_daily_rollups",
        "sql_trace_metric_daily_rollups",
        "sql_trace_rollup_rebuild_queue",
    }
)
"""Sums of traces by day, with row numbers that mean nothing elsewhere."""

PASSING: Final = frozenset({"job_locks", "scheduler_leases"})
"""What processes of a server hold while they run."""

NOT_TAKEN: Final = frozenset({"tandem_sessions", "tandem_signing_keys"})
"""Tables of accounts whose rows are good for one server only: its logins and the keys of its
workers."""

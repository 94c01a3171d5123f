"""Experiments with a row in every table that holds something of experiments."""

import datetime
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, insert

from tandem_metadata.database.database import Database
from tests.metadata.reflection import reflected

Rows = dict[str, list[tuple[Any, ...]]]
"""What each table holds, sorted."""

OLD = 1_600_000_000_000
"""Milliseconds since 1970, long ago."""

DAY = datetime.date(2020, 9, 13)
"""The day of `OLD`."""

_APART = frozenset({"alembic_version", "alembic_version_auth", "workspaces"})


class World:
    """The tables of a database, to be filled by hand; what a row needs and is not given is made."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._tables = reflected(conn).tables

    def has(self, table: str) -> bool:
        return table in self._tables

    def put(self, table_name: str, /, **values: Any) -> None:
        """Insert a row, without the columns and the tables that the database lacks."""
        table = self._tables.get(table_name)
        if table is None:
            return
        row = {key: value for key, value in values.items() if key in table.c}
        self._conn.execute(insert(table).values(**{**_needed(table, row), **row}))

    def experiment(self, number: int, stage: str, location: str = "") -> None:
        """An experiment with all there can be in one; two experiments share no id but links."""
        e, me = number, f"{number:04}"
        self.put(
            "experiments", experiment_id=e, name=f"experiment {me}", lifecycle_stage=stage,
            artifact_location=location, last_update_time=OLD,
        )  # fmt: skip
        self.put("experiment_tags", experiment_id=e, key="team", value="red")
        run, other, model, trace = (f"{kind}{me}" for kind in ("run-", "oth-", "m-", "tr-"))
        self.run(run, e, stage)
        self.run(other, e, stage)
        self.logged_model(model, e, run)
        self.trace(trace, e, run)
        self.put("datasets", dataset_uuid=f"data-{me}", experiment_id=e, name="train", digest=me)
        self.input(f"in-{me}", "DATASET", f"data-{me}", "RUN", run)
        self.input(f"mi-{me}", "RUN_INPUT", run, "MODEL_INPUT", model)
        self.input(f"mo-{me}", "RUN_OUTPUT", run, "MODEL_OUTPUT", model)
        self.put("scorers", experiment_id=e, scorer_name="s", scorer_id=f"sc-{me}")
        self.put("scorer_versions", scorer_id=f"sc-{me}", scorer_version=1)
        self.put(
            "online_scoring_configs", online_scoring_config_id=f"on-{me}", scorer_id=f"sc-{me}",
            experiment_id=e, sample_rate=0.5,
        )  # fmt: skip
        self.put("evaluation_datasets", dataset_id=f"d-{me}", name=me)
        self.link("evaluation_dataset", f"d-{me}", "experiment", str(e))
        self.put("label_schemas", schema_id=f"ls-{me}", experiment_id=e, name="l")
        self.put("review_queues", queue_id=f"q-{me}", experiment_id=e, name="q", name_key="q")
        self.put(
            "review_queue_items", queue_id=f"q-{me}", item_type="trace", item_id=trace,
            status="PENDING",
        )  # fmt: skip
        self.put("review_queue_label_schemas", queue_id=f"q-{me}", schema_id=f"ls-{me}")
        self.put("review_queue_users", queue_id=f"q-{me}", user_id="ann")
        self.put("issues", issue_id=f"is-{me}", experiment_id=e, source_run_id=run)
        self.sums(e, DAY)

    def run(self, id: str, experiment: int, stage: str, location: str = "", **more: Any) -> None:
        """A run with all that is logged to runs."""
        self.put(
            "runs", run_uuid=id, experiment_id=experiment, lifecycle_stage=stage, status="FINISHED",
            source_type="LOCAL", artifact_uri=location,
            **{"deleted_time": OLD if stage == "deleted" else None, **more},
        )  # fmt: skip
        for step in range(3):
            self.put("metrics", run_uuid=id, key="loss", value=0.5, timestamp=1, step=step)
        self.put("latest_metrics", run_uuid=id, key="loss", value=0.5, step=2)
        self.put("params", run_uuid=id, key="lr", value="1")
        self.put("tags", run_uuid=id, key="t", value="v")

    def logged_model(
        self, id: str, experiment: int, run: str, stage: str = "active", location: str = ""
    ) -> None:
        """A logged model with all that it may have."""
        self.put(
            "logged_models", model_id=id, experiment_id=experiment, source_run_id=run,
            lifecycle_stage=stage, artifact_location=location, last_updated_timestamp_ms=OLD,
        )  # fmt: skip
        self.model_metric(id, experiment, run)
        self.put("logged_model_params", model_id=id, experiment_id=experiment, param_key="p")
        self.put("logged_model_tags", model_id=id, experiment_id=experiment, tag_key="t")
        self.link("model", id, "prompt_version", "p/1")

    def model_metric(self, model: str, experiment: int, run: str, name: str = "acc") -> None:
        self.put(
            "logged_model_metrics", model_id=model, metric_name=name, experiment_id=experiment,
            run_id=run, metric_value=1.0,
        )  # fmt: skip

    def trace(self, id: str, experiment: int, run: str, at: int = OLD, location: str = "") -> None:
        """A trace with all that it may have."""
        self.put("trace_info", request_id=id, experiment_id=experiment, timestamp_ms=at)
        self.put("trace_tags", request_id=id, key="mlflow.artifactLocation", value=location)
        self.put("trace_request_metadata", request_id=id, key="mlflow.sourceRun", value=run)
        self.span(id, experiment, "1", at)
        self.put("span_metrics", trace_id=id, span_id="1", key="total_cost", value=1.0)
        self.put("trace_metrics", request_id=id, key="total_tokens", value=1.0)
        self.put("assessments", assessment_id=f"a-{id}", trace_id=id, name="a", run_id=run)
        self.link("trace", id, "run", run)

    def span(self, trace: str, experiment: int, id: str, at: int = OLD) -> None:
        self.put(
            "spans", trace_id=trace, experiment_id=experiment, span_id=id, name="s",
            start_time_unix_nano=at * 10**6,
        )  # fmt: skip

    def input(self, id: str, source: str, source_id: str, destination: str, to: str) -> None:
        self.put(
            "inputs", input_uuid=id, source_type=source, source_id=source_id,
            destination_type=destination, destination_id=to,
        )  # fmt: skip
        self.put("input_tags", input_uuid=id, name="context", value="train")

    def link(self, source: str, source_id: str, destination: str, destination_id: str) -> None:
        self.put(
            "entity_associations", association_id=f"{source_id}>{destination_id}"[:36],
            source_type=source, source_id=source_id,
            destination_type=destination, destination_id=destination_id,
        )  # fmt: skip

    def sums(self, experiment: int, day: datetime.date) -> None:
        """Sums of a day, and a note to make them anew."""
        for table in ("assessment", "span_cost", "trace_metric"):
            self.put(f"sql_{table}_daily_rollups", experiment_id=experiment, rollup_day=day)
        self.put(
            "sql_trace_rollup_rebuild_queue", experiment_id=experiment, rollup_day=day,
            rollup_family="trace",
        )  # fmt: skip

    def version(self, name: str, version: int = 1, **values: Any) -> None:
        """A version of a registered model, which is made with its first one."""
        if version == 1:
            self.put("registered_models", name=name)
        self.put(
            "model_versions", name=name, version=version, **{"current_stage": "None", **values}
        )


def rows(database: Database) -> Rows:
    """All rows of all tables; numbers that a table counts for itself are left out."""
    with database.read() as conn:
        return {
            name: sorted((tuple(row) for row in conn.execute(table.select())), key=repr)
            for name, table in reflected(conn).tables.items()
            if name not in _APART
        }


def without_ids(found: Rows) -> Rows:
    """The same without the numbers that sums get."""
    return {
        name: sorted((row[1:] for row in each), key=repr) if name.endswith("_rollups") else each
        for name, each in found.items()
    }


def counts(database: Database) -> dict[str, int]:
    return {name: len(each) for name, each in rows(database).items()}


def _needed(table: Table, given: dict[str, Any]) -> dict[str, Any]:
    return dict(_made(table, given))


def _made(table: Table, given: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for column in table.columns:
        if column.name in given or column.nullable or column.server_default is not None:
            continue
        if column.autoincrement is True or column.identity is not None or column.computed:
            continue
        if column.name == "id" and column.primary_key:
            continue
        kind = column.type.python_type
        if kind is datetime.date:
            yield column.name, DAY
        elif kind in (dict, list):
            yield column.name, {}
        elif kind is bytes:
            yield column.name, b"x"
        else:
            yield column.name, kind()

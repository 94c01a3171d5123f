"""Which rows of each table an export takes, as conditions of SQL."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from tandem_metadata.transfer.export import reading
from tandem_metadata.transfer.export.selection import Selection

_ALL: Final = "1 = 1"
_NONE: Final = "1 = 0"


class Conditions:
    """The conditions of a selection, and their parameters.

    Without a filter an experiment's runs, models and traces are all taken. With one, those models
    and traces that the chosen runs have made or used.
    """

    def __init__(self, conn: Connection, chosen: Selection) -> None:
        self._conn = conn
        self._chosen = chosen
        self.parameters: dict[str, Any] = {}
        if chosen.experiments is not None:
            self.parameters["experiments"] = reading.given(conn, chosen.experiments)
            names = [str(each) for each in chosen.experiments]
            self.parameters["experiment_ids"] = reading.given(conn, names)
        if chosen.runs is not None:
            self.parameters["runs"] = reading.given(conn, chosen.runs)

    def tables(self) -> Mapping[str, str]:
        """The condition of each table that is exported, in an order of owners before the owned."""
        in_experiment = self._experiment("experiment_id")
        queues = f"queue_id IN (SELECT queue_id FROM review_queues WHERE {in_experiment})"
        dataset = self._evaluation_dataset()
        of_scorer = f"scorer_id IN (SELECT scorer_id FROM scorers WHERE {in_experiment})"
        return {
            "workspaces": _ALL,
            **dict.fromkeys(("experiments", "experiment_tags"), in_experiment),
            **dict.fromkeys(
                ("runs", "latest_metrics", "metrics", "params", "tags"), self._run("run_uuid")
            ),
            "datasets": self._dataset(),
            "inputs": self._input(),
            "input_tags": f"input_uuid IN (SELECT input_uuid FROM inputs WHERE {self._input()})",
            **dict.fromkeys(
                ("logged_models", "logged_model_params", "logged_model_tags"), self._model()
            ),
            "logged_model_metrics": f"{self._model()} AND {self._run('run_id')}",
            **dict.fromkeys(
                ("trace_info", "trace_tags", "trace_request_metadata", "trace_metrics"),
                self._trace("request_id"),
            ),
            **dict.fromkeys(("spans", "span_metrics", "assessments"), self._trace("trace_id")),
            **dict.fromkeys(("issues", "label_schemas", "review_queues", "scorers"), in_experiment),
            **dict.fromkeys(
                ("review_queue_items", "review_queue_label_schemas", "review_queue_users"), queues
            ),
            "scorer_versions": of_scorer,
            "online_scoring_configs": f"{of_scorer} AND {in_experiment}",
            **dict.fromkeys(
                (
                    "evaluation_datasets",
                    "evaluation_dataset_tags",
                    "evaluation_dataset_records",
                ),
                dataset,
            ),
            "entity_associations": self._association(),
            **dict.fromkeys(
                (
                    "registered_models",
                    "registered_model_tags",
                    "registered_model_aliases",
                    "model_versions",
                    "model_version_tags",
                ),
                _ALL if self._chosen.is_whole else _NONE,
            ),
        }

    def _experiment(self, column: str) -> str:
        if self._chosen.experiments is None:
            return _ALL
        return f"{column} {reading.any_of_numbers(self._conn, 'experiments')}"

    def _experiment_id(self, column: str) -> str:
        """The same of a column of texts."""
        if self._chosen.experiments is None:
            return _ALL
        return f"{column} {reading.any_of_texts(self._conn, 'experiment_ids')}"

    def _run(self, column: str) -> str:
        if self._chosen.runs is not None:
            return f"{column} {reading.any_of_texts(self._conn, 'runs')}"
        return self._of_experiment(column, "run_uuid", "runs")

    def _of_experiment(self, column: str, id: str, table: str) -> str:
        if self._chosen.experiments is None:
            return _ALL
        where = self._experiment("experiment_id")
        return f"{column} IN (SELECT {id} FROM {table} WHERE {where})"

    def _input(self) -> str:
        """Datasets and models that runs have used, and models that they have made."""
        if self._chosen.is_whole:
            return _ALL
        return (
            f"(destination_type = 'RUN' AND {self._run('destination_id')} OR "
            f"source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND {self._run('source_id')})"
        )

    def _dataset(self) -> str:
        among = self._experiment("experiment_id")
        if self._chosen.runs is None:
            return among
        used = (
            "SELECT source_id FROM inputs WHERE source_type = 'DATASET' AND "
            f"destination_type = 'RUN' AND {self._run('destination_id')}"
        )
        return f"{among} AND dataset_uuid IN ({used})"

    def _model(self) -> str:
        if self._chosen.runs is None:
            return self._of_experiment("model_id", "model_id", "logged_models")
        used = (
            "SELECT destination_id FROM inputs WHERE "
            "destination_type IN ('MODEL_INPUT', 'MODEL_OUTPUT') AND "
            f"source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND {self._run('source_id')}"
        )
        return (
            f"model_id IN (SELECT model_id FROM logged_models "
            f"WHERE {self._experiment('experiment_id')} "
            f"AND ({self._run('source_run_id')} OR model_id IN ({used})))"
        )

    def _trace(self, column: str) -> str:
        if self._chosen.runs is None:
            return self._of_experiment(column, "request_id", "trace_info")
        linked = (
            "SELECT request_id FROM trace_request_metadata "
            f"WHERE key = 'mlflow.sourceRun' AND {self._run('value')} "
            "UNION SELECT source_id FROM entity_associations "
            "WHERE source_type = 'trace' AND destination_type = 'run' "
            f"AND {self._run('destination_id')}"
        )
        return (
            f"{column} IN (SELECT request_id FROM trace_info "
            f"WHERE {self._experiment('experiment_id')} AND request_id IN ({linked}))"
        )

    def _evaluation_dataset(self) -> str:
        if self._chosen.experiments is None:
            return _ALL
        return (
            "dataset_id IN (SELECT source_id FROM entity_associations "
            "WHERE source_type = 'evaluation_dataset' AND destination_type = 'experiment' "
            f"AND {self._experiment_id('destination_id')})"
        )

    def _association(self) -> str:
        if self._chosen.is_whole:
            return _ALL
        sides = [
            f"({side}_type = '{kind}' AND {condition})"
            for side in ("source", "destination")
            for kind, condition in (
                ("trace", self._trace(f"{side}_id")),
                ("run", self._run(f"{side}_id")),
                ("experiment", self._experiment_id(f"{side}_id")),
            )
        ]
        return f"({' OR '.join(sides)})"

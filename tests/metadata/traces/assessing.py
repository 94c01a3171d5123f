"""Requests about the assessments of one trace, and what they leave in the database."""

import json
from typing import Any

from sqlalchemy import select

from tandem_metadata.database import trace_schema
from tandem_metadata.database.database import Database
from tandem_metadata.routes import trace_writes
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces import load
from tandem_shared.wire import codec
from tests.metadata.api import Api
from tests.metadata.traces import rows
from tests.metadata.traces.writes_api import info
from tests.metadata.traces.writing import name_of, new_id

HUMAN = {"source_type": "HUMAN", "source_id": "bob"}
TIME_MS = 1_795_885_063_697
RUN = "mlflow.assessment.sourceRunId"


class Assessing(Api):
    """Requests about assessments of one new trace."""

    def __init__(self, settings: Settings, database: Database) -> None:
        super().__init__(settings, database, trace_writes.routes)
        self.trace_id = name_of(new_id())
        with database.write() as conn:
            rows.trace(conn, self.trace_id, experiment_id=0)

    def request(
        self, method: str, path: str = "", trace_id: str | None = None, **body: Any
    ) -> tuple[int, Any]:
        url = f"/api/3.0/mlflow/traces/{trace_id or self.trace_id}/assessments{path}"
        headers = {"content-type": "application/json"} if body else {}
        content = json.dumps(body) if body else None
        answer = self.http.request(method, url, content=content, headers=headers)
        return answer.status_code, answer.json()

    def sent(self, method: str, path: str = "", **body: Any) -> Any:
        status, answer = self.request(method, path, **body)
        assert status == 200, answer
        return answer.get("assessment", answer)

    def assess(self, **fields: Any) -> Any:
        """An assessment as the answer has it; the name is `a` and the source is HUMAN."""
        return self.sent("POST", assessment={"assessment_name": "a", "source": HUMAN, **fields})

    def change(self, made: Any, mask: Any, **fields: Any) -> Any:
        path = f"/{made['assessment_id']}"
        return self.sent("PATCH", path, assessment=fields, update_mask=mask)

    def get(self, assessment_id: str) -> Any:
        return self.sent("GET", f"/{assessment_id}")

    def start(self, *assessments: Any, **fields: Any) -> tuple[int, Any]:
        """The answer to the trace that starts with assessments."""
        given = info(self.trace_id, assessments=assessments, **fields)
        answer = self.http.post("/api/3.0/mlflow/traces", json={"trace": {"trace_info": given}})
        return answer.status_code, answer.json()

    def of_info(self) -> list[Any]:
        """What the trace says of its assessments."""
        with self.database.read() as conn:
            info = json.loads(codec.encode_json(load.info(conn, self.trace_id)))
        found: list[Any] = info.get("assessments", [])
        return found

    def row(self, assessment_id: str) -> dict[str, Any]:
        with self.database.read() as conn:
            table = trace_schema.of(conn).assessments
            chosen = select(table).where(table.c.assessment_id == assessment_id)
            return dict(conn.execute(chosen).mappings().one())

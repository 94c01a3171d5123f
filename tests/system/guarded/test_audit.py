"""What the audit logs of both services tell of requests for artifacts."""

import json
from pathlib import Path

from tests.harness.processes import eventually
from tests.system import services, teams
from tests.system.teams import ARTIFACTS, ask


def test_audit_logs_name_who_is_refused(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    of_artifacts, of_metadata = tmp_path / "artifacts.log", tmp_path / "metadata.log"
    with services.guarded_stack(
        tmp_path,
        database,
        str(tmp_path / "artifacts"),
        variables={"TANDEM_AUDIT_LOG": str(of_artifacts)},
        options=("--audit-log", str(of_metadata)),
    ) as stack:
        team = teams.add_team(stack, "red")
        eve = teams.add_user(database, "eve")
        file = f"/api/{ARTIFACTS}/{team.root}/secret.txt"
        for _ in range(2):  # the second answer is remembered
            assert ask(stack.artifacts, "GET", file, eve.bearer).status == 403
        assert ask(stack.artifacts, "DELETE", file, eve.basic).status == 403
        assert ask(stack.artifacts, "GET", file, "Bearer tandem_x").status == 401
        assert ask(stack.artifacts, "GET", file, team.user.bearer).status == 200

        def told(path: Path, route: str) -> list[tuple[str, str | None, int]]:
            lines = [json.loads(each) for each in path.read_text().splitlines()]
            return [
                (each["method"], each["user"], each["status"])
                for each in lines
                if each["route"].endswith(route) and each["method"] != "PUT"
            ]

        expected = [
            ("GET", "eve", 403),
            ("GET", "eve", 403),
            ("DELETE", "eve", 403),
            ("GET", None, 401),
            ("GET", "red", 200),
        ]
        route = "/artifacts/{path:path}"
        eventually(lambda: told(of_artifacts, route) == expected, "the lines are written")
        asked = told(of_metadata, "/artifact-grants")
        assert ("POST", "eve", 403) in asked
        assert ("POST", None, 401) in asked

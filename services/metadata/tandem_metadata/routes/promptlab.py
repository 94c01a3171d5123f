"""Runs of the web UI's prompt lab."""

import contextlib
import dataclasses
import datetime
import json
import uuid
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.access import rules
from tandem_metadata.artifacts import promptlab_files
from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.artifacts.promptlab_files import Prompt
from tandem_metadata.messages.batch import LogBatch, LoggedEntry
from tandem_metadata.messages.promptlab import CreatePromptlabRun, PromptlabParam
from tandem_metadata.messages.runs import CreateRun, CreateRunResponse
from tandem_metadata.routes.endpoint import BODY_BYTES, Context, decode
from tandem_metadata.routes.relaying import credentials
from tandem_metadata.rules import permissions
from tandem_metadata.store.tracking import finished_runs, log_entry, runs, tags
from tandem_shared.auth.grants import Action
from tandem_shared.clock import now_ms
from tandem_shared.errors import ApiError, InvalidParameter
from tandem_shared.http.router import Route, json_response
from tandem_shared.wire import codec

_NEW = rules.new_in_experiment(permissions.RUN)
_SOURCE = "PROMPT_ENGINEERING"
"""The source type by which the UI knows runs of its prompt lab."""


def routes(context: Context, client: ArtifactClient) -> list[Route]:
    """`runs/create-promptlab-run`, which MLflow has under `/ajax-api` only, and so does Tandem.

    A run is created whole or not at all: its files are stored before it, and deleted again if it
    cannot be created.
    """
    limit = min(context.settings.max_body_bytes, BODY_BYTES)

    async def create(request: Request) -> Response:
        asked = await decode(request, CreatePromptlabRun, limit)
        await context.check(request, _NEW, asked)
        truncate = context.settings.truncate_long_values
        prompt = _prompt(asked)
        logged = _params(prompt, truncate=truncate)
        model_uuid, created = uuid.uuid4().hex, str(_now())
        new = _run(asked, model_uuid, created, truncate=truncate)
        files = promptlab_files.files(
            prompt, run_id=new.run_id, model_uuid=model_uuid, created=created
        )
        location = await context.read(finished_runs.location, asked.experiment_id)
        await _store(client, request, location, new.run_id, files)
        try:
            run = await context.retried_write(finished_runs.create, new, logged, now_ms())
        except ApiError as error:
            if error.status < 500:  # else it may have been committed
                await _delete(client, request, location, new.run_id)
            raise
        return json_response(codec.encode_json(CreateRunResponse(run)))

    return [Route("POST", "/ajax-api/2.0/mlflow/runs/create-promptlab-run", create, _NEW)]


async def _store(
    client: ArtifactClient, request: Request, location: str, run_id: str, files: dict[str, bytes]
) -> None:
    """Store a run's files below the location of its experiment, all or none."""
    found = client.locate(location)
    headers = await credentials(client, request, found, run_id, Action.WRITE)
    with await client.begin():
        try:
            for path, content in files.items():
                await client.store(found, f"{run_id}/artifacts/{path}", headers, content)
        except ApiError:
            await _delete(client, request, location, run_id)
            raise


async def _delete(client: ArtifactClient, request: Request, location: str, run_id: str) -> None:
    """Delete all files of a run that is not created, as far as the artifacts service does."""
    found = client.locate(location)
    with contextlib.suppress(ApiError):
        headers = await credentials(client, request, found, run_id, Action.DELETE)
        await client.delete(found, run_id, headers)


def _prompt(asked: CreatePromptlabRun) -> Prompt:
    return Prompt(
        asked.prompt_template,
        _values("prompt_parameters", asked.prompt_parameters),
        asked.model_route,
        _values("model_parameters", asked.model_parameters),
        asked.model_input,
        asked.model_output,
        _values("model_output_parameters", asked.model_output_parameters),
    )


def _values(field: str, given: Sequence[PromptlabParam]) -> dict[str, str]:
    values = {each.key: str(each.value) for each in given}
    if len(values) < len(given):
        raise InvalidParameter(f"Parameter '{field}' holds a key twice; give each key once.")
    return values


def _params(prompt: Prompt, *, truncate: bool) -> dict[str, str]:
    """The params of the run; raises InvalidParameter for those that cannot be logged."""
    own = {"model_route": prompt.route, "prompt_template": prompt.template}
    given = [LoggedEntry(*pair) for pair in (*prompt.model_parameters.items(), *own.items())]
    return dict(log_entry.many(LogBatch("-", params=given), truncate=truncate).params)


def _run(
    asked: CreatePromptlabRun, model_uuid: str, created: str, *, truncate: bool
) -> runs.NewRun:
    """The run with its tags; raises InvalidParameter for what cannot be stored of them."""
    start_time = now_ms() if asked.start_time is None else asked.start_time
    new = runs.new(
        CreateRun(asked.experiment_id, asked.user_id, asked.run_name, start_time, asked.tags),
        truncate=truncate,
    )
    table = [{"path": promptlab_files.TABLE, "type": "table"}]
    model = {
        "run_id": new.run_id,
        "artifact_path": promptlab_files.MODEL,
        "utc_time_created": created,
        "model_uuid": model_uuid,
        "flavors": {},
    }
    own = {
        "mlflow.loggedArtifacts": json.dumps(table),
        "mlflow.runSourceType": _SOURCE,
        tags.MODELS_TAG: json.dumps([model]),
    }
    return dataclasses.replace(new, tags={**new.tags, **own})


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)

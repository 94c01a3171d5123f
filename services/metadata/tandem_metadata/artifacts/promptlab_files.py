"""The files of a run of the web UI's prompt lab: its table of results, and its model.

The model is one of MLflow's pyfunc flavor: `mlflow.prompt.promptlab_model` loads it from
`parameters.yaml`, so that no file needs MLflow to be written.
"""

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tandem_shared import MLFLOW_VERSION

MODEL: Final = "model"
"""The path of the model among the run's artifacts."""

TABLE: Final = "eval_results_table.json"
"""The path of the table of results, which the UI's evaluation page shows and extends."""

_EXAMPLE: Final = "input_example.json"
_SERVING_EXAMPLE: Final = "serving_input_example.json"
_PARAMETERS: Final = "parameters.yaml"
_CONDA: Final = "conda.yaml"
_PYTHON: Final = "python_env.yaml"
_REQUIREMENTS: Final = "requirements.txt"

_PLAIN: Final = re.compile(
    r"[a-z]+(?:[._][a-z0-9]+)+|model|flavors|env|conda|virtualenv|type|signature|inputs|outputs"
    r"|params|prompts|channels|dependencies|name|python|pip|setuptools|wheel"
)
"""Strings that YAML takes for strings without quotes."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What was sent to a language model, and what it answered."""

    template: str
    parameters: Mapping[str, str]
    """Values of the template's variables."""
    route: str
    model_parameters: Mapping[str, str]
    input: str
    output: str | None
    output_parameters: Mapping[str, str]


def files(prompt: Prompt, *, run_id: str, model_uuid: str, created: str) -> dict[str, bytes]:
    """The files by their paths among the run's artifacts; `created` is the time, in UTC."""
    requirement = f"mlflow[gateway]=={MLFLOW_VERSION}"
    python = platform.python_version()
    example = {"inputs": [*prompt.parameters.values()]}
    conda = ["pip", {"pip": [requirement]}]
    within_model: dict[str, bytes] = {
        "MLmodel": _yaml(_model(prompt, run_id, model_uuid, created, python)),
        _PARAMETERS: _yaml(
            {
                "model_parameters": prompt.model_parameters,
                "model_route": prompt.route,
                "prompt_parameters": prompt.parameters,
                "prompt_template": prompt.template,
            }
        ),
        _CONDA: _yaml(
            {
                "channels": ["conda-forge"],
                "dependencies": [f"python={python}", *conda],
                "name": "mlflow-env",
            }
        ),
        _PYTHON: _yaml(
            {
                "python": python,
                "build_dependencies": ["pip", "setuptools", "wheel"],
                "dependencies": [f"-r {_REQUIREMENTS}"],
            }
        ),
        _REQUIREMENTS: requirement.encode(),
        _EXAMPLE: json.dumps(example).encode(),
        _SERVING_EXAMPLE: json.dumps({"inputs": example}).encode(),
    }
    # A variable may be named as another column is; the table then has both, as MLflow's.
    table = [
        *prompt.parameters.items(),
        ("prompt", prompt.input),
        ("output", prompt.output),
        *prompt.output_parameters.items(),
    ]
    columns, row = zip(*table, strict=True)
    results = json.dumps({"columns": columns, "data": [row]}).encode()
    return {TABLE: results, **{f"{MODEL}/{name}": body for name, body in within_model.items()}}


def _model(
    prompt: Prompt, run_id: str, model_uuid: str, created: str, python: str
) -> Mapping[str, Any]:
    """The contents of `MLmodel`."""
    return {
        "artifact_path": MODEL,
        "flavors": {
            "python_function": {
                "env": {"conda": _CONDA, "virtualenv": _PYTHON},
                "loader_module": "mlflow.prompt.promptlab_model",
                "parameters_path": _PARAMETERS,
                "python_version": python,
            }
        },
        "is_signature_from_type_hint": False,
        "mlflow_version": MLFLOW_VERSION,
        "model_id": None,
        "model_uuid": model_uuid,
        "prompts": None,
        "run_id": run_id,
        "saved_input_example_info": {
            "artifact_path": _EXAMPLE,
            "serving_input_path": _SERVING_EXAMPLE,
            "type": "json_object",
        },
        "signature": {
            "inputs": _columns(*prompt.parameters),
            "outputs": _columns("output"),
            "params": None,
        },
        "type_hint_from_example": False,
        "utc_time_created": created,
    }


def _columns(*names: str) -> str:
    columns = [{"type": "string", "name": name, "required": True} for name in names]
    return json.dumps(columns)


def _yaml(value: Mapping[str, Any]) -> bytes:
    return "".join(f"{line}\n" for line in _lines(value)).encode()


def _lines(value: Mapping[str, Any]) -> list[str]:
    """The lines of a YAML mapping of scalars, mappings, and lists of scalars and mappings."""
    lines = []
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            lines += [f"{_scalar(key)}:", *(f"  {line}" for line in _lines(item))]
        elif isinstance(item, list):
            lines.append(f"{_scalar(key)}:")
            for each in item:
                first, *rest = _lines(each) if isinstance(each, Mapping) else [_scalar(each)]
                lines += [f"- {first}", *(f"  {line}" for line in rest)]
        else:
            lines.append(f"{_scalar(key)}: {_scalar(item)}")
    return lines


def _scalar(value: object) -> str:
    if isinstance(value, Mapping):
        return "{}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    """A character between double quotes; YAML breaks lines at more of them than JSON does."""
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08X}"

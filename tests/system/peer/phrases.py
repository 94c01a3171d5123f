"""The phrases by which programs recognize an error, and whether a message of Tandem's holds them.

MLflow's clients, its web UI and people's scripts look for parts of its sentences. A phrase is a
pattern of such a part. What it matches in a message of MLflow's must stand in Tandem's message
letter for letter, with the names and values that belong to it. The rest of a message is free.
"""

import re
from typing import Any, Final

from tests.system.peer.ask import Answer

_QUOTED: Final = r"""(?:'[^']*'|"[^"]*")"""

PHRASES: Final = tuple(
    re.compile(phrase, re.DOTALL)
    for phrase in (
        # Fields of a request
        rf"Invalid value \S.*? for parameter {_QUOTED} supplied",
        rf"Missing value for required parameter {_QUOTED}",
        r"exceeds the maximum length of",
        r"exceeds max length of \d+ characters",
        r"Names may only contain",
        r"Names may be treated as files in certain cases",
        rf"Request specifies both {_QUOTED} and {_QUOTED}",
        r"must be a positive integer",
        r"must be at most \d+",
        rf"Parameter {_QUOTED} must be an integer",
        r"[A-Z]\w+ request (?:must|cannot) specify(?: at least| at most| more than)? \w+ \w+",
        r"Content-Type must be",
        r'Request must include the "\w+" query parameter',
        # What is there, and what is not
        r"[A-Z]\w+(?: \w+)? ?\(name=[^)]*\) already exists",
        r"the name is already taken by a (?:prompt|registered model)",
        r"No Experiment with id=\S+ exists",
        rf"Could not find experiment with name {_QUOTED}",
        rf"Invalid experiment ID {_QUOTED}",
        r"must be a valid integer",
        r"Cannot rename a non-active experiment",
        r"The (?:experiment|run) \S+ must be in the 'active' state",
        r"Run with id=.* not found",
        r"No tag with name: \S+ in (?:run|experiment) with id \S+",
        rf"Logged model with ID {_QUOTED} not found",
        rf"No tag with key {_QUOTED} found for model with ID {_QUOTED}",
        rf"Trace with ID {_QUOTED} not found",
        r"Trace with ID \S+ is not found",
        r"Trace with ID \S+ is not fully exported yet",
        r"Registered Model with name=.* not found",
        r"Model Version \(name=.*, version=.*\) not found",
        r"Registered model alias \S+ not found",
        r"Latest version not found for model [^.]+",
        rf"No versions of model with name {_QUOTED} and stage {_QUOTED} found",
        r"Webhook with ID \S+ not found",
        r"No such artifact",
        r"was not found on the server",
        r"method is not allowed",
        # Runs and what they log
        r"Both 'run_name' argument and 'mlflow\.runName' tag are specified",
        r"Changing param values is not allowed",
        r"already logged",
        r"A batch logging request can contain at most \d+ \w+(?:, \w+, and \w+)?",
        r"Duplicate parameter keys have been submitted",
        r"Malformed model info",
        r"Model json is missing mandatory fields",
        r"If either start step or end step are specified, both must be",
        r"end_step must be greater than start_step",
        r"max_results must be between \d+ and \d+",
        r"Both dataset_name and dataset_digest must be provided",
        # Models
        r"Invalid model name",
        r"cannot contain the following characters",
        r"Names cannot contain '/' or ':'",
        r"Invalid Model Version stage: [^.]+",
        r"cannot archive existing model versions because",
        rf"Invalid alias name: {_QUOTED}",
        r"'latest' alias name \(case insensitive\) is reserved",
        rf"Version alias name {_QUOTED} is reserved",
        rf"Invalid model version source: {_QUOTED}",
        rf"'source' cannot use the {_QUOTED} scheme",
        rf"Invalid prompt source: {_QUOTED}",
        r"Prompt versions cannot be used as model version sources",
        # Searches
        rf"Invalid (?:attribute|dataset) key {_QUOTED} specified",
        r"Invalid entity type",
        r"Invalid order by field name: \S*",
        r"`order_by` contains duplicate fields",
        r"Invalid page token",
        r"in the page token",
        # Artifacts and their locations
        r"Invalid path",
        r"Artifact path refers to a directory, not a file",
        r"Artifact size is too large",
        r"Multipart (?:upload|download) is not supported for the current artifact repository",
        r"Presigned (?:upload|download) is not supported for",
        r"must be between \d+ and \d+ seconds",
        r"can't include fragments or params",
        r"Attachment path must be a valid UUID",
        # Webhooks
        rf"Webhook name {_QUOTED} is invalid",
        r"Webhook URL cannot be empty or just whitespace",
        rf"Invalid webhook URL scheme: {_QUOTED}",
        r"Invalid webhook URL(?! scheme)",
        r"Webhook URL must include a hostname",
        r"Webhook URL must not resolve to a non-public IP address",
        r"Webhook events must be a non-empty list",
        rf"Invalid action {_QUOTED} for entity {_QUOTED}",
        # GraphQL
        r"GraphQL queries should have at most \d+ (?:aliases|root fields)",
        rf"Fragment {_QUOTED} is never used",
        # The gate
        r"Invalid Host header",
        r"Cross-origin request blocked",
    )
)


GROUPS: Final = tuple(
    re.compile("|".join(phrases))
    for phrases in (
        (
            r"Invalid clause\(s\) in filter string",
            r"Invalid filter string",
            r"Invalid (?:attribute|dataset) key",
            r"Invalid entity type",
            r"Invalid comparator",
            r"Invalid comparison",
            r"Expected numeric value type",
            r"Expected a quoted string value",
            r"Invalid value for numeric attribute",
            r"IS NULL / IS NOT NULL is only supported for",
            r"attributes support comparison with",
            r"While parsing a list in the query",
            r"Parameter value is either not quoted",
            r"Search filter contained multiple expression",
        ),
        (
            r"[Rr]equest must specify \w+",
            r"clause must be specified",
            r"Missing value for required parameter",
            r"Invalid value .* for parameter",
        ),
        (
            r"order_by clause",
            r"Invalid order_by entity",
            r"Invalid order by key",
            r"Invalid identifier type",
        ),
    )
)
"""Phrases of which any stands for the others.

They say that a filter, or an order, cannot be understood, and that a field is missing or of no use.
Which one MLflow says depends on the parser that stumbles, and on the handler.
"""


def unlike(mlflow: Answer, tandem: Answer) -> str | None:
    """What Tandem's message lacks of MLflow's phrases; None if both hold the same.

    None too where one of the servers refuses nothing, and where MLflow fails with 500 without a
    phrase, since its message is then of its own fault.
    """
    theirs, ours = _messages(mlflow), _messages(tandem)
    if not theirs or not ours or theirs == ours:
        return None
    found = [match[0] for phrase in PHRASES for match in phrase.finditer(theirs)]
    missing = [text for text in found if text not in ours]
    groups = [group for group in GROUPS if group.search(theirs)]
    missing += [f"one of {group.pattern}" for group in groups if not group.search(ours)]
    if not missing and (found or groups or mlflow.status == 500):
        return None
    lack = f"the phrases {missing}" if missing else "a phrase, since none is known"
    return f"Tandem's message lacks {lack}\nMLflow: {theirs[:500]}\nTandem: {ours[:500]}"


def _messages(answer: Answer) -> str:
    """The messages of a refusal, a line each; "" for an answer that refuses nothing."""
    body: Any = answer.body
    if isinstance(body, dict) and body.get("errors"):  # GraphQL's
        return "\n".join(body["errors"])
    if answer.status < 400:
        return ""
    if isinstance(body, dict):
        return str(body.get("message") or body.get("detail") or "")
    return body.decode(errors="replace") if isinstance(body, bytes) else ""

"""Where Tandem answers otherwise than MLflow on purpose, each with the reason.

The peer test fails on a difference that is not listed here, and on a listed one that is none.
"""

from collections.abc import Mapping, Sequence

DIFFERENCES: Mapping[str, Sequence[str]] = {
    "A value of the wrong type is refused; MLflow drops or bends it in silence and stores the"
    " rest.": (
        "runs: a start that is a fraction",
        "runs: a start beyond int64",
        "runs: a start that is a boolean",
        "runs: tags that are an object",
        "runs: a status that is unknown",
        "runs: a status in small letters",
        "logging: a step beyond int64",
        "logging: a step that is a fraction",
        "logging: a value that is true",
        "search_runs: an unknown view",
        "search_experiments: an unknown view of experiments",
        "history: a page that is a word",
        "history: a page beyond int32",
        "datasets: a dataset that is a list",
    ),
    "What such a request left behind in MLflow, Tandem does not have; and of NaN and Infinity"
    " written as bare words, as Python's json does, MLflow stores 0 at the time 0, where "
    "Tandem stores them.": (
        "logging: the metrics of odd types",
        "datasets: what the bad inputs left",
    ),
    "A required field that is missing is refused; MLflow stores an empty string for it.": (
        "datasets: an input without a dataset",
        "datasets: a dataset without a name",
        "datasets: a dataset without a digest",
        "datasets: a dataset without a source type",
        "datasets: a dataset without a source",
        "datasets: a dataset with an empty name",
        "datasets: an input tag without a key",
        "datasets: an input tag without a value",
        "datasets: outputs without a step",
        "datasets: outputs without a model",
    ),
    "A missing field is INVALID_PARAMETER_VALUE; MLflow looks for nothing and shows what the "
    "database says to that.": (
        "runs: without an experiment",
        "artifacts: fetch without a run",
    ),
    "What is longer than its column is refused on both databases alike; MLflow stores it on "
    "SQLite, which ignores the length, and fails on PostgreSQL.": (
        "experiments: create with a name of 500 characters",
        "runs: a run name of 251 characters",
        "runs: a tag key of 251 characters",
        "runs: rename to 251 characters",
        "datasets: a source type of 37 characters",
        "registered_models: create with 257 characters",
        "registered_models: create with a description of 5001",
        "registered_models: update a description of 5001",
        "registered_models: set a value of 5001",
        "registered_models: rename to 257 characters",
        "model_versions: create with a description of 5001",
        "model_versions: create with a source of 501",
        "model_versions: create with a link of 501",
        "model_versions: create with a run of 33",
    ),
    "A prompt is no version of a model, nor a model of a prompt: searches would find the one among "
    "the other's versions.": (
        "model_versions: a prompt in a model",
        "model_versions: a model in a prompt",
    ),
    "MLflow shows the database's complaint, with its SQL, or blames the name for a doubled "
    "tag; Tandem names the fault.": (
        "experiments: create with a tag twice",
        "experiments: rename to a taken name",
        "runs: the same tag twice, alike",
        "syntax: runs where run_id = ('${y1}')",
        "registry_search: models where name = ('rs-a')",
    ),
    "A location must not climb out of its root.": (
        "experiments: create with dots in the location",
    ),
    "NUL is refused, as PostgreSQL cannot store it, and control characters in names, as "
    "nobody sees them.": (
        "bad_input: a NUL in a name",
        "bad_input: a parameter with a NUL",
        "bad_input: control characters in a name",
    ),
    "Keys may have parts that are words of the filter language; MLflow's tokenizer breaks at "
    "them.": (
        "search_runs: runs where metrics.dots.in.key = 1",
        "search_runs: runs where params.dots.in.key = 'y'",
    ),
    "Runs can be searched and ordered by lifecycle_stage.": (
        "search_runs: runs where lifecycle_stage = 'active'",
        "search_runs: runs where lifecycle_stage = 'deleted'",
        "search_runs: lifecycle_stage beside a view",
        "syntax: runs ordered by lifecycle_stage",
    ),
    "What is no filter is refused, with the place; MLflow ignores the part it does not "
    "understand, and answers with runs that were not asked for, or with none.": (
        "search_runs: runs where metrics.loss < 1 metrics.acc > 0",
        "search_runs: runs where params. = 'adam'",
        "syntax: runs where metrics. > 1",
        "syntax: runs where run_id IN ('a' 'b')",
        "syntax: runs where run_id IN (('a'))",
        "syntax: runs ordered by metrics.",
        "registry_search: versions where run_id IN ('a' 'b')",
        "registry_search: versions where run_id IN (('a'))",
        "registry_search: versions ordered by ['tags.name']",
    ),
    "Quotes around a word and the entity before an attribute are accepted in every search alike; "
    "MLflow takes them in searches of runs, and in the registry here and there.": (
        "registry_search: models where `name` = 'rs-a'",
        "registry_search: models where \"name\" = 'rs-a'",
        "registry_search: models where attribute.`name` = 'rs-a'",
        "registry_search: models where `tags`.rs_team = 'red'",
        "registry_search: models ordered by ['`name`']",
        "registry_search: models ordered by ['attribute.name']",
        "registry_search: versions where `name` = 'rs-c'",
        "registry_search: versions where \"name\" = 'rs-c'",
        "registry_search: versions where attribute.`name` = 'rs-c'",
    ),
    "A page without room is refused, as in the other searches; MLflow answers one that is empty, "
    "and a token that leads nowhere.": (
        "registry_search: 0 models",
        "registry_search: -1 models",
    ),
    "Spaces mean nothing between words; MLflow takes one, in some places none.": (
        "syntax: runs where params.name IS  NOT  NULL",
        "syntax: runs where   ",
        "syntax: runs where \n",
        "syntax: runs ordered by  metrics.m",
        "syntax: runs ordered by metrics.m  DESC ",
    ),
    "NaN is the string of every other answer; MLflow writes the bare word here, which is no "
    "JSON.": (
        "history: in bulk, one run",
        "history: in bulk, an unknown run",
        "history: in bulk",
    ),
    "An empty file has the size 0; MLflow leaves the size out.": (
        "artifacts: list a directory",
        "artifacts: list a directory with a slash",
        "artifacts: list after deleting",
        "artifacts: the ajax twin of a listing",
    ),
    "A backslash is refused at once: on some systems it separates names.": (
        "artifacts: download a path with a backslash",
    ),
    "MLflow's protobuf contract declares this path, but its server does not route it.": (
        "history: an interval under its own version",
    ),
    "A path with a double slash names nothing; MLflow redirects to the tidy one.": (
        "bad_input: a double slash",
    ),
    "HEAD reads the query as GET does.": ("bad_input: HEAD of an experiment",),
    "The version is plain text and says so.": ("bad_input: the version",),
    "Fields have the names of the documentation; MLflow's protobuf also reads a second spelling.": (
        "bad_input: a body field in camel case",
    ),
}
"""The names of requests by the reason why their answers differ."""

REASONS = {name: reason for reason, names in DIFFERENCES.items() for name in names}

BETWEEN_DATABASES: Mapping[str, Sequence[str]] = {
    "The oldest supported revision has a column of 5000 characters, which PostgreSQL enforces.": (
        "experiments: set a value of 5001 characters",
        "experiments: get all the tags",
        "search_experiments: experiments where experiment_id = '1'",
    ),
    "SQLite folds the case of ASCII letters alone; MLflow answers alike.": (
        "syntax: runs where params.name ILIKE '%É%'",
    ),
}
"""The requests that Tandem answers otherwise on PostgreSQL than on SQLite."""

"""Where Tandem answers otherwise than MLflow on purpose, each with the reason.

The peer test fails on a difference that is not listed here, and on a listed one that is none. That
holds of answers, and of the phrases in their messages.
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
        "logged_models: make one with a param that is a number",
        "logged_models: make one with a number for a param",
        "logged_models: finalize with an unknown number",
        "logged_models: finalize with a word",
        "logged_models: finalize with a fraction",
        "logged_models: tag with a number",
        "search_logged_models: an order of odd direction",
        "search_logged_models: max_results 1.5",
        "search_logged_models: max_results 2147483648",
        "webhooks: create with an unknown status",
        "webhooks: change to {'status': 'paused'}",
        "graphql: an operation that is a number",
    ),
    "A run of the prompt lab is created with its files or not at all; MLflow answers 200 with a "
    "run that has failed, and keeps what it wrote until then.": (
        "promptlab: with a number as a template",
        "promptlab: with a param twice",
        "promptlab: with a param of its own name",
        "promptlab: with a param without a key",
    ),
    "Tags of the prompt lab's runs are stored; MLflow fails on them.": ("promptlab: with a tag",),
    "A trace whose spans are a file of its client is shown without them; MLflow fails.": (
        "trace_reads: all that there is of a spanless trace",
        "trace_reads: all that there is of a former trace",
    ),
    "A missing file is a missing resource, be it a run's or a trace's.": (
        "trace_reads: the spans of a spanless trace",
        "trace_reads: the spans of a former trace",
    ),
    "The tags of a trace are answered as they are stored; MLflow leaves out those that it has just "
    "added to a trace whose spans were there first.": ("trace_reads: a trace of these spans",),
    "ILIKE folds the case of all letters on both databases; MLflow on SQLite that of ASCII's.": (
        "syntax: runs where params.name ILIKE '%É%'",
    ),
    "A multicast address is no receiver, a port beyond 65535 is nowhere, programs read a URL with "
    "a space in different ways, and a password in a URL would be shown to everyone who lists "
    "webhooks.": (
        "webhooks: create with the URL 'https://224.0.0.1/'",
        "webhooks: create with the URL 'https://8.8.8.8:99999/'",
        "webhooks: create with the URL 'https://u:p@8.8.8.8/'",
        "webhooks: create with the URL 'https://8.8.8.8/a b'",
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
        "logged_models: make one with a param without a key",
        "logged_models: make one with an empty param key",
        "logged_models: make one with a tag without a key",
        "logged_models: tag without a key",
        "logged_models: tag with an empty key",
        "logged_models: log a param without a key",
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
        "logged_models: make one with a name of 501 characters",
        "logged_models: make one with a type of 501 characters",
        "logged_models: make one from a run id of 33 characters",
        "logged_models: make one with a param key of 256 characters",
        "logged_models: make one with a tag key of 256 characters",
        "logged_models: tag with a key of 256 characters",
        "logged_models: log a param key of 256 characters",
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
        "logged_models: make one with a param twice",
        "logged_models: make one with a tag twice",
        "logged_models: log a param with another value",
        "logged_models: log a new param beside a changed one",
        "logged_models: log a param twice",
        "logged_models: log another value of it",
        "logged_models: log it with a dataset",
        "logged_models: log to an unknown model",
        "logged_models: log to a model id of 37 characters",
        "logged_models: a batch for an unknown model",
        "logged_models: a batch that contradicts itself",
        "logged_models: a model as an output at another step",
        "syntax: runs where run_id = ('${y1}')",
        "registry_search: models where name = ('rs-a')",
    ),
    "No client could write to a location without a host or bucket whose scheme has one.": (
        "experiments: create with an s3 location without a bucket",
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
    "OR, NOT and parentheses, lists and IS NULL of all fields, NOT LIKE and NOT ILIKE are more than"
    " MLflow's filter language has; docs/search.md says what they mean.": (
        "search_runs: runs where metrics.loss IS NULL",
        "search_runs: runs where metrics.loss IS NOT NULL",
        "search_runs: runs where metrics.acc > 0.1 OR metrics.loss < 1",
        "search_runs: runs where metrics.acc IN (0.5)",
        "search_runs: runs where params.opt IN ('adam', 'sgd')",
        "search_runs: runs where params.opt NOT IN ('adam')",
        "search_runs: runs where tags.team IN ('blue', 'red')",
        "search_runs: runs where status IN ('FAILED', 'KILLED')",
        "search_runs: runs where user_id IN ('bob', 'ann')",
        "search_runs: runs where end_time IS NULL",
        "search_runs: runs where (metrics.loss < 1)",
        "search_runs: runs where NOT metrics.loss < 1",
        "search_runs: runs where params.opt = 'adam' OR params.opt = 'sgd' AND metrics.acc > 0",
        "search_runs: runs where (params.opt = 'adam' OR tags.team = 'red') AND metrics.acc > 0",
        "search_runs: runs where NOT (params.opt = 'adam' AND tags.team = 'Blue')",
        "search_runs: runs where tags.team NOT ILIKE 'b%'",
        "search_runs: runs where tags.team NOT IN ('red')",
        "search_runs: runs where run_name IN ('alpha', 'beta')",
        "search_runs: runs where metrics.acc NOT IN (0.5, 1)",
        "search_runs: runs where dataset.name IS NULL AND run_name != 'alpha'",
        "syntax: runs where start_time IN (1640000000002)",
        "syntax: runs where start_time IS NULL",
        "syntax: runs where params.name NOT LIKE 'pl%'",
        "syntax: runs where status IS NULL",
        "search_experiments: experiments where name IN ('find-a', 'find-b')",
        "search_experiments: experiments where name = 'find-a' OR name = 'find-b'",
        "search_experiments: experiments where (name = 'find-a' OR tags.t = 'X') AND NOT name = ''",
        "search_experiments: experiments where NOT name LIKE 'find-%'",
        "search_experiments: experiments where tags.team IN ('x', 'X')",
        "search_experiments: experiments where name LIKE 'find-%' AND last_update_time IS NULL",
        "datasets: runs of data where dataset.name IS NULL",
        "search_logged_models: models where name IS NULL",
        "search_logged_models: models where name IS NOT NULL",
        "search_logged_models: models where creation_timestamp IN (1)",
        "search_logged_models: models where params.lr IS NULL",
        "search_logged_models: models where metrics.acc IN (0.5)",
        "search_logged_models: models where metrics.acc IS NULL",
        "search_logged_models: models where metrics.acc > 0.6 OR params.lr = '0.1'",
        "search_logged_models: models where (metrics.acc > 0.6 OR name = 'beta') AND name != 'x'",
        "search_logged_models: models where NOT (metrics.acc > 0.6)",
        "search_logged_models: models where name NOT LIKE 'a%'",
        "search_logged_models: models where (name = 'alpha')",
        "search_logged_models: models where NOT name = 'alpha'",
        "registry_search: models where name NOT LIKE 'rs-%'",
        "registry_search: models where name IS NULL",
        "registry_search: models where name IS NOT NULL",
        "registry_search: models where name = 'rs-a' OR name = 'rs-c'",
        "registry_search: models where (name = 'rs-a' OR tags.rs_ok = 'no') AND NOT name = 'x'",
        "registry_search: models where NOT tags.rs_team = 'red' AND name LIKE 'rs-%'",
        "registry_search: models where tags.rs_team IN ('red')",
        "registry_search: models where tags.rs_team IS NULL",
        "registry_search: models where tags.rs_team IS NOT NULL",
        "registry_search: versions where run_id IS NULL",
        "registry_search: versions where source_path IN ('s3://bucket/one')",
        "registry_search: versions where version_number IN (1, 2)",
        "registry_search: versions where version_number IN ('1')",
        "registry_search: versions where version_number IS NULL",
        "registry_search: versions where name = 'rs-c' OR name = 'rs-a'",
        "registry_search: versions where (name = 'rs-c' OR tags.rs_ok = 'yes') AND NOT run_id = ''",
        "registry_search: versions where name = 'rs-c' AND run_id IS NOT NULL",
        "registry_search: versions where tags.rs_ok IS NULL",
        "registry_search: versions where tags.rs_ok IN ('yes')",
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
        "search_logged_models: models where name IN ()",
        "search_logged_models: models where name IN ('alpha' 'beta')",
        "search_logged_models: models where name IN ('alpha', 5)",
        "search_logged_models: models where name IN (5)",
        "search_logged_models: models where name = alpha",
        "search_logged_models: models where metrics.acc > nan",
        "search_logged_models: models where name = 'alpha' params.lr = '0.1'",
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
        "search_logged_models: models where there is a space",
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
    "Climbing by backslashes is refused at once: on some systems they separate names.": (
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
    "A request may be repeated when its answer was lost: what is there already is no error.": (
        "logged_models: log a param again",
        "logged_models: a model as an output again",
    ),
    "The path names the logged model; MLflow needs its id in the body too, and changes the model "
    "that the body names.": (
        "logged_models: finalize without the id in the body",
        "logged_models: finalize another than the path names",
        "logged_models: log params without the id in the body",
    ),
    "The key of a tag may hold a slash; MLflow sets such a tag and has no path to delete it.": (
        "logged_models: remove a tag with a slash",
    ),
    "A run that a search finds shows the models that it read, as runs/get does; MLflow's search "
    "leaves them out.": ("logged_models: runs with models", "graphql: runs with everything"),
    "The digest of a dataset is optional, as documented; MLflow's server then looks for metrics of "
    "datasets that have none, which cannot be logged.": (
        "search_logged_models: models of train None where ",
        "search_logged_models: models of test  where metrics.acc > 0.55",
    ),
    "A double quote quotes here as in the other searches; MLflow looks for it as a part of the key "
    "or value.": (
        'search_logged_models: models where name = "alpha"',
        "search_logged_models: models where params.\"lr\" = '0.1'",
        'search_logged_models: models where metrics."val/acc x" = 2',
    ),
    "The other spellings of attributes are understood after `attributes.` too.": (
        "search_logged_models: models where attributes.creation_timestamp > 0",
    ),
    "A page cannot have a negative size; MLflow answers an empty one with a token.": (
        "search_logged_models: max_results -1",
    ),
    "A token is bound to the datasets of its search too.": (
        "search_logged_models: other datasets with the token",
    ),
    "An operation of GraphQL checks what its REST twin checks; MLflow takes no id for experiment "
    "0, and finds no metrics of no runs.": (
        "graphql: an experiment without an id",
        "graphql: an experiment with an empty id",
        "graphql: samples of no run",
        "graphql: samples of no metric",
    ),
    "MLflow fails on any runViewType, looks for the steps in the URL, and complains of a NaN that "
    "it answers as null, as it should.": (
        "graphql: deleted runs",
        "graphql: samples of some steps",
        "graphql: samples of NaN",
    ),
    "The directives that every GraphQL server has are here too.": ("graphql: a skipped field",),
    "The schema is shown by --graphql-introspection only.": ("graphql: the schema",),
    "A query by GET could be sent by a link, and be cached.": ("graphql: a query by GET",),
}
"""The names of requests by the reason why their answers differ."""

REASONS = {name: reason for reason, names in DIFFERENCES.items() for name in names}

OTHER_PHRASES: Mapping[str, Sequence[str]] = {
    "Errors never show a field that holds a secret or a password.": (
        "webhooks: create with a secret that is a number",
        "webhooks: change to {'secret': 5}",
    ),
    "The request's field is `key`; MLflow's message calls a metric's key its name.": (
        "logging: a key that climbs",
        "logging: a key that is absolute",
        "logging: a key that ends in a slash",
        "logging: a key with a double slash",
        "logging: a key of one dot",
        "logging: a key with odd characters",
        "logging: a bad key in a batch",
    ),
    "The entry of a list is named, not the list or its entries' field.": (
        "datasets: datasets of a word",
        "search_logged_models: an order of text",
        "search_logged_models: models of a number for an id",
        "registered_models: create with a tag without a key",
        "registered_models: create with a bad key",
        "registered_models: latest versions of a number",
        "model_versions: create with a bad tag",
        "model_versions: create with a tag without a key",
        "graphql: runs of null",
        "trace_reads: infos of a number",
    ),
    "A missing field, and one of a wrong type, are told in the same words everywhere.": (
        "search_logged_models: an order without a field",
        "search_logged_models: an order by a number",
        "search_logged_models: an order by nothing",
        "trace_reads: a trace, partial as a number",
        "trace_reads: a trace, partial as a word",
        "trace_reads: a trace, partial as nothing",
    ),
    "So is a page's size, and as a number also where a query string holds it.": (
        "registry_search: 1001 models",
        "registry_search: 200001 versions",
        "webhooks: list -1",
        "webhooks: list 1001",
    ),
    "MLflow takes a body that it cannot read for an empty one, and misses a field.": (
        "bad_input: a brace too few",
        "bad_input: a brace too many",
        "bad_input: no JSON at all",
        "bad_input: single quotes",
        "bad_input: a trailing comma",
        "bad_input: null for a body",
        "bad_input: bytes that are no UTF-8",
        "bad_input: half a surrogate pair",
    ),
    "Bytes that are no text become U+FFFD; MLflow shows them escaped.": (
        "bad_input: a parameter that is no UTF-8",
    ),
    "MLflow's message is Python's or its web framework's, and no program's sign of anything.": (
        "artifacts: fetch without a path",
        "model_artifacts: no file of a version",
        "promptlab: of what is no JSON",
        "graphql: an experiment by null",
        "graphql: an experiment without an input",
    ),
    "A source is repeated as it was sent; MLflow shows the path on its own disk that it makes of "
    "it.": (
        "model_versions: from file:///etc with run_id ${mvrun}",
        "model_versions: from model with run_id ${mvrun}",
    ),
    "A query's size is bounded before its fragments are understood.": (
        "graphql: fragments in a circle",
    ),
}
"""The names of requests whose messages share no phrase that tells an error, by the reason why.

Requests that `DIFFERENCES` lists are not repeated here.
"""

BETWEEN_DATABASES: Mapping[str, Sequence[str]] = {
    "IDs of experiments have 64 bits on SQLite, and the 32 of MLflow's column on PostgreSQL.": (
        "experiments: get an id with a sign",
        "experiments: get an id beyond int64",
    ),
}
"""The requests that Tandem answers otherwise on PostgreSQL than on SQLite."""

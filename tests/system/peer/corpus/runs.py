"""Runs: made, read, updated, deleted, restored, tagged."""

from tests.system.peer.ask import get, post

START = 1700000000000

_TAGS = [
    {"key": "mlflow.user", "value": "ann"},
    {"key": "mlflow.source.name", "value": "train.py"},
    {"key": "mlflow.source.type", "value": "LOCAL"},
]

REQUESTS = [
    post("an experiment for runs", "experiments/create", {"name": "runs"}, runs="experiment_id"),
    post(
        "create a run",
        "runs/create",
        {"experiment_id": "${runs}", "user_id": "ann", "run_name": "first", "start_time": START},
        r1="run.info.run_id",
    ),
    get("get a run", "runs/get", {"run_id": "${r1}"}),
    post(
        "names that scripts read from commands",
        "runs/create",
        {
            "experiment_id": "${runs}",
            "user_id": "ann\n",
            "run_name": "4f2a91c\r\n",
            "start_time": START,
            "tags": [{"key": "branch\n", "value": "main\n"}],
        },
        lines="run.info.run_id",
    ),
    post("a tag of two lines", "runs/set-tag", {"run_id": "${lines}", "key": "a\nb", "value": "v"}),
    post(
        "a tag with a line end", "runs/set-tag", {"run_id": "${lines}", "key": "a\n", "value": "v"}
    ),
    post("a new name of lines", "runs/update", {"run_id": "${lines}", "run_name": "a\nb\t"}),
    get("the names of lines", "runs/get", {"run_id": "${lines}"}),
    post(
        "fields by protobuf's other names",
        "runs/create",
        {
            "experiment_id": "${runs}",
            "runName": "camel",
            "userId": "ann",
            "startTime": str(START),
            "tags": [{"key": "k", "value": "v"}],
        },
    ),
    post(
        "a field by both names",
        "runs/create",
        {"experiment_id": "${runs}", "experimentId": "${runs}", "start_time": START},
    ),
    get("a parameter by protobuf's other name", "runs/get", {"runId": "${lines}"}),
    get("get a run by run_uuid", "runs/get", {"run_uuid": "${r1}"}),
    get("run_id wins over run_uuid", "runs/get", {"run_id": "${r1}", "run_uuid": "f" * 32}),
    get("get by the ajax prefix", "/ajax-api/2.0/mlflow/runs/get", {"run_id": "${r1}"}),
    post(
        "a generated name",
        "runs/create",
        {"experiment_id": "${runs}", "start_time": START + 1},
        r2="run.info.run_id",
    ),
    get("the generated name is a tag", "runs/get", {"run_id": "${r2}"}),
    post(
        "with tags",
        "runs/create",
        {"experiment_id": "${runs}", "start_time": START + 2, "tags": _TAGS, "run_name": "tagged"},
        r3="run.info.run_id",
    ),
    post(
        "the name in a tag",
        "runs/create",
        {
            "experiment_id": "${runs}",
            "start_time": START + 3,
            "tags": [{"key": "mlflow.runName", "value": "from-the-tag"}],
        },
        r4="run.info.run_id",
    ),
    get("the name from the tag", "runs/get", {"run_id": "${r4}"}),
    post(
        "the same name in field and tag",
        "runs/create",
        {
            "experiment_id": "${runs}",
            "run_name": "both",
            "start_time": START + 3,
            "tags": [{"key": "mlflow.runName", "value": "both"}],
        },
    ),
    post(
        "different names in field and tag",
        "runs/create",
        {
            "experiment_id": "${runs}",
            "run_name": "one",
            "tags": [{"key": "mlflow.runName", "value": "other"}],
        },
    ),
    post(
        "an empty name",
        "runs/create",
        {"experiment_id": "${runs}", "run_name": "", "start_time": START},
    ),
    post(
        "a null name",
        "runs/create",
        {"experiment_id": "${runs}", "run_name": None, "start_time": START},
    ),
    post("without a start", "runs/create", {"experiment_id": "${runs}", "run_name": "no start"}),
    post(
        "a start of zero",
        "runs/create",
        {"experiment_id": "${runs}", "run_name": "zero", "start_time": 0},
    ),
    post(
        "a start as a string",
        "runs/create",
        {"experiment_id": "${runs}", "run_name": "text", "start_time": "1700000000123"},
    ),
    post(
        "a start that is a word", "runs/create", {"experiment_id": "${runs}", "start_time": "soon"}
    ),
    post(
        "a start that is a fraction", "runs/create", {"experiment_id": "${runs}", "start_time": 1.5}
    ),
    post(
        "a start that is a whole float",
        "runs/create",
        {"experiment_id": "${runs}", "run_name": "f", "start_time": 1700000000000.0},
    ),
    post("a start beyond int64", "runs/create", {"experiment_id": "${runs}", "start_time": 2**63}),
    post(
        "a negative start",
        "runs/create",
        {"experiment_id": "${runs}", "run_name": "early", "start_time": -5},
    ),
    post(
        "a start that is a boolean", "runs/create", {"experiment_id": "${runs}", "start_time": True}
    ),
    post(
        "in the default experiment",
        "runs/create",
        {"run_name": "default", "start_time": START, "experiment_id": "0"},
        r0="run.info.run_id",
    ),
    post("without an experiment", "runs/create", {"run_name": "default", "start_time": START}),
    post("in an unknown experiment", "runs/create", {"experiment_id": "987654321"}),
    post("in an experiment that is no number", "runs/create", {"experiment_id": "abc"}),
    post(
        "an experiment as a number",
        "runs/create",
        {"experiment_id": 0, "run_name": "n", "start_time": START},
    ),
    post(
        "a run name of 250 characters",
        "runs/create",
        {"experiment_id": "${runs}", "run_name": "n" * 250, "start_time": START},
    ),
    post(
        "a run name of 251 characters",
        "runs/create",
        {"experiment_id": "${runs}", "run_name": "n" * 251, "start_time": START},
    ),
    post(
        "a user of 256 characters",
        "runs/create",
        {"experiment_id": "${runs}", "run_name": "u", "user_id": "u" * 256, "start_time": START},
    ),
    post(
        "a tag key of 251 characters",
        "runs/create",
        {"experiment_id": "${runs}", "tags": [{"key": "k" * 251, "value": "v"}]},
    ),
    post(
        "tags that are an object", "runs/create", {"experiment_id": "${runs}", "tags": {"a": "b"}}
    ),
    post(
        "the same tag twice, alike",
        "runs/create",
        {
            "experiment_id": "${runs}",
            "run_name": "t",
            "start_time": START,
            "tags": [{"key": "k", "value": "1"}, {"key": "k", "value": "1"}],
        },
    ),
    post(
        "a parent run",
        "runs/create",
        {
            "experiment_id": "${runs}",
            "run_name": "child",
            "start_time": START,
            "tags": [{"key": "mlflow.parentRunId", "value": "${r1}"}],
        },
    ),
    get("get without an id", "runs/get"),
    get("get with an empty id", "runs/get", {"run_id": ""}),
    get("get an unknown run", "runs/get", {"run_id": "0" * 32}),
    get("get an id of another shape", "runs/get", {"run_id": "../../etc"}),
    post(
        "finish", "runs/update", {"run_id": "${r1}", "status": "FINISHED", "end_time": START + 9000}
    ),
    get("finished", "runs/get", {"run_id": "${r1}"}),
    post(
        "fail by run_uuid",
        "runs/update",
        {"run_uuid": "${r2}", "status": "FAILED", "end_time": START + 9001},
    ),
    post("kill", "runs/update", {"run_id": "${r3}", "status": "KILLED", "end_time": START + 9002}),
    post("schedule", "runs/update", {"run_id": "${r4}", "status": "SCHEDULED"}),
    post("run again", "runs/update", {"run_id": "${r1}", "status": "RUNNING"}),
    get("the end after running again", "runs/get", {"run_id": "${r1}"}),
    post("finish without an end", "runs/update", {"run_id": "${r4}", "status": "FINISHED"}),
    post(
        "an end as a string",
        "runs/update",
        {"run_id": "${r4}", "status": "FINISHED", "end_time": "1700000009999"},
    ),
    post("a status that is unknown", "runs/update", {"run_id": "${r1}", "status": "DONE"}),
    post("a status in small letters", "runs/update", {"run_id": "${r1}", "status": "finished"}),
    post("a status as a number", "runs/update", {"run_id": "${r1}", "status": 3}),
    post("a status as an unknown number", "runs/update", {"run_id": "${r1}", "status": 99}),
    post("only an end", "runs/update", {"run_id": "${r2}", "end_time": START + 9999}),
    get("after only an end", "runs/get", {"run_id": "${r2}"}),
    post("rename a run", "runs/update", {"run_id": "${r1}", "run_name": "renamed"}),
    get("the new name is the tag too", "runs/get", {"run_id": "${r1}"}),
    post("rename a run to nothing", "runs/update", {"run_id": "${r1}", "run_name": ""}),
    post("rename to 251 characters", "runs/update", {"run_id": "${r1}", "run_name": "n" * 251}),
    post("rename to something short", "runs/update", {"run_id": "${r1}", "run_name": "short"}),
    post("update an unknown run", "runs/update", {"run_id": "0" * 32, "status": "FINISHED"}),
    post("update without an id", "runs/update", {"status": "FINISHED"}),
    post("update nothing", "runs/update", {"run_id": "${r1}"}),
    post(
        "set the name's tag",
        "runs/set-tag",
        {"run_id": "${r1}", "key": "mlflow.runName", "value": "by tag"},
    ),
    get("the tag names the run", "runs/get", {"run_id": "${r1}"}),
    post(
        "set the name's tag to nothing",
        "runs/set-tag",
        {"run_id": "${r1}", "key": "mlflow.runName", "value": ""},
    ),
    post("delete the name's tag", "runs/delete-tag", {"run_id": "${r1}", "key": "mlflow.runName"}),
    get("after the name's tag is deleted", "runs/get", {"run_id": "${r1}"}),
    post("set a run's tag", "runs/set-tag", {"run_id": "${r1}", "key": "t", "value": "v"}),
    post("set it by run_uuid", "runs/set-tag", {"run_uuid": "${r1}", "key": "t", "value": "w"}),
    post("set a tag without a value", "runs/set-tag", {"run_id": "${r1}", "key": "t0"}),
    post(
        "set a tag of 8000 characters",
        "runs/set-tag",
        {"run_id": "${r1}", "key": "big", "value": "v" * 8000},
    ),
    post(
        "set a tag of 8001 characters",
        "runs/set-tag",
        {"run_id": "${r1}", "key": "bigger", "value": "w" * 8001},
    ),
    post("set a tag without a key", "runs/set-tag", {"run_id": "${r1}", "value": "v"}),
    post("set a tag without a run", "runs/set-tag", {"key": "k", "value": "v"}),
    post(
        "set a tag of an unknown run",
        "runs/set-tag",
        {"run_id": "0" * 32, "key": "k", "value": "v"},
    ),
    get("all the tags of a run", "runs/get", {"run_id": "${r1}"}),
    post("delete a run's tag", "runs/delete-tag", {"run_id": "${r1}", "key": "t"}),
    post("delete a run's tag again", "runs/delete-tag", {"run_id": "${r1}", "key": "t"}),
    post("delete a tag of an unknown run", "runs/delete-tag", {"run_id": "0" * 32, "key": "t"}),
    post("delete a tag without a key", "runs/delete-tag", {"run_id": "${r1}"}),
    post("delete a run", "runs/delete", {"run_id": "${r3}"}),
    get("a deleted run is still read", "runs/get", {"run_id": "${r3}"}),
    post("delete a run again", "runs/delete", {"run_id": "${r3}"}),
    post("update a deleted run", "runs/update", {"run_id": "${r3}", "status": "FINISHED"}),
    post("tag a deleted run", "runs/set-tag", {"run_id": "${r3}", "key": "k", "value": "v"}),
    post("untag a deleted run", "runs/delete-tag", {"run_id": "${r3}", "key": "mlflow.user"}),
    post(
        "a metric for a deleted run",
        "runs/log-metric",
        {"run_id": "${r3}", "key": "k", "value": 1, "timestamp": 1},
    ),
    post(
        "a param for a deleted run",
        "runs/log-parameter",
        {"run_id": "${r3}", "key": "k", "value": "1"},
    ),
    post(
        "a batch for a deleted run",
        "runs/log-batch",
        {"run_id": "${r3}", "tags": [{"key": "k", "value": "v"}]},
    ),
    post("inputs for a deleted run", "runs/log-inputs", {"run_id": "${r3}", "datasets": []}),
    post("restore a run", "runs/restore", {"run_id": "${r3}"}),
    get("a restored run", "runs/get", {"run_id": "${r3}"}),
    post("restore an active run", "runs/restore", {"run_id": "${r3}"}),
    post("delete an unknown run", "runs/delete", {"run_id": "0" * 32}),
    post("restore an unknown run", "runs/restore", {"run_id": "0" * 32}),
    post("delete without a run", "runs/delete", {}),
    post("restore without a run", "runs/restore", {}),
]

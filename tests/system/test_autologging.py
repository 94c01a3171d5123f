"""Calls of LangChain, OpenAI's library and LlamaIndex, traced by the lines of docs/traces.md.

What they call is an API on loopback; the libraries are real, and so are both services.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Span, Trace

from tests.harness.processes import environment
from tests.system import openai_api
from tests.system.client_environments import AUTOLOGGING, PINS, interpreter
from tests.system.services import Stack

PAGE = Path(__file__).resolve().parents[2] / "docs" / "traces.md"
LIBRARIES = ("langchain", "openai", "llama_index")
ADDRESS = "http://127.0.0.1:5000"

USED = {"input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010}
COST = {"input_cost": 0.0025, "output_cost": 0.0001, "total_cost": 0.0026}
"""Of that many tokens of gpt-4o, by the prices that come with MLflow."""
NO_TOKENS: dict[str, Any] = {"tokens": None, "cost": None}
NAME = "mlflow.traceName"

_TEXTS = ["TokenTextSplitter.split_text CHAIN"]
_ASKED = ["OpenAI.predict LLM", ["OpenAI.chat CHAT_MODEL"]]
_REFINED = ["CompactAndRefine.get_response CHAIN", ["DefaultRefineProgram.__call__ CHAIN", _ASKED]]
_EMBEDDED = ["OpenAIEmbedding._get_query_embedding EMBEDDING"]
_EMBEDDED = ["OpenAIEmbedding.get_query_embedding EMBEDDING", _EMBEDDED]
QUERY = [
    "RetrieverQueryEngine._query CHAIN",
    [
        "CompactAndRefine.synthesize CHAIN",
        ["CompactAndRefine.get_response CHAIN", [*_REFINED, _TEXTS], _TEXTS],
    ],
    [
        "VectorIndexRetriever.retrieve RETRIEVER",
        ["VectorIndexRetriever._retrieve RETRIEVER", _EMBEDDED],
    ],
]
"""What a query of LlamaIndex does below its root."""


def shown(address: str) -> dict[str, str]:
    """The lines that the page shows for each library, with another address."""
    found = dict(re.findall(r"```python (\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL))
    for lines in found.values():
        assert len(lines.splitlines()) == 2
        assert ADDRESS in lines
    assert set(found) == set(LIBRARIES)
    return {library: lines.replace(ADDRESS, address) for library, lines in found.items()}


def test_calls_of_libraries_become_traces(
    stack: Stack, client: MlflowClient, experiment: str, tmp_path: Path
) -> None:
    file = tmp_path / "lines.json"
    file.write_text(json.dumps(shown(stack.metadata.url)))
    script = PINS / "autologging.py"
    with openai_api.serving() as api:
        done = subprocess.run(
            [interpreter(AUTOLOGGING), script, file, api],
            env=environment(MLFLOW_EXPERIMENT_ID=experiment),
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    found = Traces(experiment)
    _of_openai(found)
    _of_a_conversation(found)
    _of_langchain(found)
    _of_llama_index(found)
    assert found.left == []
    assert _count(experiment, "span.type = 'CHAT_MODEL' AND span.status = 'ERROR'") == 2
    assert _count(experiment, "trace.status = 'ERROR'") == 3
    assert _count(experiment, "span.attributes.`mlflow.llm.model` = 'ours'") == 1


class Traces:
    """The traces of an experiment, each of which is to be asked for."""

    def __init__(self, experiment: str) -> None:
        self.left: list[Trace] = mlflow.search_traces(locations=[experiment], return_type="list")

    def take(
        self,
        name: str,
        asked: str | None,
        *below: list[Any],
        tokens: dict[str, int] | None = USED,
        cost: dict[str, float] | None = COST,
        state: str = "OK",
    ) -> dict[str, Span]:
        """The spans by name of the trace with this root and request, once all is as said.

        `name` is that of the root with its type, as in the trees `below` it. With `asked` None it
        is the only one of that root.
        """
        (trace,) = (
            each
            for each in self.left
            if _label(each.data.spans[0]) == name and asked in (None, each.info.request_preview)
        )
        self.left.remove(trace)
        root = trace.data.spans[0]
        assert _tree(root, trace.data.spans) == [name, *below]
        assert [str(trace.info.state), root.status.status_code.value] == [state, state]
        assert trace.info.token_usage == tokens
        assert _cost(trace) == cost
        if state == "ERROR":
            (event,) = root.events
            assert "That is refused." in str(event.attributes["exception.message"])
            assert trace.info.response_preview is None
        return {each.name: each for each in trace.data.spans}


def _label(span: Span) -> str:
    return f"{span.name} {span.span_type}"


def _tree(root: Span, spans: list[Span]) -> list[Any]:
    children = [each for each in spans if each.parent_id == root.span_id]
    return [_label(root), *sorted(_tree(each, spans) for each in children)]


def _cost(trace: Trace) -> dict[str, float] | None:
    cost = json.loads(trace.info.trace_metadata.get("mlflow.trace.cost", "null"))
    return cost and {name: round(value, 9) for name, value in cost.items()}


def _count(experiment: str, filter: str) -> int:
    return len(mlflow.search_traces(locations=[experiment], filter_string=filter))


def _of_openai(found: Traces) -> None:
    root = "Completions CHAT_MODEL"
    said = found.take(root, "Say it.")["Completions"]
    assert said.inputs["messages"] == [{"role": "user", "content": "Say it."}]
    assert said.outputs["choices"][0]["message"]["content"] == openai_api.ANSWER
    assert said.get_attribute("mlflow.chat.tokenUsage") == USED
    assert said.get_attribute("mlflow.llm.model") == "gpt-4o"
    streamed = found.take(root, "Stream it.")["Completions"]
    assert streamed.outputs["choices"][0]["message"]["content"] == openai_api.ANSWER
    assert len(streamed.events) == len(openai_api.PIECES) + 2  # its end, and the tokens
    called = found.take(root, "What is twice 2?")["Completions"]
    (call,) = called.outputs["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": "twice", "arguments": '{"n": 2}'}
    assert called.get_attribute("mlflow.chat.tools")[0]["function"]["name"] == "twice"
    asked = '{"model": "text-embedding-3-small", "input": "it"}'
    embedded = found.take("Embeddings EMBEDDING", asked, **NO_TOKENS)["Embeddings"]
    assert embedded.outputs["data"][0]["embedding"] == [0.5] * 8
    found.take(root, "Please refuse.", state="ERROR", **NO_TOKENS)


def _of_a_conversation(found: Traces) -> None:
    """Two calls: one model has a price, and the other none."""
    (info,) = (each.info for each in found.left if each.info.tags[NAME] == "conversation")
    assert info.trace_metadata["mlflow.trace.session"] == "s-1"
    assert info.trace_metadata["mlflow.trace.user"] == "alice"
    twice = {name: 2 * count for name, count in USED.items()}
    below = [["Completions CHAT_MODEL"]] * 2
    found.take("conversation UNKNOWN", '{"question": "Again?"}', *below, tokens=twice)


def _of_langchain(found: Traces) -> None:
    """What it asks of OpenAI's library is traced too: both tell of the same tokens."""
    root = "RunnableSequence CHAIN"
    model = ["ChatOpenAI CHAT_MODEL", ["Completions CHAT_MODEL"]]
    prompt, parser = ["ChatPromptTemplate CHAIN"], ["StrOutputParser CHAIN"]
    spans = found.take(root, '{"verb": "Say"}', model, prompt, parser)
    assert spans["RunnableSequence"].inputs == {"verb": "Say"}
    assert spans["RunnableSequence"].outputs == openai_api.ANSWER
    for name in ("ChatOpenAI", "Completions"):
        assert spans[name].get_attribute("mlflow.chat.tokenUsage") == USED
    assert spans["ChatOpenAI"].inputs["messages"][0]["content"] == "Say it."
    # Of a stream the parser begins while the model still answers.
    spans = found.take(root, '{"verb": "Stream"}', [*model, parser], prompt)
    assert spans["RunnableSequence"].outputs == openai_api.ANSWER
    asked = '{"verb": "Please refuse"}'
    spans = found.take(root, asked, model, prompt, state="ERROR", **NO_TOKENS)
    assert spans["ChatOpenAI"].status.status_code.value == "ERROR"
    asked = '{"question": "What is twice 2?"}'
    spans = found.take("agent AGENT", asked, model, ["twice TOOL"])
    assert spans["twice"].inputs == {"n": 2}
    assert spans["twice"].outputs["content"] == spans["agent"].outputs == "4"


def _of_llama_index(found: Traces) -> None:
    said = found.take("OpenAI.complete LLM", '{"args": ["Say it."]}')["OpenAI.complete"]
    assert said.outputs["text"] == openai_api.ANSWER
    assert said.get_attribute("mlflow.llm.model") == "gpt-4o"
    streamed = found.take("OpenAI.stream_complete LLM", '{"args": ["Stream it."]}', **NO_TOKENS)
    assert streamed["OpenAI.stream_complete"].outputs["text"] == openai_api.ANSWER
    asked = '{"args": ["Please refuse."]}'
    found.take("OpenAI.complete LLM", asked, state="ERROR", **NO_TOKENS)
    parsing = ["SentenceSplitter.split_text_metadata_aware CHAIN"]
    parsing = ["SentenceSplitter._parse_nodes CHAIN", parsing]
    found.take("SentenceSplitter.__call__ CHAIN", None, parsing, **NO_TOKENS)
    found.take("OpenAIEmbedding.get_text_embedding_batch EMBEDDING", None, **NO_TOKENS)
    asked = '{"str_or_query_bundle": "What is it?"}'
    spans = found.take("RetrieverQueryEngine.query CHAIN", asked, QUERY)
    assert spans["VectorIndexRetriever.retrieve"].span_type == "RETRIEVER"
    (document,) = spans["VectorIndexRetriever.retrieve"].outputs
    assert document["page_content"] == "It is naïve."
    assert spans["RetrieverQueryEngine.query"].outputs["response"] == openai_api.ANSWER
    assert spans["OpenAI.chat"].get_attribute("mlflow.chat.tokenUsage") == USED

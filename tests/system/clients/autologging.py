"""Run by the interpreter of an environment with libraries of language models: their calls traced.

Arguments: a file with a JSON object that has for each library the lines that configure it, and the
base URL of what answers as OpenAI. Variables of MLflow name the experiment. Each trace has a name
or a question of its own.
"""

import contextlib
import json
import sys
from pathlib import Path

import mlflow
import openai


def main(file, api):
    lines = json.loads(Path(file).read_text())
    calls = {"openai": of_openai, "langchain": of_langchain, "llama_index": of_llama_index}
    assert lines.keys() == calls.keys()
    for library, call in calls.items():
        exec(lines[library], {"mlflow": mlflow})
        call(api)
        if library == "langchain":
            # What LangChain asks of OpenAI's library is traced twice; of LlamaIndex only its own.
            mlflow.openai.autolog(disable=True)
    mlflow.flush_trace_async_logging()


def of_openai(api):
    client = openai.OpenAI(base_url=api, api_key="none", max_retries=0)

    def ask(question, model="gpt-4o", **options):
        messages = [{"role": "user", "content": question}]
        return client.chat.completions.create(model=model, messages=messages, **options)

    assert ask("Say it.").choices[0].message.content == "naïve"
    streamed = ask("Stream it.", stream=True, stream_options={"include_usage": True})
    pieces = [each.choices[0].delta.content or "" for each in streamed if each.choices]
    assert "".join(pieces) == "naïve"
    parameters = {"type": "object", "properties": {"n": {"type": "integer"}}}
    tool = {"type": "function", "function": {"name": "twice", "parameters": parameters}}
    (called,) = ask("What is twice 2?", tools=[tool]).choices[0].message.tool_calls
    assert called.function.name == "twice"
    found = client.embeddings.create(model="text-embedding-3-small", input="it")
    assert found.data[0].embedding == [0.5] * 8
    with contextlib.suppress(openai.BadRequestError):
        ask("Please refuse.")

    @mlflow.trace
    def conversation(question):
        whose = {"mlflow.trace.session": "s-1", "mlflow.trace.user": "alice"}
        mlflow.update_current_trace(metadata=whose)
        for model in ("gpt-4o", "ours"):
            ask(question, model)

    conversation("Again?")


def of_langchain(api):
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    given = {"base_url": api, "api_key": "none", "max_retries": 0}
    model = ChatOpenAI(model="gpt-4o", stream_usage=True, **given)
    chain = ChatPromptTemplate.from_template("{verb} it.") | model | StrOutputParser()
    assert chain.invoke({"verb": "Say"}) == "naïve"
    assert "".join(chain.stream({"verb": "Stream"})) == "naïve"
    with contextlib.suppress(openai.BadRequestError):
        chain.invoke({"verb": "Please refuse"})

    @tool
    def twice(n: int) -> int:
        """Twice as much."""
        return 2 * n

    @mlflow.trace(name="agent", span_type="AGENT")
    def agent(question):
        called = model.bind_tools([twice]).invoke(question)
        return twice.invoke(called.tool_calls[0]).content

    assert agent("What is twice 2?") == "4"


def of_llama_index(api):
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.embeddings.openai import OpenAIEmbedding
    from llama_index.llms.openai import OpenAI

    given = {"api_base": api, "api_key": "none", "max_retries": 0}
    model = OpenAI(model="gpt-4o", **given)
    assert model.complete("Say it.").text == "naïve"
    assert [each.text for each in model.stream_complete("Stream it.")][-1] == "naïve"
    with contextlib.suppress(openai.BadRequestError):
        model.complete("Please refuse.")
    embedding = OpenAIEmbedding(model="text-embedding-3-small", **given)
    index = VectorStoreIndex.from_documents([Document(text="It is naïve.")], embed_model=embedding)
    assert str(index.as_query_engine(llm=model).query("What is it?")) == "naïve"


if __name__ == "__main__":
    main(*sys.argv[1:])

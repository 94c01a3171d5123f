"""The stock client's prompts, which it keeps as registered models with a tag."""

import uuid
from collections.abc import Iterator

import mlflow
import pytest
from mlflow import MlflowClient, genai
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import PromptCache

TEXT = "Summarise {{text}} in {{count}} words; say „naïve ☃“."
CHAT = [
    {"role": "system", "content": "You are {{style}}."},
    {"role": "user", "content": "{{question}}"},
]


@pytest.fixture
def name() -> str:
    """The name of a prompt for one test alone."""
    return f"prompt-{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the client remembers of prompts would hide what the server answers."""
    monkeypatch.setenv("MLFLOW_ALIAS_PROMPT_CACHE_TTL_SECONDS", "0")
    monkeypatch.setenv("MLFLOW_VERSION_PROMPT_CACHE_TTL_SECONDS", "0")
    yield
    PromptCache.get_instance().clear()


def test_a_text_comes_back_by_version_alias_and_latest(client: MlflowClient, name: str) -> None:
    made = genai.register_prompt(name, TEXT, commit_message="first", tags={"lang": "en"})
    assert (made.name, made.version) == (name, 1)
    genai.register_prompt(name, "Shorter: {{text}}")
    genai.set_prompt_alias(name, "production", 1)
    loaded = genai.load_prompt(name, version=1)
    assert loaded.template == TEXT
    assert loaded.format(text="it", count=3) == TEXT.replace("{{text}}", "it").replace(
        "{{count}}", "3"
    )
    assert (loaded.commit_message, loaded.variables) == ("first", {"text", "count"})
    assert loaded.tags["lang"] == "en"
    assert genai.load_prompt(f"prompts:/{name}/1").template == TEXT
    assert genai.load_prompt(f"prompts:/{name}@production").version == 1
    assert genai.load_prompt(f"prompts:/{name}@latest").version == 2
    assert genai.load_prompt(name).template == "Shorter: {{text}}"
    assert genai.load_prompt(name, version=7, allow_missing=True) is None
    with pytest.raises(MlflowException):
        genai.load_prompt(name, version=7)


def test_a_chat_comes_back_with_its_answer_format_and_model(
    client: MlflowClient, name: str
) -> None:
    answer = {"type": "object", "properties": {"answer": {"type": "string"}}}
    config = {"model_name": "some-model", "temperature": 0.5}
    genai.register_prompt(name, CHAT, response_format=answer, model_config=config)
    loaded = genai.load_prompt(name, version=1)
    assert loaded.template == CHAT
    assert loaded.response_format == answer
    assert loaded.model_config.items() >= config.items()
    assert loaded.format(style="terse", question="Why?")[1]["content"] == "Why?"


def test_tags_and_aliases_are_set_and_removed(client: MlflowClient, name: str) -> None:
    genai.register_prompt(name, TEXT)
    genai.register_prompt(name, TEXT)
    genai.set_prompt_tag(name, "team", "blue")
    genai.set_prompt_tag(name, "gone", "x")
    genai.delete_prompt_tag(name, "gone")
    genai.set_prompt_version_tag(name, 1, "checked", "yes")
    genai.set_prompt_version_tag(name, 1, "gone", "x")
    genai.delete_prompt_version_tag(name, 1, "gone")
    tags = genai.get_prompt_tags(name)
    assert tags["team"] == "blue"
    assert "gone" not in tags
    assert genai.load_prompt(name, version=1).tags == {"checked": "yes"}
    genai.set_prompt_alias(name, "production", 1)
    genai.set_prompt_alias(name, "production", 2)
    assert genai.load_prompt(f"prompts:/{name}@production").version == 2
    genai.delete_prompt_alias(name, "production")
    with pytest.raises(MlflowException):
        genai.load_prompt(f"prompts:/{name}@production")


def test_prompts_are_searched(client: MlflowClient, name: str) -> None:
    for letter in "abc":
        genai.register_prompt(f"{name}-{letter}", TEXT, tags={"letter": letter})
        genai.set_prompt_tag(f"{name}-{letter}", "letter", letter)

    def found(filter_string: str) -> list[str]:
        return sorted(each.name[-1] for each in genai.search_prompts(filter_string))

    assert found(f"name LIKE '{name}-%'") == ["a", "b", "c"]
    assert found(f"name = '{name}-b'") == ["b"]
    assert found(f"name LIKE '{name}-%' AND tags.letter = 'c'") == ["c"]
    first = client.search_prompts(f"name LIKE '{name}-%'", max_results=2)
    second = client.search_prompts(f"name LIKE '{name}-%'", max_results=2, page_token=first.token)
    assert sorted(each.name[-1] for each in [*first, *second]) == ["a", "b", "c"]


def test_versions_of_a_prompt_are_searched(client: MlflowClient, name: str) -> None:
    for number in "123":
        genai.register_prompt(name, f"{number}: {{{{x}}}}", commit_message=f"message {number}")
    found = client.search_prompt_versions(name)
    assert sorted((each.version, each.template[:2]) for each in found) == [
        (1, "1:"),
        (2, "2:"),
        (3, "3:"),
    ]


def test_a_prompt_is_deleted_after_its_versions(client: MlflowClient, name: str) -> None:
    genai.register_prompt(name, TEXT)
    client.delete_prompt_version(name, "1")
    with pytest.raises(MlflowException):
        genai.load_prompt(name, version=1)
    client.delete_prompt(name)
    assert client.get_prompt(name) is None
    assert genai.register_prompt(name, TEXT).version == 1


def test_prompts_and_models_never_mix(client: MlflowClient, name: str) -> None:
    genai.register_prompt(f"{name}-prompt", TEXT, tags={"k": "v"})
    client.create_registered_model(f"{name}-model", tags={"k": "v"})
    client.create_model_version(f"{name}-model", "s3://bucket/model", tags={"k": "v"})
    ours = f"name LIKE '{name}-%'"
    assert [each.name for each in client.search_registered_models(ours)] == [f"{name}-model"]
    assert [each.name for each in client.search_model_versions(ours)] == [f"{name}-model"]
    assert [each.name for each in client.search_model_versions(f"{ours} AND tags.k = 'v'")] == [
        f"{name}-model"
    ]
    assert [each.name for each in genai.search_prompts(ours)] == [f"{name}-prompt"]
    assert [each.name for each in client.search_registered_models(f"{ours} AND tags.k = 'v'")] == [
        f"{name}-model"
    ]
    assert f"{name}-prompt" not in {
        each.name for each in client.search_registered_models(max_results=1000)
    }
    with pytest.raises(MlflowException):
        genai.load_prompt(f"{name}-model", version=1)
    with pytest.raises(MlflowException):
        genai.register_prompt(f"{name}-model", TEXT)
    with pytest.raises(MlflowException) as caught:  # MLflow's own server would take it
        mlflow.register_model("s3://bucket/model", f"{name}-prompt")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    for call in (
        lambda: client.get_registered_model(f"{name}-prompt"),
        lambda: client.get_model_version(f"{name}-prompt", 1),
        lambda: client.get_latest_versions(f"{name}-prompt"),
    ):
        with pytest.raises(MlflowException) as caught:
            call()
        assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"

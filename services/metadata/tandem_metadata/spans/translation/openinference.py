"""OpenInference, of Arize Phoenix and its instrumentations."""

from tandem_metadata.spans.translation.convention import Convention, Tokens

# Its kinds are called as MLflow's types.
_KINDS = (
    "TOOL", "CHAIN", "LLM", "RETRIEVER", "EMBEDDING", "AGENT", "RERANKER", "UNKNOWN", "GUARDRAIL",
    "EVALUATOR",
)  # fmt: skip

CONVENTION = Convention(
    heads=frozenset({"openinference", "input", "output", "llm", "embedding"}),
    type_key="openinference.span.kind",
    types={kind: kind for kind in _KINDS},
    inputs=("input.value",),
    outputs=("output.value",),
    tokens=Tokens(
        input=("llm.token_count.prompt",),
        output=("llm.token_count.completion",),
        total=("llm.token_count.total",),
        cache_read=("llm.token_count.prompt_details.cache_read",),
        cache_write=("llm.token_count.prompt_details.cache_write",),
    ),
    models=(
        "llm.response.model_name",
        "llm.model_name",
        "llm.request.model_name",
        "embedding.model_name",
    ),
    providers=("llm.provider",),
)

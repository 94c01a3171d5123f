"""Google's Agent Development Kit: contents only, the rest is as generative AI's conventions."""

from tandem_metadata.spans.translation.convention import Convention

CONVENTION = Convention(
    heads=frozenset({"gcp"}),
    inputs=("gcp.vertex.agent.llm_request", "gcp.vertex.agent.tool_call_args"),
    outputs=("gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_response"),
)

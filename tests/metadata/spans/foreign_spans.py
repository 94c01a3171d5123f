"""Spans as other libraries export them: their attributes and events, by convention."""

import json
from typing import Any, NamedTuple


class Foreign(NamedTuple):
    attributes: dict[str, Any]
    events: tuple[tuple[str, dict[str, Any]], ...] = ()


_CHAT = json.dumps([{"role": "user", "content": "Wie heißt der Fluß?"}], ensure_ascii=False)
_ANSWER = json.dumps([{"role": "assistant", "content": "Rhein"}])
_GEMINI = [
    {"role": "user", "parts": [{"text": "hi"}]},
    {"role": "user", "parts": [{"text": "you"}]},
]
_TOOL = json.dumps({"type": "function", "name": "weather"})

SPANS: dict[str, Foreign] = {
    "openinference-llm": Foreign(
        {
            "openinference.span.kind": "LLM",
            "input.value": _CHAT,
            "input.mime_type": "application/json",
            "output.value": "Rhein",
            "llm.model_name": "gpt-4o-mini",
            "llm.provider": "openai",
            "llm.token_count.prompt": 120,
            "llm.token_count.completion": 30,
            "llm.token_count.total": 151,
            "llm.token_count.prompt_details.cache_read": 100,
            "llm.token_count.prompt_details.cache_write": "7",
        }
    ),
    "openinference-models": Foreign(
        {
            "openinference.span.kind": "EMBEDDING",
            "embedding.model_name": "e",
            "llm.request.model_name": "",
        }
    ),
    "openinference-unknown-kind": Foreign(
        {"openinference.span.kind": "PROMPT", "input.value": "{}"}
    ),
    "gemini-cli-llm": Foreign(
        {
            "gen_ai.agent.name": "gemini-cli",
            "gen_ai.operation.name": "llm_call",
            "gen_ai.input.messages": json.dumps(_GEMINI),
            "gen_ai.output.messages": json.dumps(
                [{"role": "model", "parts": [{"text": each}]} for each in "ab"]
            ),
            "gen_ai.request.model": "gemini-2.5-pro",
            "gen_ai.provider.name": "gcp.gemini",
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.output_tokens": 3,
        }
    ),
    "gemini-cli-prompt": Foreign(
        {
            "gen_ai.agent.name": "gemini-cli",
            "gen_ai.operation.name": "system_prompt",
            "gen_ai.input.messages": json.dumps(_GEMINI),
        }
    ),
    "gemini-cli-text": Foreign(
        {
            "gen_ai.agent.name": "gemini-cli",
            "gen_ai.operation.name": "tool_call",
            "gen_ai.input.messages": "hello",
            "gen_ai.output.messages": "[1]",
        }
    ),
    "gemini-cli-wrapped": Foreign(
        {
            "gen_ai.agent.name": "gemini-cli",
            "gen_ai.input.messages": '{"contents": "x"}',
            "gen_ai.output.messages": '{"candidates": []}',
        }
    ),
    "claude-code-interaction": Foreign(
        {"span.type": "interaction", "user_prompt": "<REDACTED>", "new_context": "Fix the bug"}
    ),
    "claude-code-llm": Foreign(
        {
            "span.type": "claude_code.llm_request",
            "input_tokens": 5,
            "output_tokens": "11",
            "cache_read_tokens": 1000,
            "cache_creation_tokens": 200,
            "model": "claude-sonnet-4-5",
            "new_context": "c",
            "response.model_output": "done",
        }
    ),
    "claude-code-llm-output-only": Foreign(
        {"span.type": "llm_request", "output_tokens": 4.0, "cache_read_tokens": "x"}
    ),
    "claude-code-tool": Foreign(
        {"span.type": "claude_code.tool", "full_command": "ls", "file_path": '["a", "b"]'},
        (
            ("tool.output", {"output": "<REDACTED>", "content": '{"files": 3}'}),
            ("tool.output", {"output": "late"}),
        ),
    ),
    "claude-code-tool-input": Foreign(
        {"span.type": "tool", "tool_input": '{"command": "ls"}', "new_context": "out"}
    ),
    "claude-code-other": Foreign({"span.type": "claude_code.hook", "user_prompt": "p"}),
    "claude-code-and-genai": Foreign(
        {"span.type": "llm_request", "input_tokens": 1, "gen_ai.usage.input_tokens": 2}
    ),
    "genai-chat": Foreign(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4",
            "gen_ai.response.model": "claude-sonnet-4-20250514",
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_read.input_tokens": 1000,
            "gen_ai.usage.cache_creation.input_tokens": 100,
            "gen_ai.input.messages": _CHAT,
            "gen_ai.output.messages": _ANSWER,
            "gen_ai.tool.definitions": f"[{_TOOL}]",
        }
    ),
    "genai-tool": Foreign(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.call.arguments": '{"city": "Bonn"}',
            "gen_ai.tool.call.result": "12 °C",
        }
    ),
    "genai-events": Foreign(
        {"gen_ai.operation.name": "text_completion", "gen_ai.request.model": "m"},
        (
            ("gen_ai.system.message", {"content": "Be brief."}),
            ("gen_ai.user.message", {"content": '[{"type": "text", "text": "hi"}]'}),
            ("gen_ai.assistant.message", {"content": ""}),
            ("gen_ai.assistant.message", {"content": "yes?"}),
            ("gen_ai.choice", {"content": '"hello"', "index": 0}),
            ("gen_ai.choice", {"content": "x", "role": "tool"}),
        ),
    ),
    "genai-structured": Foreign(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.input.messages": [{"role": "user", "content": "c"}],
            "gen_ai.output.messages": {"text": "d"},
        }
    ),
    "spring-ai": Foreign(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": "12",
            "gen_ai.usage.output_tokens": "7",
        },
        (
            ("gen_ai.content.prompt", {"gen_ai.prompt": "Tell me a joke"}),
            ("gen_ai.content.completion", {"gen_ai.completion": ""}),
            ("gen_ai.content.completion", {"gen_ai.completion": '{"joke": "no"}'}),
        ),
    ),
    "traceloop-workflow": Foreign(
        {
            "traceloop.span.kind": "workflow",
            "traceloop.entity.input": '{"args": [1]}',
            "traceloop.entity.output": '"done"',
        }
    ),
    "traceloop-llm": Foreign(
        {
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "",
            "gen_ai.prompt.1.content": "Hello",
            "gen_ai.completion.0.content": "Hi",
            "gen_ai.usage.prompt_tokens": 9,
            "gen_ai.usage.completion_tokens": 2,
            "llm.usage.total_tokens": 11,
        }
    ),
    "traceloop-tool-calls": Foreign(
        {"traceloop.span.kind": "tool", "gen_ai.completion.0.tool_calls.0.arguments": '{"a": 1}'}
    ),
    "google-adk": Foreign(
        {
            "gcp.vertex.agent.llm_request": '{"model": "gemini-2.0-flash", "contents": []}',
            "gcp.vertex.agent.llm_response": '{"content": {"parts": []}}',
            "gen_ai.system": "gcp.vertex.agent",
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 4,
        }
    ),
    "google-adk-tool": Foreign(
        {
            "gcp.vertex.agent.llm_request": "{}",
            "gcp.vertex.agent.tool_call_args": '{"a": 1}',
            "gcp.vertex.agent.tool_response": "r",
        }
    ),
    "vercel-text": Foreign(
        {
            "ai.operationId": "ai.generateText",
            "ai.prompt": '{"prompt": "hi"}',
            "ai.response.text": "yo",
        }
    ),
    "vercel-chat": Foreign(
        {
            "ai.operationId": "ai.streamText.doStream",
            "ai.prompt.messages": _CHAT,
            "ai.prompt.tools": [_TOOL, "no json"],
            "ai.prompt.toolChoice": '{"type": "auto"}',
            "ai.response.text": "Rhein",
            "ai.response.finishReason": "stop",
            "ai.response.msToFirstChunk": 12.5,
            "ai.response.toolCalls": json.dumps(json.dumps([{"name": "weather"}])),
            "gen_ai.system": "openai.chat",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.usage.input_tokens": 14,
            "gen_ai.usage.output_tokens": 2,
        }
    ),
    "vercel-embedding": Foreign(
        {
            "ai.operationId": "ai.embedMany",
            "ai.values": ["a", "b"],
            "ai.embeddings": ["[1,2]", "[3]"],
        }
    ),
    "voltagent-root": Foreign(
        {
            "entity.type": "agent",
            "voltagent.operation_id": "o",
            "agent.messages": _CHAT,
            "output": "o",
            "usage.prompt_tokens": 4,
            "usage.completion_tokens": 5,
        }
    ),
    "voltagent-llm": Foreign(
        {
            "span.type": "llm",
            "entity.type": "agent",
            "llm.messages": _CHAT,
            "llm.usage.prompt_tokens": 4,
            "llm.usage.total_tokens": 9,
        }
    ),
    "voltagent-memory": Foreign({"span.type": "memory", "input": "k", "output": '["v"]'}),
    "livekit-turn": Foreign(
        {"lk.job_id": "j", "lk.user_input": "hi", "lk.response.text": "hello", "lk.agent_name": "a"}
    ),
    "livekit-llm": Foreign(
        {
            "lk.chat_ctx": '{"items": []}',
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.operation.name": "Chat",
            "lk.response.function_calls": '[{"name": "f"}]',
        }
    ),
    "livekit-operation": Foreign({"gen_ai.operation.name": "EXECUTE_TOOL"}),
    "livekit-tool": Foreign({"lk.function_tool.name": "f", "lk.instructions": "i"}),
    "livekit-tts": Foreign({"lk.tts.label": "t", "lk.input_text": "say"}),
    "livekit-stt": Foreign({"lk.transcript_confidence": 0.5, "lk.user_transcript": "t"}),
    "livekit-retries": Foreign({"lk.retry_count": 0}),
    "laminar": Foreign(
        {
            "lmnr.span.type": "CACHED",
            "lmnr.span.input": _CHAT,
            "lmnr.span.output": "o",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude-3-5-haiku-20241022",
            "gen_ai.usage.input_tokens": 1,
            "gen_ai.usage.output_tokens": 2,
        }
    ),
    "laminar-evaluator": Foreign({"lmnr.span.type": "HUMAN_EVALUATOR"}),
    "langfuse-generation": Foreign(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.input": '{"model": 5, "q": "a"}',
            "langfuse.observation.output": '{"model": "gpt-4o"}',
        }
    ),
    "langfuse-span": Foreign(
        {"langfuse.observation.type": "span", "langfuse.observation.input": 0}
    ),
    "mlflow-unknown": Foreign({"mlflow.spanType": '"UNKNOWN"', "openinference.span.kind": "TOOL"}),
    "mlflow-typed": Foreign(
        {
            "mlflow.spanType": '"PARSER"',
            "mlflow.spanInputs": "null",
            "mlflow.spanOutputs": '{"model": "gpt-4o"}',
            "mlflow.chat.tokenUsage": '{"input_tokens": 10, "output_tokens": 5}',
            "openinference.span.kind": "TOOL",
            "input.value": "i",
            "output.value": "o",
            "llm.token_count.prompt": 1,
        }
    ),
    "mlflow-priced": Foreign(
        {
            "mlflow.llm.model": '"gpt-4o"',
            "mlflow.llm.provider": '"OpenAI"',
            "mlflow.chat.tokenUsage": '{"input_tokens": 10, "output_tokens": 5}',
            "mlflow.llm.cost": '{"total_cost": 4.0}',
        }
    ),
    "mlflow-provider": Foreign(
        {
            "mlflow.llm.model": '"openai/gpt-4o"',
            "mlflow.llm.provider": '"OpenAI"',
            "mlflow.chat.tokenUsage": '{"input_tokens": 10, "output_tokens": 5}',
        }
    ),
}

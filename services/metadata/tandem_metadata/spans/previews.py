"""The previews of a trace: what its root was asked, and what it answered, in short."""

from typing import Any, Final

from tandem_metadata.spans.values import cut

WIDTH: Final = 1000
"""The characters of the columns."""

_CUT: Final = "..."
_TEXT_PARTS: Final = ("text", "output_text")


def of_request(value: Any, text: str) -> str:
    """The preview of inputs, given as a value and as its JSON text."""
    return _preview(value, text, "user")


def of_response(value: Any, text: str) -> str:
    """The preview of outputs, given as a value and as its JSON text."""
    return _preview(value, text, "assistant")


def shortened(text: str) -> str:
    """The text, at most as long as a preview; an ellipsis shows that something is missing."""
    return text if len(text) <= WIDTH else cut(text, WIDTH - len(_CUT)) + _CUT


def _preview(value: Any, text: str, role: str) -> str:
    messages = _messages(value)
    if not messages:
        return shortened(text)
    spoken = next((each for each in reversed(messages) if each["role"] == role), messages[-1])
    return shortened(_content(spoken["content"]) or text)


def _messages(value: Any) -> list[dict[str, Any]]:
    """The chat messages of a request or an answer, in the forms of OpenAI's interfaces."""
    while isinstance(value, dict):
        if isinstance(found := value.get("messages"), list) and found:
            return _only_messages(found)
        if isinstance(found := value.get("choices"), list) and found:
            choice = found[0]
            if isinstance(choice, dict) and _is_message(choice.get("message")):
                return [choice["message"]]
        for key in ("input", "output"):
            if isinstance(found := value.get(key), list) and found:
                return _only_messages(found)
        value = value.get("request")
    return []


def _only_messages(entries: list[Any]) -> list[dict[str, Any]]:
    return [entry for entry in entries if _is_message(entry)]


def _is_message(entry: Any) -> bool:
    return isinstance(entry, dict) and "role" in entry and "content" in entry


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        for part in content:
            if isinstance(part, str):
                return part
            if isinstance(part, dict) and part.get("type") in _TEXT_PARTS:
                text = part.get("text")
                return text if isinstance(text, str) else ""
    return ""

"""What answers on loopback as OpenAI does: chat completions, streamed ones, embeddings, errors."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "naïve"
PIECES = ("na", "ïve")
"""The same as it is streamed."""
USAGE = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
"""Of every chat completion."""
OF_EMBEDDINGS = {"prompt_tokens": 6, "total_tokens": 6}
REFUSED = "refuse"
"""A question with this word is answered 400."""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The base URL for clients, on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/embeddings":
            self._send(200, _embeddings(asked))
        elif REFUSED in json.dumps(asked["messages"]):
            self._send(400, {"error": {"message": "That is refused.", "code": "refused"}})
        elif asked.get("stream"):
            self._stream(asked)
        else:
            self._send(200, _completion(asked))

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, asked: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for chunk in _chunks(asked):
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: object) -> None:
        pass


def _completion(asked: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER}
    if asked.get("tools") and asked["messages"][-1]["role"] != "tool":
        # The first tool, with all that it wants set to 2.
        function = asked["tools"][0]["function"]
        arguments = dict.fromkeys(function["parameters"]["properties"], 2)
        call = {"name": function["name"], "arguments": json.dumps(arguments)}
        message["content"] = None
        message["tool_calls"] = [{"id": "call-1", "type": "function", "function": call}]
    reason = "tool_calls" if "tool_calls" in message else "stop"
    choice = {"index": 0, "finish_reason": reason, "message": message}
    return _described("chat.completion", asked, choices=[choice], usage=USAGE)


def _chunks(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for piece in PIECES:
        choice = {"index": 0, "finish_reason": None, "delta": {"content": piece}}
        yield _described("chat.completion.chunk", asked, choices=[choice])
    choice = {"index": 0, "finish_reason": "stop", "delta": {}}
    yield _described("chat.completion.chunk", asked, choices=[choice])
    if asked.get("stream_options", {}).get("include_usage"):
        yield _described("chat.completion.chunk", asked, choices=[], usage=USAGE)


def _described(kind: str, asked: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "c-1", "object": kind, "created": 1, "model": asked["model"], **fields}


def _embeddings(asked: dict[str, Any]) -> dict[str, Any]:
    assert asked["encoding_format"] in ("float", "base64")
    # Eight numbers of 0.5, as numbers or as the base64 of floats.
    vector: Any = [0.5] * 8
    if asked["encoding_format"] == "base64":
        vector = "AAAAPwAAAD8AAAA/AAAAPwAAAD8AAAA/AAAAPwAAAD8="
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    data = [
        {"object": "embedding", "index": place, "embedding": vector}
        for place, _ in enumerate(texts)
    ]
    return {"object": "list", "data": data, "model": asked["model"], "usage": OF_EMBEDDINGS}

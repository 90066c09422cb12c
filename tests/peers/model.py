"""A model as OpenAI serves it, on loopback: it answers what a test asks for."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

ANSWER = "Lake Lucerne."
_TEXT = {"type": "output_text", "text": ANSWER, "annotations": []}
OTHERS: dict[str, dict[str, Any]] = {
    "completions": {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "gpt-x",
        "choices": [{"index": 0, "text": ANSWER, "finish_reason": "stop"}],
    },
    "responses": {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "gpt-x",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": [
            {
                "type": "message",
                "id": "m",
                "role": "assistant",
                "status": "completed",
                "content": [_TEXT],
            }
        ],
    },
    "embeddings": {
        "object": "list",
        "model": "gpt-x",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    },
    "images/generations": {"created": 1, "data": [{"url": "https://example.com/lake.png"}]},
    "moderations": {"id": "modr-1", "model": "gpt-x", "results": [{"flagged": False}]},
}
"""What is answered, but for chats, by the path."""

CALL = {"id": "call-1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}


class Model:
    """What was asked, and what happens meanwhile.

    A prompt that has the word ``fail`` fails, with ``instead`` but for ``gpt-y``. With ``look``, a
    tool is called. With ``wait``, a stream stops after its first word until ``goes_on`` is set.
    """

    def __init__(self, port: int) -> None:
        """Serve on a port of loopback."""
        self.url = f"http://127.0.0.1:{port}/v1"
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.when_asked: Callable[[], object] = lambda: None
        self.seen: list[object] = []
        self.goes_on = Event()


@contextmanager
def serving() -> Iterator[Model]:
    """Serve until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    model = Model(server.server_port)
    server.model = model  # type: ignore[attr-defined] # for the handler
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.goes_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        model: Model = self.server.model  # type: ignore[attr-defined]
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model.asked.append(asked)
        model.headers.append({name.lower(): value for name, value in self.headers.items()})
        model.seen.append(model.when_asked())
        text = json.dumps(asked)
        if "fail" in text and not ("instead" in text and asked["model"] == "gpt-y"):
            self._send(400, {"error": {"message": f"refused: {text}", "type": "x", "code": "x"}})
        elif not self.path.endswith("/chat/completions"):
            self._other(self.path.removeprefix("/v1/"), asked)
        elif asked.get("stream"):
            self._stream(model, text)
        else:
            message: dict[str, Any] = {"role": "assistant", "content": ANSWER}
            if "look" in text:
                message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
            self._send(200, _whole("chat.completion", {"message": message}, usage=True))

    def _other(self, path: str, asked: dict[str, Any]) -> None:
        if path == "responses" and asked.get("stream"):
            self._begin_stream()
            delta = {"type": "response.output_text.delta", "delta": ANSWER, "item_id": "m"}
            for event in (
                {**delta, "output_index": 0, "content_index": 0},
                {"type": "response.completed", "response": OTHERS[path]},
            ):
                self._line({**event, "sequence_number": 1})
        else:
            self._send(200, OTHERS[path])

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def _stream(self, model: Model, text: str) -> None:
        self._begin_stream()
        for number, word in enumerate(ANSWER.split(" ")):
            if number and "wait" in text:
                model.goes_on.wait(30)
            self._event({"delta": {"content": word if not number else f" {word}"}})
        self._event({"delta": {}, "finish_reason": "stop"})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, choice: dict[str, Any]) -> None:
        self._line(_whole("chat.completion.chunk", choice))

    def _line(self, event: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.flush()

    def _send(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def _whole(kind: str, choice: dict[str, Any], *, usage: bool = False) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 1,
        "model": "gpt-x",
        "choices": [{"index": 0, "finish_reason": "stop", **choice}]
        if "message" in choice
        else [{"index": 0, "finish_reason": None, **choice}],
    }
    if usage:
        whole["usage"] = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    return whole

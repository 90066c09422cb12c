"""What of a request to a model, and of its answer, is content. Pure functions.

A request to a gateway carries more than the model sees: keys, headers, what a proxy notes of the
caller. So what is kept is named, field by field, and all else is left out.
"""

import base64
import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from storage import InvalidRequest, RecordId

CONTENT = (
    "messages",
    "system",
    "prompt",
    "suffix",
    "input",
    "instructions",
    "query",
    "documents",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "response_format",
    "text",
    "prediction",
    "previous_response_id",
    "chat_template_kwargs",
    "extra_body",
    "fallbacks",
)
"""What a model is given. The last ones may replace what stands in the others."""

SECRET = frozenset({"api_key", "authorization", "extra_headers", "headers", "secret_fields"})
"""What is left out wherever it stands."""

PARAMETERS = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n",
    "stop",
    "stop_sequences",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "parallel_tool_calls",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "modalities",
    "dimensions",
    "stream",
)
"""How it is asked to answer."""

FIXED = frozenset(
    {"id", "object", "model", "role", "type", "name", "finish_reason", "service_tier"}
    | {"system_fingerprint", "provider"}
)
"""The strings of an answer that come whole with each piece. All others come in pieces."""

MOST_ATTACHMENTS = 64
"""How many images, sounds and files one request may carry inline."""

_BYTES = "application/octet-stream"

TOKENS = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")
"""How long a prompt and an answer are, by the model's count."""

_REPLACING = frozenset({"extra_body", "fallbacks"})
_FINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
_DATA = re.compile(
    r"data:([\w.+-]{1,100}/[\w.+-]{1,100})?(?:;[\w.+-]{1,40}=[\w.+-]{1,40}){0,4};base64,"
    r"([A-Za-z0-9+/]*={0,2})",
    re.ASCII,
)


def request_of(data: Mapping[str, object]) -> dict[str, object]:
    """Return what a model is given, and how it is asked to answer. Nothing else of a request."""
    given = {name: data[name] for name in (*CONTENT, *PARAMETERS) if data.get(name) is not None}
    return {
        name: _without_secrets(value) if name in _REPLACING else value
        for name, value in given.items()
    }


def _without_secrets(given: object) -> object:
    if isinstance(given, Mapping):
        return {
            key: _without_secrets(value)
            for key, value in given.items()
            if str(key).lower() not in SECRET
        }
    if isinstance(given, list | tuple):
        return [_without_secrets(one) for one in given]
    return given


def tokens_of(answer: object) -> dict[str, int]:
    """Return what an answer says of its length, and that of its prompt."""
    usage = answer.get("usage") if isinstance(answer, Mapping) else None
    if not isinstance(usage, Mapping):
        return {}
    return {name: usage[name] for name in TOKENS if isinstance(usage.get(name), int)}


@dataclass(frozen=True, slots=True)
class Attachment:
    """An image, a sound or a file that was in a request, as bytes. ``kind``: its media type."""

    kind: str
    body: bytes = field(repr=False)


def attachments(given: object) -> list[Attachment]:
    """Return what a request carries as base64, in the order of ``with_references``.

    Raises InvalidRequest if it is more than MOST_ATTACHMENTS.
    """
    found: list[Attachment] = []

    def take(one: Attachment) -> str:
        found.append(one)
        if len(found) > MOST_ATTACHMENTS:
            raise InvalidRequest(
                f"A request carries at most {MOST_ATTACHMENTS} attachments.",
                advice="Send fewer, or give their addresses.",
            )
        return ""

    _replaced(given, take)
    return found


def with_references(given: object, references: Iterator[RecordId]) -> object:
    """Return the request with a reference in the place of each attachment: ``domicile:<id>``.

    The address of an image on the network stays as it is: it is one already.
    """
    return _replaced(given, lambda _: f"domicile:{next(references)}")


def _replaced(given: object, replace: Callable[[Attachment], str]) -> object:
    if isinstance(given, str):
        found = _DATA.fullmatch(given)
        one = None if found is None else _decoded(found[1] or _BYTES, found[2])
        return given if one is None else replace(one)
    if isinstance(given, Mapping):
        return {
            key: _replaced_data(_inline(given), value, replace)
            if key == "data"
            else _replaced(value, replace)
            for key, value in given.items()
        }
    if isinstance(given, list | tuple):
        return [_replaced(one, replace) for one in given]
    return given


def _replaced_data(kind: str | None, value: object, replace: Callable[[Attachment], str]) -> object:
    one = _decoded(kind, value) if kind is not None and isinstance(value, str) else None
    return _replaced(value, replace) if one is None else replace(one)


def _inline(given: Mapping[str, object]) -> str | None:
    """Return the media type of base64 in ``data``, in the forms of Anthropic and OpenAI."""
    if given.get("type") == "base64":
        return str(given.get("media_type"))
    if "data" in given and "format" in given:
        return f"audio/{given['format']}"
    return None


def _decoded(kind: str, text: str) -> Attachment | None:
    """Return what is base64. None: it is not, so it stays in the request as it is."""
    try:
        return Attachment(kind, base64.b64decode(text, validate=True))
    except ValueError:
        return None


class Answer:
    """An answer that comes in pieces."""

    def __init__(self) -> None:
        """Begin without a piece."""
        self._merged = _Merged()
        self._events: list[object] = []
        self._final: object = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, piece: object) -> None:
        """Take a piece: of a chat, an event, or bytes of a stream of events."""
        text = self._decoder.decode(piece) if isinstance(piece, bytes) else None
        plain = as_plain(piece) if text is None else text
        if not isinstance(plain, Mapping):
            self._events.append(plain)
        elif "choices" in plain:
            self._merged.add(plain)
        elif plain.get("type") in _FINAL:
            self._final = plain.get("response")
        else:
            self._events.append(plain)

    def value(self) -> object:
        """Return the whole of it: as if it had come at once, where that form is known."""
        if self._final is not None:
            return self._final
        if self._events:
            return {"events": self._events}
        return self._merged.value()


class _Merged:
    """An object whose pieces are merged: strings grow, and lists by their ``index`` or at the end.

    Of what is FIXED, and of numbers, the last piece counts.
    """

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._below: dict[str, _Merged] = {}
        self._lists: dict[str, dict[int, _Merged]] = {}
        self._ends: dict[str, list[object]] = {}
        self._last: dict[str, object] = {}

    def add(self, piece: Mapping[str, object]) -> None:
        for key, value in piece.items():
            if value is None:
                continue
            if isinstance(value, str) and key not in FIXED:
                self._texts.setdefault(key, []).append(value)
            elif isinstance(value, Mapping):
                self._below.setdefault(key, _Merged()).add(value)
            elif isinstance(value, list) and all(_indexed(one) for one in value):
                for one in value:
                    self._lists.setdefault(key, {}).setdefault(one["index"], _Merged()).add(one)
            elif isinstance(value, list):
                self._ends.setdefault(key, []).extend(value)
            else:
                self._last[key] = value

    def value(self) -> dict[str, object]:
        whole: dict[str, object] = dict(self._last)
        whole |= {key: "".join(pieces) for key, pieces in self._texts.items()}
        whole |= self._ends
        for key, below in self._below.items():
            whole["message" if key == "delta" else key] = below.value()
        for key, found in self._lists.items():
            whole[key] = [found[index].value() for index in sorted(found)]
        return whole


def _indexed(one: object) -> bool:
    return isinstance(one, Mapping) and isinstance(one.get("index"), int)


def as_plain(given: object) -> object:
    """Return what JSON can say of it. Raises InvalidRequest for what is none."""
    dump = getattr(given, "model_dump", None)
    if callable(dump):
        return dump(mode="json", exclude_none=True)
    if isinstance(given, bytes):
        return given.decode(errors="replace")
    if isinstance(given, Mapping):
        return {str(key): as_plain(value) for key, value in given.items()}
    if isinstance(given, list | tuple):
        return [as_plain(one) for one in given]
    if given is None or isinstance(given, str | int | float | bool):
        return given
    raise InvalidRequest(
        f"A {type(given).__name__} in a request or an answer cannot be stored.",
        advice="Store it by the API instead.",
    )


def encoded(given: object) -> bytes:
    """Return JSON. What UTF-8 cannot say, such as half of a pair, is escaped."""
    try:
        return json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(given, separators=(",", ":")).encode()

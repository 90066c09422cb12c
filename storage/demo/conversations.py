"""The input: chat conversations, one JSON object per line, in the OpenAI chat format."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import cycle
from pathlib import Path
from typing import Final, Literal, NoReturn

from pydantic import BaseModel, Field, ValidationError, model_validator

from storage.errors import InvalidRequest

LIMIT: Final = 1000
"""The most conversations that one demonstration reads."""

_FORMAT = (
    'A line is: {"messages": [{"role": ..., "content": ...}, ...]}, with "id", "user", "model"'
)
_USERS = 7  # who share the conversations without a user


class Message(BaseModel):
    """One message: a text, or as JSON its parts or tool calls."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str = Field(repr=False)

    @model_validator(mode="before")
    @classmethod
    def _as_text(cls, given: object) -> object:
        if not isinstance(given, dict) or isinstance(given.get("content"), str):
            return given
        parts = given.get("content")
        if parts is not None and not isinstance(parts, list):
            return given
        rest = {key: value for key, value in given.items() if key not in ("role", "content")}
        return given | {"content": json.dumps(parts or rest, ensure_ascii=False)}


@dataclass(frozen=True, slots=True)
class Turn:
    """A request to the model, and its answer if there is one."""

    prompt: bytes = field(repr=False)
    completion: bytes | None = field(repr=False)


class Conversation(BaseModel):
    """A conversation of one user with one model. Other keys of a line are ignored.

    The id, the user and the model are optional in a line.
    """

    id: str = Field(min_length=1, repr=False)
    user: str = Field(min_length=1, repr=False)
    model: str = Field(default="some-model", min_length=1)
    messages: list[Message] = Field(min_length=1, repr=False)

    def turns(self) -> Iterator[Turn]:
        """Yield each request to the model, with its answer."""
        asked: list[Message] = []
        for message in self.messages:
            if message.role == "assistant":
                yield Turn(_body(asked), message.content.encode())
                asked = []
            else:
                asked.append(message)
        if asked:
            yield Turn(_body(asked), None)


def read_conversations(path: Path | None) -> list[Conversation]:
    """Return up to ``LIMIT`` conversations of a file (None: of the file that ships).

    Raise InvalidRequest, with the line number, for the first invalid line. No message quotes a
    line.
    """
    source: Traversable = _shipped("conversations.jsonl") if path is None else path
    lines: dict[str, int] = {}
    found: list[Conversation] = []
    try:
        with source.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                made = _parse(line, number)
                if made.id in lines:
                    _refuse(number, f'"id" repeats that of line {lines[made.id]}')
                lines[made.id] = number
                found.append(made)
                if len(found) == LIMIT:
                    break
    except OSError as error:
        raise InvalidRequest(
            f"The input cannot be read: {error.strerror}.", advice=_FORMAT
        ) from error
    if not found:
        raise InvalidRequest("The input has no conversations.", advice=_FORMAT)
    return found


def tuning_file(size: int, piece: int = 64 * 1024) -> Iterator[bytes]:
    """Yield a fine-tuning file of ``size`` bytes in pieces: the lines that ship, repeated."""
    buffer = bytearray()
    for line in cycle(_shipped("fine_tuning.jsonl").read_bytes().splitlines(keepends=True)):
        buffer += line
        while size and len(buffer) >= min(piece, size):
            now = min(piece, size)
            yield bytes(buffer[:now])
            del buffer[:now]
            size -= now
        if not size:
            return


def _shipped(name: str) -> Traversable:
    return files("storage.demo") / "data" / name


def _body(messages: list[Message]) -> bytes:
    """Return a request as a service would store it."""
    dumped = [message.model_dump() for message in messages]
    return json.dumps({"messages": dumped}, ensure_ascii=False).encode()


def _parse(line: bytes, number: int) -> Conversation:
    try:
        given = json.loads(line)
    except json.JSONDecodeError as error:
        _refuse(number, f"not JSON (at column {error.colno})")
    except (UnicodeDecodeError, RecursionError):
        _refuse(number, "not JSON in UTF-8")
    if isinstance(given, dict):
        unnamed = {"id": f"conversation-{number}", "user": f"somebody-{number % _USERS}"}
        given = unnamed | given
    try:
        return Conversation.model_validate(given)
    except ValidationError as error:
        _refuse(number, _describe(error))


def _describe(error: ValidationError) -> str:
    """Return the first error, without the value."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    what = first["msg"].replace("Input should", "should").replace("Field required", "is missing")
    return f'"{key}" {what}' if key else "not a JSON object"


def _refuse(number: int, problem: str) -> NoReturn:
    raise InvalidRequest(f"Line {number} of the input: {problem}.", advice=_FORMAT)

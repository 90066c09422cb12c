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

MOST: Final = 1000
"""Conversations that one demonstration takes, so that it stays short."""

_FORM = 'A line is: {"messages": [{"role": ..., "content": ...}, ...]}, with "id", "user", "model"'
_USERS = 7  # who share the conversations that do not say whose they are


class Message(BaseModel):
    """What somebody said: a text, or in JSON what else there was: parts, calls of tools."""

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
    """What was sent to the model, and its answer, if there is one."""

    prompt: bytes = field(repr=False)
    completion: bytes | None = field(repr=False)


class Conversation(BaseModel):
    """A conversation of one user with one model. What else a line holds is left out.

    A line need not say which conversation it is, whose, or with which model.
    """

    id: str = Field(min_length=1, repr=False)
    user: str = Field(min_length=1, repr=False)
    model: str = Field(default="some-model", min_length=1)
    messages: list[Message] = Field(min_length=1, repr=False)

    def turns(self) -> Iterator[Turn]:
        """Each request to the model, with what it answered."""
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
    """The first conversations of a file (None: of the one that ships).

    Raises InvalidRequest, with the number of the line, for the first that is not of the form. No
    message shows what a line holds.
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
                    _refuse(number, f'"id" is that of line {lines[made.id]}')
                lines[made.id] = number
                found.append(made)
                if len(found) == MOST:
                    break
    except OSError as error:
        raise InvalidRequest(
            f"The input cannot be read: {error.strerror}.", advice=_FORM
        ) from error
    if not found:
        raise InvalidRequest("The input holds no conversation.", advice=_FORM)
    return found


def tuning_file(size: int, piece: int = 64 * 1024) -> Iterator[bytes]:
    """A fine-tuning file of ``size`` bytes, in pieces: the lines that ship, again and again."""
    held = bytearray()
    for line in cycle(_shipped("fine_tuning.jsonl").read_bytes().splitlines(keepends=True)):
        held += line
        while size and len(held) >= min(piece, size):
            now = min(piece, size)
            yield bytes(held[:now])
            del held[:now]
            size -= now
        if not size:
            return


def _shipped(name: str) -> Traversable:
    return files("storage.demo") / "data" / name


def _body(messages: list[Message]) -> bytes:
    """A request as a service would store it."""
    told = [message.model_dump() for message in messages]
    return json.dumps({"messages": told}, ensure_ascii=False).encode()


def _parse(line: bytes, number: int) -> Conversation:
    try:
        given = json.loads(line)
    except json.JSONDecodeError as error:
        _refuse(number, f"it is not JSON (see column {error.colno})")
    except (UnicodeDecodeError, RecursionError):
        _refuse(number, "it is not JSON in UTF-8")
    if isinstance(given, dict):
        unnamed = {"id": f"conversation-{number}", "user": f"somebody-{number % _USERS}"}
        given = unnamed | given
    try:
        return Conversation.model_validate(given)
    except ValidationError as error:
        _refuse(number, _wrong(error))


def _wrong(error: ValidationError) -> str:
    """The first thing that is wrong, without what was given."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    what = first["msg"].replace("Input should", "should").replace("Field required", "is missing")
    return f'"{key}" {what}' if key else "it is not a JSON object"


def _refuse(number: int, wrong: str) -> NoReturn:
    raise InvalidRequest(f"Line {number} of the input: {wrong}.", advice=_FORM)

"""What of a request and of an answer is content."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import DataClass, InvalidRequest, RecordId
from storage.contrib.content import (
    MOST_ATTACHMENTS,
    Answer,
    Attachment,
    as_plain,
    attachments,
    encoded,
    request_of,
    with_references,
)

PNG = "iVBORw0KGgo="
ID = RecordId(DataClass.PROMPT, "eu-central-1", datetime(2026, 1, 5, tzinfo=UTC), None, b"0" * 16)


def test_only_what_the_model_sees_is_of_a_request() -> None:
    """Keys, headers and what a proxy noted are not named, so they are left out."""
    messages = [{"role": "user", "content": "Which lake?"}]
    tools = [{"type": "function", "function": {"name": "look"}}]
    secret = {
        "api_key": "sk-secret",
        "secret_fields": {"raw_headers": {"authorization": "sk-secret"}},
        "metadata": {"user_api_key": "sk-secret"},
        "proxy_server_request": {"headers": {"x": "sk-secret"}, "body": {}},
        "extra_headers": {"authorization": "sk-secret"},
        "user": "user-7",
    }
    shown = {"messages": messages, "tools": tools, "temperature": 0}
    assert request_of({**shown, **secret, "model": "m", "stop": None}) == shown


@pytest.mark.parametrize(
    ("part", "kind", "reference"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            "image/png",
            {"type": "image_url", "image_url": {"url": f"domicile:{ID}"}},
        ),
        (
            {"type": "input_image", "image_url": f"data:image/webp;charset=x;base64,{PNG}"},
            "image/webp",
            {"type": "input_image", "image_url": f"domicile:{ID}"},
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            "image/png",
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": f"domicile:{ID}"},
            },
        ),
        (
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
            "audio/wav",
            {"type": "input_audio", "input_audio": {"data": f"domicile:{ID}", "format": "wav"}},
        ),
        (
            {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}"}},
            "application/pdf",
            {"type": "file", "file": {"file_data": f"domicile:{ID}"}},
        ),
    ],
)
def test_what_is_inline_becomes_a_reference(part: object, kind: str, reference: object) -> None:
    """In each form in which clients send it."""
    request = {"messages": [{"role": "user", "content": [{"type": "text", "text": "See"}, part]}]}
    assert attachments(request) == [Attachment(kind, b"\x89PNG\r\n\x1a\n")]
    found: Any = with_references(request, iter([ID]))
    assert found["messages"][0]["content"][1] == reference
    assert found["messages"][0]["content"][0] == {"type": "text", "text": "See"}


def test_an_address_is_a_reference_already() -> None:
    """Nothing is fetched for it."""
    request = {"image_url": {"url": "https://example.com/a.png"}, "data": "x", "text": "data: no"}
    assert attachments(request) == []
    assert with_references(request, iter([])) == request


def test_what_is_no_base64_is_kept_as_it_is() -> None:
    """No byte is lost because a client sent a bad one."""
    for text in (
        "data:image/png;base64,%%%",
        "data:;base64,\u00e9",
        "data:;base64,AAAA\n",
        "data:;base64,A",
        "data:How do I hide it?;base64,ok==",
        "data:text/plain;charset=utf-8;base64,AAAA and more",
        "see data:;base64,AAAA",
    ):
        assert attachments([text]) == []
        assert with_references([text], iter([])) == [text]
    wrong = {"type": "base64", "media_type": "image/png", "data": "%%%"}
    assert attachments(wrong) == []
    assert with_references(wrong, iter([])) == wrong


def test_a_request_carries_so_many_attachments() -> None:
    """Each is a record of its own."""
    one = "data:;base64,AAAA"
    assert len(attachments([one] * MOST_ATTACHMENTS)) == MOST_ATTACHMENTS
    with pytest.raises(InvalidRequest):
        attachments([one] * (MOST_ATTACHMENTS + 1))


def test_what_replaces_other_fields_is_kept_without_keys() -> None:
    """The model may be given those instead."""
    request = request_of(
        {
            "messages": [],
            "extra_body": {"messages": ["other"], "api_key": "k", "Headers": {"a": "b"}},
            "fallbacks": [{"model": "m", "messages": ["again"], "api_key": "k"}],
            "api_key": "k",
        }
    )
    assert request == {
        "messages": [],
        "extra_body": {"messages": ["other"]},
        "fallbacks": [{"model": "m", "messages": ["again"]}],
    }


def test_pieces_of_any_name_are_put_together() -> None:
    """Also of calls of custom tools, sounds and thoughts; and bytes that end in a character."""
    answer = Answer()
    for text in ("ab", "cd"):
        answer.add(
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {
                            "role": "assistant",
                            "audio": {"data": text},
                            "custom": {"input": text},
                            "thinking_blocks": [{"thinking": text}],
                        },
                    }
                ]
            }
        )
    value: Any = answer.value()
    assert value["choices"][0]["message"] == {
        "role": "assistant",
        "audio": {"data": "abcd"},
        "custom": {"input": "abcd"},
        "thinking_blocks": [{"thinking": "ab"}, {"thinking": "cd"}],
    }
    raw = Answer()
    for byte in "gr\u00fcn".encode():
        raw.add(bytes([byte]))
    events: Any = raw.value()
    assert "".join(events["events"]) == "gr\u00fcn"


def test_half_of_a_pair_is_stored_too() -> None:
    """A model may answer with one. UTF-8 cannot say it."""
    assert json.loads(encoded({"text": "\ud83d"})) == {"text": "\ud83d"}


def chunks(text: str) -> list[dict[str, Any]]:
    """The pieces of a chat, one a character."""
    begin = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    middle = [{"index": 0, "delta": {"content": one}} for one in text]
    return [{"id": "c", "model": "m", "choices": [one]} for one in (begin, *middle, end)]


@given(st.text(max_size=30))
def test_a_streamed_answer_is_what_it_would_be_at_once(text: str) -> None:
    """Whatever pieces it came in."""
    answer = Answer()
    for chunk in chunks(text):
        answer.add(chunk)
    message = {"role": "assistant", "content": text}
    assert answer.value() == {
        "id": "c",
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
    }


def test_tool_calls_and_choices_are_put_together() -> None:
    """By their index, in whichever order they come."""
    answer = Answer()
    calls = [
        (1, {"index": 0, "id": "call-1", "function": {"name": "look", "arguments": '{"a"'}}),
        (0, {"index": 1, "id": "call-2", "function": {"name": "go", "arguments": "{}"}}),
        (1, {"index": 0, "function": {"arguments": ": 1}"}}),
    ]
    for choice, call in calls:
        answer.add({"choices": [{"index": choice, "delta": {"tool_calls": [call]}}]})
    found: Any = answer.value()
    assert [one["index"] for one in found["choices"]] == [0, 1]
    assert found["choices"][1]["message"]["tool_calls"] == [
        {"index": 0, "id": "call-1", "function": {"name": "look", "arguments": '{"a": 1}'}}
    ]


def test_of_events_the_last_has_all() -> None:
    """If it came; otherwise all that came."""
    answer = Answer()
    answer.add({"type": "response.output_text.delta", "delta": "Lake"})
    assert answer.value() == {"events": [{"type": "response.output_text.delta", "delta": "Lake"}]}
    answer.add({"type": "response.completed", "response": {"output": ["Lake"]}})
    assert answer.value() == {"output": ["Lake"]}


def test_bytes_of_a_stream_are_kept() -> None:
    """As text: an answer in a form that is not known."""
    answer = Answer()
    answer.add(b"event: x\n\n")
    assert answer.value() == {"events": ["event: x\n\n"]}


def test_what_json_cannot_say_is_refused() -> None:
    """Rather than stored in part."""
    with pytest.raises(InvalidRequest):
        as_plain({"messages": [object()]})
    assert json.loads(encoded(as_plain({"a": ("ü", 1, None, True)}))) == {"a": ["ü", 1, None, True]}

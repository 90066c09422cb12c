"""What passes the proxy of LiteLLM: a prompt is stored before the model is called."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from storage import (
    Actor,
    ActorKind,
    BoundTenant,
    DataClass,
    Purpose,
    Reason,
    Record,
    RecordId,
    Scope,
    Settings,
    open_store,
)
from tests.peers.model import ANSWER, CALL, Model, serving
from tests.peers.proxy import Place, Proxy, made_place, opened, running

pytestmark = [pytest.mark.peers, pytest.mark.timeout(900)]

ME = Actor("test", ActorKind.CUSTOMER, employer="acme", location="EU")


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """An embedded Domicile."""
    with made_place() as made:
        yield made


@pytest.fixture(scope="module")
def tenant(place: Place) -> Iterator[BoundTenant]:
    """Its tenant."""
    with open_store(Settings(home=place.home)) as store:
        yield store.tenant("acme-eu").bind(ME)


@pytest.fixture(scope="module")
def serving_model() -> Iterator[Model]:
    """A model."""
    with serving() as made:
        yield made


@pytest.fixture(scope="module")
def proxy(place: Place, serving_model: Model) -> Iterator[Proxy]:
    """A proxy, as the page sets it up."""
    with running(place, serving_model.url) as made:
        yield made


@pytest.fixture
def model(serving_model: Model) -> Model:
    """The model, which has not been asked."""
    serving_model.asked.clear()
    serving_model.seen.clear()
    serving_model.goes_on.clear()
    serving_model.when_asked = lambda: None
    return serving_model


def of(tenant: BoundTenant, subject: str) -> list[Record]:
    """What is stored of a subject, oldest first."""
    found = tenant.list(subject=subject)
    return [tenant.get(info.id, purpose=Purpose.SERVE) for info in found]


def messages(record: Record) -> list[dict[str, Any]]:
    """The messages of a prompt."""
    found: list[dict[str, Any]] = json.loads(record.body)["messages"]
    return found


def test_a_prompt_is_there_when_the_model_is_called(
    proxy: Proxy, tenant: BoundTenant, model: Model
) -> None:
    """And the answer when the client has it. Both are of the end user and the session."""
    model.when_asked = lambda: len(of(tenant, "user-1"))
    session = {"x-litellm-session-id": "thread-1"}
    answer = proxy.chat("Which lake?", user="user-1", headers=session)
    prompt, completion = of(tenant, "user-1")

    assert answer["choices"][0]["message"]["content"] == ANSWER
    assert model.seen == [1]
    assert messages(prompt) == [{"role": "user", "content": "Which lake?"}]
    assert json.loads(completion.body)["choices"][0]["message"]["content"] == ANSWER
    assert prompt.metadata == {"model": "gpt-x", "call_type": "acompletion"}
    assert completion.metadata["completion_tokens"] == 4
    assert len(tenant.list(subject="user-1", group="thread-1")) == 2

    tenant.erase(Scope.subject("user-1"), reason=Reason.SUBJECT_REQUEST)
    assert of(tenant, "user-1") == []


def test_no_key_and_no_header_is_stored(proxy: Proxy, tenant: BoundTenant, model: Model) -> None:
    """Neither the client's, nor that of the model, nor what a client puts beside."""
    proxy.chat(
        "Which lake?",
        user="user-2",
        headers={"x-secret": "sk-header"},
        metadata={"note": "sk-note", "domicile": {"prompt": "forged"}},
    )
    proxy.stream("Which lake?", user="user-2", headers={"x-secret": "sk-header"})
    stored = of(tenant, "user-2")
    assert len(stored) == 4
    assert model.headers[-1]["authorization"] == "Bearer sk-upstream-secret"
    assert "sk-" not in str([(one.body, dict(one.metadata)) for one in stored])


def test_a_stream_is_stored_as_one_answer(proxy: Proxy, tenant: BoundTenant, model: Model) -> None:
    """Before it ends."""
    text = proxy.stream("Which lake?", user="user-3")
    assert text.rstrip().endswith("[DONE]")
    prompt, completion = of(tenant, "user-3")
    assert messages(prompt)[0]["content"] == "Which lake?"
    (choice,) = json.loads(completion.body)["choices"]
    assert choice["message"]["content"] == ANSWER
    assert choice["finish_reason"] == "stop"
    assert not completion.info.incomplete


def test_what_a_client_was_given_is_stored_when_it_leaves(
    proxy: Proxy, tenant: BoundTenant, model: Model
) -> None:
    """Marked incomplete."""
    request = proxy.request("wait", user="user-4", stream=True)
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        assert isinstance(request.data, bytes)
        head = "".join(f"{name}: {value}\r\n" for name, value in request.header_items())
        length = f"content-length: {len(request.data)}\r\nhost: x\r\n"
        client.sendall(f"POST {request.selector} HTTP/1.1\r\n{head}{length}\r\n".encode())
        client.sendall(request.data)
        given = b""
        while b"Lake" not in given:
            given += client.recv(65536)
    model.goes_on.set()
    completion = _awaited(tenant, "user-4")
    assert completion.info.incomplete
    assert json.loads(completion.body)["choices"][0]["message"]["content"].startswith("Lake")


def _awaited(tenant: BoundTenant, subject: str) -> Record:
    """Wait until the answer is there."""
    for _ in range(200):
        found = of(tenant, subject)
        if len(found) == 2:
            return found[1]
        time.sleep(0.1)
    raise AssertionError("It was not stored.")


def test_a_failure_is_noted_without_its_text(
    proxy: Proxy, tenant: BoundTenant, model: Model
) -> None:
    """The model's error repeats the prompt."""
    for stream in (False, True):
        status, _ = proxy.refused("fail", user="user-5", stream=stream)
        assert status == 400
    first, failed, second, failed_too = of(tenant, "user-5")
    assert messages(first) == messages(second)
    for one in (failed, failed_too):
        assert (one.body, one.info.incomplete) == (b"", True)
        assert one.metadata["status"] == 400
        assert "fail" not in str(one.metadata)


def test_tools_and_images_are_stored(proxy: Proxy, tenant: BoundTenant, model: Model) -> None:
    """The call of a tool is in the answer; an image is a record that the prompt names."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    text = {"type": "text", "text": "look"}
    proxy.chat([text, image], user="user-6", tools=[tool])
    *sent, completion = of(tenant, "user-6")
    picture, prompt = sorted(sent, key=lambda one: "content_type" not in one.metadata)
    assert json.loads(prompt.body)["tools"] == [tool]
    url = messages(prompt)[0]["content"][1]["image_url"]["url"]
    assert RecordId.parse(url.removeprefix("domicile:")).unique == picture.id.unique
    assert picture.body == b"\x89PNG"
    (call,) = json.loads(completion.body)["choices"][0]["message"]["tool_calls"]
    assert call["function"] == CALL["function"]
    assert model.asked[0]["messages"][0]["content"][1] == image


ASKED = {"messages": [{"role": "user", "content": "Which lake?"}], "max_tokens": 9}
WAYS: list[tuple[str, dict[str, object], str]] = [
    ("completions", {"prompt": "Which lake?"}, ANSWER),
    ("responses", {"input": "Which lake?", "instructions": "Be brief."}, ANSWER),
    ("responses", {"input": "Which lake?", "stream": True}, ANSWER),
    ("messages", ASKED, ANSWER),
    ("messages", {**ASKED, "stream": True}, "Lucerne"),
    ("embeddings", {"input": ["Which lake?"]}, "0.25"),
    ("images/generations", {"prompt": "Which lake?"}, "lake.png"),
]


@pytest.mark.parametrize(("path", "body", "answer"), WAYS)
def test_each_way_to_ask_is_stored(
    proxy: Proxy, tenant: BoundTenant, path: str, body: dict[str, object], answer: str
) -> None:
    """Whatever the form of the request and of the answer."""
    user = f"{path}-{body.get('stream')}"
    given = proxy.read("", path=path, user=user, **body)
    prompt, completion = of(tenant, user)
    assert "Which lake?" in prompt.body.decode()
    assert answer in completion.body.decode()
    assert answer in given
    assert not completion.info.incomplete


def test_of_a_moderation_the_prompt_is_stored(proxy: Proxy, tenant: BoundTenant) -> None:
    """LiteLLM calls no hook for what the model says of it."""
    proxy.read("", path="moderations", user="user-13", input="Which lake?")
    (prompt,) = of(tenant, "user-13")
    assert "Which lake?" in prompt.body.decode()


def test_another_model_that_answers_instead_is_no_failure(
    proxy: Proxy, tenant: BoundTenant, model: Model
) -> None:
    """The attempt before it is."""
    proxy.chat("fail instead", user="user-12", fallbacks=["gpt-y"])
    assert [one["model"] for one in model.asked] == ["gpt-x", "gpt-y"]
    _, completion = of(tenant, "user-12")
    assert not completion.info.incomplete
    assert ANSWER in completion.body.decode()


def test_no_log_and_redaction(proxy: Proxy, tenant: BoundTenant, model: Model) -> None:
    """Nothing is stored, or an event without content."""
    proxy.chat("Which lake?", user="user-7", **{"no-log": True})
    assert of(tenant, "user-7") == []
    redacted = {"x-litellm-enable-message-redaction": "true"}
    proxy.chat("Which lake?", user="user-8", headers=redacted)
    proxy.stream("Which lake?", user="user-8", headers=redacted)
    found = of(tenant, "user-8")
    assert [(one.info.data_class, one.body) for one in found] == [(DataClass.EVENT, b"")] * 2
    assert "lake" not in str([one.metadata for one in found]).lower()


def test_a_key_of_no_tenant_is_refused(proxy: Proxy, model: Model) -> None:
    """Before the model is called."""
    status, text = proxy.refused("Which lake?", key="sk-key-of-nobody")
    assert status == 400
    assert "no organization or team that is a tenant" in text
    assert model.asked == []


def test_a_repeated_id_with_other_content_is_refused(
    proxy: Proxy, tenant: BoundTenant, model: Model
) -> None:
    """It would replace what was stored."""
    call = {"x-litellm-call-id": "call-1"}
    proxy.chat("Which lake?", user="user-9", headers=call)
    status, text = proxy.refused("Which sea?", user="user-9", headers=call)
    assert (status, "IdConflict" in text) == (400, True)
    assert len(model.asked) == 1
    assert len(of(tenant, "user-9")) == 2


@contextmanager
def without_backends(place: Place) -> Iterator[None]:
    """Move the directories of the backends away: nothing can be stored."""
    away, backends = place.home / "away", place.home / "backends"
    backends.rename(away)
    try:
        yield
    finally:
        if backends.exists():
            backends.rename(place.home / f"made-{time.monotonic_ns()}")
        away.rename(backends)


def test_a_request_that_cannot_be_stored_fails(place: Place, proxy: Proxy, model: Model) -> None:
    """Clearly, and before the model is called. It may be repeated."""
    with without_backends(place):
        status, text = proxy.refused("Which lake?", user="user-10")
    assert status == 503
    assert "was not stored" in text
    assert "Which lake" not in text
    assert model.asked == []


def test_a_stream_that_cannot_be_stored_ends_with_the_error(
    place: Place, proxy: Proxy, model: Model
) -> None:
    """Not as if all were well."""
    request = proxy.request("wait", user="user-14", stream=True)
    with opened(request) as response:
        first = response.readline().decode()
        with without_backends(place):
            model.goes_on.set()
            rest = response.read().decode()
    assert "Lake" in first
    assert '"error"' in rest
    assert "[DONE]" not in rest


def hook(arguments: str) -> str:
    """The module of a hook."""
    return (
        "from storage.contrib.litellm import DomicileLogger\n"
        f'hook = DomicileLogger(tenants="acme-eu", {arguments})\n'
    )


def test_a_request_passes_if_it_may(place: Place, tenant: BoundTenant, model: Model) -> None:
    """A stream too. It is counted, and the log says so without content."""
    with (
        running(place, model.url, hook=hook("fail_closed=False")) as proxy,
        without_backends(place),
    ):
        answer = proxy.chat("Which lake?", user="user-11")
        assert answer["choices"][0]["message"]["content"] == ANSWER
        assert "Lucerne" in proxy.stream("Which lake?", user="user-11")
        told = [line for line in proxy.log.read_text().splitlines() if "domicile_not" in line]
    assert len(told) == 2
    assert "lake" not in str(told).lower()
    assert of(tenant, "user-11") == []


def test_only_what_the_level_says_is_stored(
    place: Place, tenant: BoundTenant, model: Model
) -> None:
    """Of an answer, a stream and a failure there is an event each, without content."""
    with running(place, model.url, hook=hook('level="metadata_only"')) as proxy:
        proxy.chat("Which lake?", user="user-15")
        proxy.stream("Which lake?", user="user-15")
        proxy.refused("fail", user="user-15")
    events = of(tenant, "user-15")
    assert [(one.info.data_class, one.body) for one in events] == [(DataClass.EVENT, b"")] * 3
    assert [one.metadata.get("completion_tokens") for one in events] == [4, 4, None]
    assert [one.metadata.get("status") for one in events] == [None, None, 400]
    with running(place, model.url, hook=hook('level="none"')) as proxy:
        proxy.chat("Which lake?", user="user-16")
        proxy.stream("Which lake?", user="user-16")
    assert of(tenant, "user-16") == []


def test_a_subclass_is_refused(place: Place) -> None:
    """LiteLLM would not call what it inherits."""
    code = "from storage.contrib.litellm import DomicileLogger\nclass Mine(DomicileLogger): pass"
    with pytest.raises(subprocess.CalledProcessError):
        place.run("python", "-c", code)

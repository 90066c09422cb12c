"""The completion hook for OpenTelemetry: content is stored, and references are left."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, Literal

import pytest

from storage import BoundTenant, DataClass, Purpose, Reason, RecordId, Scope
from storage.contrib import otel_genai
from storage.contrib.otel_genai import CONTENT, DomicileCompletionHook, asking
from storage.testing import Domicile

pytestmark = pytest.mark.one_region


@dataclass
class Part:
    """As an instrumentation reports a part of a message."""

    content: str | bytes
    type: Literal["text", "blob"] = "text"


@dataclass
class Message:
    """As an instrumentation reports a message."""

    role: str
    parts: list[Part]


@dataclass
class Span:
    """A span, with what an instrumentation put there when it was told to capture content."""

    attributes: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(CONTENT, "lake"))

    def set_attributes(self, attributes: dict[str, Any]) -> None:
        self.attributes |= attributes


@pytest.fixture
def hook() -> Iterator[DomicileCompletionHook]:
    """A hook, made as OpenTelemetry makes it."""
    made = DomicileCompletionHook()
    yield made
    made.shutdown(timeout_sec=30)


def complete(
    hook: DomicileCompletionHook, span: Span | None = None, event: Span | None = None
) -> None:
    """Report a completion, as an instrumentation does."""
    hook.on_completion(
        inputs=[Message("user", [Part("Which lake?"), Part(b"\x89PNG", "blob")])],
        outputs=[Message("assistant", [Part("Lake Lucerne.")])],
        system_instruction=[Part("Be brief.")],
        tool_definitions=None,
        span=span,
        log_record=event,
    )


def stored(tenant: BoundTenant) -> dict[DataClass, object]:
    """What is stored, by class."""
    return {
        info.data_class: json.loads(tenant.get(info.id, purpose=Purpose.SERVE).body)
        for info in tenant.list()
    }


def test_the_span_has_ids_and_no_content(domicile: Domicile, hook: DomicileCompletionHook) -> None:
    """They open the records. The event has the same."""
    tenant, span, event = domicile.tenant(), Span(), Span()
    with asking(tenant, subject="user-7", group="thread-9"):
        complete(hook, span, event)
    hook.shutdown(timeout_sec=30)

    assert "lake" not in str(span.attributes).lower() + str(event.attributes).lower()
    prompt, completion = (
        RecordId.parse(span.attributes[f"gen_ai.{way}.messages_ref"]) for way in ("input", "output")
    )
    assert tenant.head(prompt).data_class is DataClass.PROMPT
    assert tenant.head(completion).data_class is DataClass.COMPLETION
    assert event.attributes.items() <= span.attributes.items()
    assert stored(tenant) == {
        DataClass.PROMPT: {
            "messages": [
                {
                    "role": "user",
                    "parts": [
                        {"content": "Which lake?", "type": "text"},
                        {"content": "iVBORw==", "type": "blob"},
                    ],
                }
            ],
            "system_instruction": [{"content": "Be brief.", "type": "text"}],
            "tool_definitions": [],
        },
        DataClass.COMPLETION: [
            {"role": "assistant", "parts": [{"content": "Lake Lucerne.", "type": "text"}]}
        ],
    }
    assert not hook.dropped


def test_what_is_of_a_subject_is_erased_with_it(
    domicile: Domicile, hook: DomicileCompletionHook
) -> None:
    """Two subjects share nothing, not even the same system instruction."""
    tenant = domicile.tenant()
    for subject in ("user-7", "user-8"):
        with asking(tenant, subject=subject):
            complete(hook)
    hook.shutdown(timeout_sec=30)
    tenant.erase(Scope.subject("user-7"), reason=Reason.SUBJECT_REQUEST)
    assert len(tenant.list()) == 2
    assert len(tenant.list(subject="user-8")) == 2


def test_outside_of_a_block_nothing_is_stored(
    domicile: Domicile, hook: DomicileCompletionHook
) -> None:
    """Nobody said whose it is. It is counted, and the content leaves the span all the same."""
    span = Span()
    with asking(domicile.tenant()):
        pass
    complete(hook, span)
    assert hook.dropped == {"not_asked_for": 1}
    assert set(span.attributes.values()) == {""}
    assert len(domicile.tenant().list()) == 0


def test_another_thread_has_its_own(domicile: Domicile, hook: DomicileCompletionHook) -> None:
    """What one request says does not hold for another."""
    with asking(domicile.tenant()):
        other = Thread(target=complete, args=(hook,))
        other.start()
        other.join()
    assert hook.dropped == {"not_asked_for": 1}


def test_a_full_queue_drops_and_does_not_wait(
    domicile: Domicile, hook: DomicileCompletionHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever backends do."""
    tenant, gate = domicile.tenant(), Event()
    monkeypatch.setattr(otel_genai, "WAIT", 0.001)
    monkeypatch.setattr(tenant, "new_id", lambda _: gate.wait())
    begun = time.monotonic()
    with asking(tenant):
        for _ in range(otel_genai.QUEUE + 20):
            complete(hook)
    took = time.monotonic() - begun
    gate.set()
    assert hook.dropped["queue_full"] == 20
    assert took < 5


def test_what_fails_is_counted(domicile: Domicile, hook: DomicileCompletionHook) -> None:
    """And raises nothing in the caller."""
    tenant = domicile.tenant()
    domicile.take_down("eu-a", "eu-b")
    with asking(tenant):
        complete(hook)
    hook.shutdown(timeout_sec=60)
    assert sum(hook.dropped.values()) == 1
    with asking(tenant):
        complete(hook)
    assert sum(hook.dropped.values()) == 2


def test_under_zero_retention_nothing_is_kept(
    domicile: Domicile, hook: DomicileCompletionHook
) -> None:
    """That is no drop: it is what the tenant asked for."""
    tenant = domicile.tenant(retention={DataClass.PROMPT: 0, DataClass.COMPLETION: 0})
    with asking(tenant, subject="user-7"):
        complete(hook)
    hook.shutdown(timeout_sec=30)
    assert not hook.dropped
    assert len(tenant.list()) == 0

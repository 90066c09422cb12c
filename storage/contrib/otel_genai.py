"""A completion hook for OpenTelemetry's instrumentation of models: content here, references there.

Choose it by ``OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK=domicile``. See ``asking`` and
``DomicileCompletionHook``. It imports nothing of OpenTelemetry.
"""

import base64
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Protocol

from storage import DataClass, RecordId, Tenant

QUEUE = 100  # completions that wait to be stored
WAIT = 0.05  # seconds that a caller waits for the ids at most
THREADS = 4

INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
CONTENT = (INPUT, OUTPUT, "gen_ai.system_instructions", "gen_ai.tool.definitions")
"""The attributes in which an instrumentation puts content, if it is told to."""

_LOG = logging.getLogger(__name__)


class Span(Protocol):
    """What is asked of a span."""

    def set_attributes(self, attributes: dict[str, Any], /) -> None:
        """Set attributes."""


class Event(Protocol):
    """What is asked of the record of an event."""

    attributes: Any


@dataclass(frozen=True, slots=True)
class _Asking:
    tenant: Tenant
    subject: str | None
    group: str | None


_Ids = tuple[RecordId, RecordId]  # of the prompt and of the completion

_ASKING: ContextVar[_Asking | None] = ContextVar("domicile_asking", default=None)


@contextmanager
def asking(
    tenant: Tenant, *, subject: str | None = None, group: str | None = None
) -> Iterator[None]:
    """Store what models are asked and answer in this block, under a tenant, subject and group.

    Without such a block, nothing is stored. It holds for the tasks and threads that take over the
    context. ``tenant`` is of a store for threads; a service for asyncio shares it:
    ``AsyncStore(store)``.
    """
    token = _ASKING.set(_Asking(tenant, subject, group))
    try:
        yield
    finally:
        _ASKING.reset(token)


class DomicileCompletionHook:
    """Stores each completion that an instrumentation reports, and leaves references on its span.

    ``gen_ai.input.messages_ref`` and ``gen_ai.output.messages_ref`` are ids of records, which have
    the system instruction and the tools too: nothing is shared between subjects. Content that the
    instrumentation put on the span or the event is taken away.

    It is never in the way: a caller waits 50 ms at most, and what finds the queue full, or cannot
    be stored, is dropped, and counted in ``dropped`` by its reason. So it cannot promise that every
    prompt is stored: it is called after the model, and what it raises is swallowed. For that, store
    before you call the model.
    """

    def __init__(self) -> None:
        """Take no arguments: OpenTelemetry makes it."""
        self._threads = ThreadPoolExecutor(THREADS, "domicile-otel")
        self._storing: set[Future[None]] = set()
        self.dropped: Counter[str] = Counter()

    def on_completion(
        self,
        *,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        system_instruction: Sequence[Any],
        tool_definitions: Sequence[Any] | None = None,
        span: Span | None = None,
        log_record: Event | None = None,
        **later: object,
    ) -> None:
        """Store a completion, and put references in the place of its content. Raises nothing."""
        asked = _ASKING.get()
        references: dict[str, str] = {}
        if asked is None:
            self._drop("not_asked_for")
        elif len(self._storing) >= QUEUE:
            self._drop("queue_full")
        else:
            prompt = {
                "messages": inputs,
                "system_instruction": system_instruction,
                "tool_definitions": tool_definitions or [],
            }
            references = self._references(self._submit(asked, prompt, outputs))
        _stamp(span, log_record, references)

    def shutdown(self, *, timeout_sec: float = 10.0) -> None:
        """Wait for what is being stored, at most so many seconds. Nothing more is taken.

        Call it before you close the store.
        """
        self._threads.shutdown(wait=False)
        wait(self._storing.copy(), timeout_sec)

    def _submit(self, asked: _Asking, prompt: object, answer: object) -> "Future[_Ids]":
        ids: Future[_Ids] = Future()
        try:
            storing = self._threads.submit(self._store, asked, prompt, answer, ids)
        except RuntimeError as error:
            self._drop("shut_down")
            ids.set_exception(error)
        else:
            self._storing.add(storing)
            storing.add_done_callback(self._storing.discard)
        return ids

    def _references(self, ids: "Future[_Ids]") -> dict[str, str]:
        try:
            prompt, completion = ids.result(WAIT)
        except Exception:  # noqa: BLE001 - the thread has counted it
            return {}
        return {f"{INPUT}_ref": str(prompt), f"{OUTPUT}_ref": str(completion)}

    def _store(self, asked: _Asking, prompt: object, answer: object, ids: "Future[_Ids]") -> None:
        try:
            _store(asked, prompt, answer, ids)
        except Exception as error:  # noqa: BLE001 - nobody asks for the result of this thread
            self._drop(type(error).__name__)
            if not ids.done():
                ids.set_exception(error)

    def _drop(self, why: str) -> None:
        self.dropped[why] += 1
        _LOG.warning("domicile_not_stored: %s", why)


def _store(asked: _Asking, prompt: object, answer: object, ids: "Future[_Ids]") -> None:
    tenant = asked.tenant
    own = tenant.new_id(DataClass.PROMPT), tenant.new_id(DataClass.COMPLETION)
    ids.set_result(own)
    put = tenant.put(
        DataClass.PROMPT,
        _encoded(prompt),
        id=own[0],
        subject=asked.subject,
        group=asked.group,
    )
    tenant.put(
        DataClass.COMPLETION,
        _encoded(answer),
        id=own[1],
        subject=asked.subject,
        group=asked.group,
        derived_from=[put.id] if put.stored else [],
    )


def _stamp(span: Span | None, log_record: Event | None, references: Mapping[str, str]) -> None:
    """Set references. Take the content away: a span can lose no attribute, but change it."""
    if span is not None:
        there = getattr(span, "attributes", None) or {}
        span.set_attributes({**{name: "" for name in CONTENT if name in there}, **references})
    if log_record is not None:
        kept = {k: v for k, v in (log_record.attributes or {}).items() if k not in CONTENT}
        log_record.attributes = kept | dict(references)


def _encoded(given: object) -> bytes:
    return json.dumps(given, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(given: object) -> object:
    if isinstance(given, bytes):
        return base64.b64encode(given).decode()
    if is_dataclass(given) and not isinstance(given, type):
        return asdict(given)
    raise TypeError(f"A {type(given).__name__} cannot be stored.")

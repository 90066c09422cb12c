"""What ``ports.Connector`` promises, asked of every connector.

A new connector is one more line in ``KINDS``, and has to pass all of this.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.ports import Connector
from storage.processors.acknowledgement import public_key
from storage.processors.http import HttpConnector
from storage.processors.manual import ManualConnector
from storage.testing import FakeClock, FakeProcessor
from tests.support.processors.http_server import Processor, serving

LATE = timedelta(minutes=7)
NAME = "klarblick"


@dataclass(frozen=True)
class Kind:
    """A connector, and what its processor has (None: only people know)."""

    connector: Connector
    held: Callable[[], dict[str, bytes]] | None = field(default=None)


@contextmanager
def http() -> Iterator[Kind]:
    """Over HTTP, to a server that believes only what is signed."""
    key, clock = Ed25519PrivateKey.generate(), FakeClock()
    with serving(Processor(NAME, clock.now, trusts=key.public_key())) as processor:
        made = HttpConnector(
            NAME,
            processor.url,
            key=key,
            kid="k",
            acknowledgement_key=public_key(processor.public),
            longest_request=LATE,
            clock=clock,
            entropy=os.urandom,
        )
        yield Kind(made, lambda: processor.held)


@contextmanager
def manual() -> Iterator[Kind]:
    """People."""
    yield Kind(ManualConnector(NAME, LATE))


@contextmanager
def fake() -> Iterator[Kind]:
    """The one that users' tests get."""
    made = FakeProcessor(NAME, LATE, FakeClock())
    yield Kind(made, lambda: {str(copy): content for copy, content in made.copies.items()})


KINDS: list[Callable[[], AbstractContextManager[Kind]]] = [http, manual, fake]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Iterator[Kind]:
    """One of them."""
    with request.param() as made:
        yield made


def deliver(kind: Kind, content: bytes = b"hello") -> UUID:
    """Hand over a copy."""
    copy = uuid4()
    kind.connector.deliver(copy, content, timeout=10)
    return copy


def test_it_says_who_it_is(kind: Kind) -> None:
    """By the name that the topology has, with how long a delivery may still arrive."""
    assert (kind.connector.name, kind.connector.longest_request) == (NAME, LATE)


@pytest.mark.parametrize("content", [b"", b"hello", bytes(range(256)) * 4096])
def test_what_is_delivered_is_there_under_its_id(kind: Kind, content: bytes) -> None:
    """Every byte of it, also of none and of a megabyte."""
    copy = deliver(kind, content)

    if kind.held is not None:
        assert kind.held() == {str(copy): content}


def test_nothing_is_gone_before_it_was_asked_for(kind: Kind) -> None:
    """A processor has no word to give yet."""
    copy = deliver(kind)

    assert kind.connector.confirm(copy) is None


def test_what_is_asked_for_goes_and_nothing_else(kind: Kind) -> None:
    """Its word comes with a moment and a digest; where only people know, none comes."""
    copy, other = deliver(kind), deliver(kind, b"other")
    kind.connector.request_deletion(copy)
    said = kind.connector.confirm(copy)

    assert kind.connector.confirm(other) is None
    if kind.held is None:
        assert said is None
        return
    assert kind.held() == {str(other): b"other"}
    assert said is not None
    assert said.deleted_at.tzinfo is not None
    assert len(said.digest) == 32


def test_to_ask_again_is_no_error(kind: Kind) -> None:
    """A worker that was killed does not know whether it has asked."""
    copy = deliver(kind)
    for _ in range(2):
        kind.connector.request_deletion(copy)

    assert (kind.connector.confirm(copy) is None) == (kind.held is None)


def test_what_never_came_can_be_asked_for(kind: Kind) -> None:
    """A delivery whose outcome is not known is asked back as one that arrived."""
    copy = uuid4()
    kind.connector.request_deletion(copy)

    assert (kind.connector.confirm(copy) is None) == (kind.held is None)


def test_what_arrives_after_it_was_asked_for_can_be_asked_for_again(kind: Kind) -> None:
    """And is gone then."""
    copy = uuid4()
    kind.connector.request_deletion(copy)
    kind.connector.deliver(copy, b"late", timeout=10)
    kind.connector.request_deletion(copy)

    assert (kind.connector.confirm(copy) is None) == (kind.held is None)
    if kind.held is not None:
        assert kind.held() == {}

"""The stored form of events: vectors that were written before fields were renamed in Python."""

import json
from pathlib import Path
from typing import get_args

import pytest

from storage.errors import Corrupt
from storage.events import _REPLAY_ORDER, Event, NewErasure, NewHold, decode, encode

VECTORS: list[str] = json.loads((Path(__file__).parent / "vectors/events.json").read_text())
KINDS = {kind.model_fields["kind"].default for kind in get_args(Event)}


@pytest.mark.parametrize("text", VECTORS)
def test_an_entry_is_encoded_to_the_same_bytes(text: str) -> None:
    """Entries stay on backends for years: reading one and writing it again changes no byte."""
    assert encode(decode(text.encode())) == text.encode()


def test_every_kind_of_event_has_a_vector() -> None:
    """With and without what is optional."""
    kinds = [decode(text.encode()).event.kind for text in VECTORS]
    assert kinds == [
        *("erasure", "erasure", "hold", "hold", "release", "copy"),
        *("hold", "confirmation", "narrowing", "decision", "release"),
        *("consent", "consent", "uses"),
    ]
    assert set(kinds) == KINDS


def test_every_kind_of_event_has_a_place_in_the_replay() -> None:
    """Without one, a recovery fails at the first such entry."""
    assert len(_REPLAY_ORDER) == len(KINDS)
    assert set(_REPLAY_ORDER) == KINDS


def test_match_values_are_stored_as_sought() -> None:
    """The Python name was changed; the stored name was not, and the new one is refused."""
    for text in VECTORS[:4]:
        event = decode(text.encode()).event
        assert isinstance(event, NewErasure | NewHold)
        assert len(event.match_values) == len(json.loads(text)["event"]["sought"])
        with pytest.raises(Corrupt):
            decode(text.replace('"sought"', '"match_values"').encode())

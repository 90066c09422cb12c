"""Flags: what one may say, how they are sealed, and how records are read for a classifier."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.catalog.records import Row
from storage.crypto import record
from storage.errors import Corrupt, InvalidRequest
from storage.model import Classifier, NewFlag
from storage.packs.gather import GAP, LARGEST, spans
from tests.fuzz.samples import ROW

VECTOR: dict[str, Any] = json.loads(
    (Path(__file__).with_name("vectors") / "flags.json").read_text()
)
KEY, AAD = bytes.fromhex(VECTOR["key"]), bytes.fromhex(VECTOR["aad"])
SEALED = bytes.fromhex(VECTOR["sealed"])


class TestWords:
    @pytest.mark.parametrize("word", ["a", "Abuse/fraud-2.1_b", "x" * 64])
    def test_a_plain_word_is_a_label_and_a_name(self, word: str) -> None:
        """Letters, digits and some marks."""
        assert NewFlag(word, 0.5).label == word
        assert Classifier(word, word, lambda *_: []).name == word

    @pytest.mark.parametrize("word", ["", "x" * 65, "two words", "-x", "\xfc", "a\n", None, 7])
    def test_other_text_is_none(self, word: Any) -> None:  # noqa: ANN401
        """A label is no place for content. The error does not repeat it."""
        for make in (
            lambda: NewFlag(word, 0.5),
            lambda: Classifier(word, "1", lambda *_: []),
            lambda: Classifier("name", word, lambda *_: []),
        ):
            with pytest.raises(InvalidRequest) as caught:
                make()
            assert not word or str(word) not in str(caught.value)

    @pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf, "1", True, None])
    def test_a_score_is_from_0_to_1(self, score: Any) -> None:  # noqa: ANN401
        """And a number."""
        with pytest.raises(InvalidRequest):
            NewFlag("x", score)

    def test_no_repr_shows_what_a_flag_says(self) -> None:
        """It is personal data about somebody's prompt."""
        assert "fraud" not in repr(NewFlag("fraud", 0.5))


class TestSealing:
    def test_the_vector_opens_and_is_sealed_again(self) -> None:
        """What was sealed once has to open for as long as it is kept."""
        nonce = bytes.fromhex(VECTOR["nonce"])

        assert record.open_flags(KEY, SEALED, AAD) == VECTOR["flags"]
        assert record.seal_flags(KEY, VECTOR["flags"], AAD, lambda _: nonce) == SEALED

    def test_they_open_for_their_record_alone(self) -> None:
        """Not with another key, not in the row of another record, and not changed or cut."""
        for n in range(len(SEALED)):
            flipped = SEALED[:n] + bytes([SEALED[n] ^ 1]) + SEALED[n + 1 :]
            for sealed in (flipped, SEALED[:n]):
                with pytest.raises(Corrupt):
                    record.open_flags(KEY, sealed, AAD)
        with pytest.raises(Corrupt):
            record.open_flags(bytes(32), SEALED, AAD)
        with pytest.raises(Corrupt):
            record.open_flags(KEY, SEALED, AAD + b"x")

    def test_no_part_of_a_record_is_sealed_under_the_same_key(self) -> None:
        """Body and metadata have fixed nonces, and flags may be sealed again and again."""
        assert record._flags_key(KEY) != KEY
        with pytest.raises(Corrupt):
            record.open_flags(KEY, record.seal_metadata(KEY, {"a": 1}, AAD), AAD)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), st.integers(0, 3)), max_size=40),
    st.integers(1, 4_000_000),
)
def test_each_record_is_in_one_range(parts: list[tuple[int, int, int]], unit: int) -> None:
    """Ranges hold their records whole, read little of others, and are not too large."""
    ends, rows = dict[int, int](), list[Row]()
    for n, (number, length, hole) in enumerate(parts):
        start = ends.get(number, 0) + hole * 40_000
        ends[number] = start + length * unit
        uid = replace(ROW.id, unique=n.to_bytes(16))
        rows.append(
            replace(ROW, id=uid, object_id=UUID(int=number), start=start, length=length * unit)
        )

    found = list(spans(rows))

    assert sorted(r.id.unique for s in found for r in s.rows) == [r.id.unique for r in rows]
    for span in found:
        at = span.start
        for row in span.rows:
            assert row.object_id == span.object_id
            assert at <= row.start <= at + GAP
            at = row.start + row.length
        assert at == span.stop
        assert span.stop - span.start <= LARGEST or len(span.rows) == 1

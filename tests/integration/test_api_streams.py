"""Captures, streams and batches of the public API: what is stored of what was given."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO

import pytest

from storage import (
    BodyTooLarge,
    DataClass,
    DomicileError,
    InvalidRequest,
    NewRecord,
    Purpose,
    PutResult,
    StreamFailed,
    TooFewReplicas,
)
from storage.testing import Domicile
from tests.support.inspect.rows import ill_typed
from tests.support.refusals import PLANTED

PROMPT, COMPLETION = DataClass.PROMPT, DataClass.COMPLETION


def test_a_capture_stores_what_there_is(domicile: Domicile) -> None:
    """Complete after the block; incomplete if the block raises, and the exception propagates."""
    t = domicile.tenant()
    with t.capture(COMPLETION, subject="u") as whole:
        whole.write(b"it is ")
        whole.write(b"done")
    with suppress(ZeroDivisionError), t.capture(COMPLETION, subject="u") as part:
        part.write(b"it is ")
        raise ZeroDivisionError

    assert [t.get(c.id, purpose=Purpose.SERVE).body for c in (whole, part)] == [
        b"it is done",
        b"it is ",
    ]
    assert [info.incomplete for info in t.list(subject="u")] == [False, True]
    with pytest.raises(InvalidRequest):
        whole.write(b"more")
    with pytest.raises(InvalidRequest), t.capture(COMPLETION) as sink:
        sink.write(ill_typed("text"))


def test_a_capture_that_is_too_long_keeps_its_beginning(domicile: Domicile) -> None:
    """The chunks before the one that exceeds the limit are stored."""
    t = domicile.tenant()
    with t.capture(COMPLETION) as sink:
        sink.write(b"a" * 16 * 1024 * 1024)
        with pytest.raises(BodyTooLarge):
            sink.write(b"b")

    assert t.get(sink.id, purpose=Purpose.SERVE).info.size == 16 * 1024 * 1024
    assert t.explain(sink.id).id == sink.id


def test_an_error_of_a_block_is_not_hidden_by_one_of_storing(domicile: Domicile) -> None:
    """The block's exception propagates with a note; without one, the storing error is raised."""
    t = domicile.tenant()
    domicile.take_down("eu-a", "eu-b")

    with pytest.raises(ZeroDivisionError) as caught, t.capture(COMPLETION) as part:
        raise ZeroDivisionError
    with pytest.raises(TooFewReplicas), t.capture(COMPLETION) as whole:
        whole.write(b"a")

    assert isinstance(part.failure, TooFewReplicas)
    assert part.result is None
    assert caught.value.__notes__ == [
        f"Storing the capture {part.id} failed: TooFewReplicas: {part.failure}"
    ]


def failing(chunks: list[object]) -> Iterator[bytes]:
    """Yield chunks, then raise."""
    yield from ill_typed(chunks)
    raise OSError(PLANTED)


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (lambda: failing([b"a" * 2_000_000]), StreamFailed),
        (lambda: failing([]), StreamFailed),
        (lambda: iter([b"a", PLANTED]), InvalidRequest),
        (lambda: iter([b"a", 7]), InvalidRequest),
        (lambda: StringIO(PLANTED), InvalidRequest),
    ],
    ids=["fails late", "fails at once", "gives text", "gives numbers", "text mode"],
)
def test_a_stream_that_fails_leaves_nothing(
    domicile: Domicile, stream: Callable[[], Iterator[bytes]], error: type[DomicileError]
) -> None:
    """The call raises one error; after a worker has run, no byte is left."""
    t = domicile.tenant()
    with pytest.raises(error) as caught:
        t.put_file(stream(), filename=PLANTED)
    domicile.run_worker()
    domicile.pass_time(hours=1)
    domicile.run_worker()

    assert PLANTED not in str(caught.value)
    assert [trace for b in domicile.backends.values() for trace in b.inner.scan("pack/")] == []
    assert not t.list()


@pytest.mark.parametrize("span", [(-1, 2), (3, 2), ("0", 2), (0, None), (True, 2)])
def test_ranges_are_checked(domicile: Domicile, span: tuple[int, int]) -> None:
    """A range is two integers from 0 on, in order; a chunk has at least one byte."""
    t = domicile.tenant()
    with t.open(t.put(PROMPT, b"hello").id, purpose=Purpose.SERVE) as file:
        with pytest.raises(InvalidRequest):
            file.read_range(*span)
        with pytest.raises(InvalidRequest):
            list(file.chunks(0))
        assert (file.read_range(0, 0), file.read_range(4, 99)) == (b"", b"o")
        assert list(file.chunks(2)) == [b"he", b"ll", b"o"]


def test_a_source_that_fails_gives_the_results_before_it(domicile: Domicile) -> None:
    """The records before the failure are stored, and their results come before the error."""

    def source() -> Iterator[NewRecord]:
        yield NewRecord(PROMPT, b"one")
        yield NewRecord(PROMPT, b"two")
        raise OSError("no more")

    t = domicile.tenant()
    results = t.put_many(source())

    assert [isinstance(next(results), PutResult) for _ in range(2)] == [True, True]
    with pytest.raises(OSError, match="no more"):
        next(results)
    assert len(t.list()) == 2


def test_a_large_answer_to_a_small_prompt_of_the_same_batch(domicile: Domicile) -> None:
    """It has its own pack, so it waits for the record that it derives from."""
    t = domicile.tenant()
    prompt = NewRecord(PROMPT, b"small", t.new_id(PROMPT), subject="u")
    assert prompt.id is not None
    answer = NewRecord(COMPLETION, bytes(300_000), derived_from=(prompt.id,))

    results = list(t.put_many([prompt, answer]))

    assert [type(result) for result in results] == [PutResult, PutResult]
    assert len(t.list(subject="u")) == 2


def test_many_are_taken_one_window_ahead(domicile: Domicile) -> None:
    """An endless source is read at most 8192 records ahead of the results."""
    t = domicile.tenant()
    taken = 0

    def endless() -> Iterator[NewRecord]:
        nonlocal taken
        while True:
            taken += 1
            yield NewRecord(PROMPT, b"%d" % taken)

    results = t.put_many(endless())
    assert taken == 0
    for given in range(9000):
        assert isinstance(next(results), PutResult)
        assert taken - given <= 8192
    results.close()  # type: ignore[attr-defined]

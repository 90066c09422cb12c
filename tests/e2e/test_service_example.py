"""The example that the README shows does what the README says, on the embedded default."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from textwrap import dedent
from typing import TypeVar

import pytest

from storage import (
    DataClass,
    Erased,
    ErasureState,
    NewRecord,
    Purpose,
    PutResult,
    open_store,
)
from tests.e2e import async_service_example, service_example

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
CHUNKS = [b"It is ", b"a lake", b" in Nidwalden."]
LINES = b'{"messages": []}\n' * 100


@pytest.fixture(scope="module", autouse=True)
def _from_nothing() -> Iterator[None]:
    """An empty data directory, and no other setting. Not pytest's: PostgreSQL is another user."""
    made = Path(tempfile.mkdtemp(prefix="dom-"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOMICILE_HOME", str(made))
        yield
    shutil.rmtree(made)


def many() -> list[NewRecord]:
    """Records of another user."""
    return [NewRecord(DataClass.PROMPT, b"number %d" % n, subject="user-8") for n in range(20)]


async def each(things: Iterable[T]) -> AsyncIterator[T]:
    """The same, asynchronously."""
    for thing in things:
        yield thing


def test_the_example_runs_from_nothing() -> None:
    """Verbatim, with no setting but where the data goes. In the end user 7 is gone, nobody else."""
    p, sink, file, e = service_example.serve(
        b"What is the lake called?", CHUNKS, many(), BytesIO(LINES), start=0, stop=17
    )

    assert sink.result is not None
    assert sink.result.stored
    with open_store() as store:  # as another process would
        t = store.tenant("acme-eu")
        left = [info.id for info in t.list()]
        assert len(left) == 20 + 1
        assert not {p, sink.id} & set(left)
        assert store.erasure(e.id).state is ErasureState.FENCED
        assert t.get(file.id, purpose=Purpose.FINE_TUNE).body == LINES
        for gone in (p, sink.id):
            with pytest.raises(Erased):
                t.get(gone, purpose=Purpose.SERVE)


def test_the_asynchronous_example_runs_from_nothing() -> None:
    """The same over ``open_async_store``."""
    p, sink, file, e, results = asyncio.run(
        async_service_example.serve(b"hello", each(CHUNKS), each(many()), each([LINES]))
    )

    assert sink.result is not None
    assert [isinstance(result, PutResult) for result in results] == [True] * 20
    with open_store() as store:
        left = {info.id for info in store.tenant("acme-async").list()}
    assert left == {result.id for result in results} | {file.id}
    assert not left & {p, sink.id}
    assert e.state is ErasureState.FENCED


def test_the_readme_shows_the_example() -> None:
    """What is shown is what was run."""
    code = (ROOT / "tests/e2e/service_example.py").read_text()
    _, shown = code.split("    # the example begins\n")
    shown, _ = shown.split("    # the example ends\n")

    assert f"```python\n{dedent(shown)}```" in (ROOT / "README.md").read_text()

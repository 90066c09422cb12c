"""The example in the README does what the README says, on the embedded default."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

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
from storage.testing import SERVICE
from storage.testing.harness import memory_directory
from tests.e2e import async_service_example

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
CHUNKS = [b"It is ", b"a lake", b" in Nidwalden."]
LINES = b'{"messages": []}\n' * 100


@pytest.fixture(scope="module", autouse=True)
def _from_nothing() -> Iterator[None]:
    """An empty data directory, and no other setting. Not pytest's: PostgreSQL is another user."""
    made = Path(tempfile.mkdtemp(prefix="dom-", dir=memory_directory()))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOMICILE_HOME", str(made))
        yield
    shutil.rmtree(made)


def pasted() -> dict[str, Any]:
    """Run the example of the README; return its names."""
    page = (ROOT / "README.md").read_text()
    [code] = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own README
    return names


def many() -> list[NewRecord]:
    """Records of another user."""
    return [NewRecord(DataClass.PROMPT, b"number %d" % n, subject="user-8") for n in range(20)]


async def each(things: Iterable[T]) -> AsyncIterator[T]:
    """The same, asynchronously."""
    for thing in things:
        yield thing


def test_the_readme_example_runs_from_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Pasted verbatim, with no setting but the data directory. User 7 is gone, nobody else."""
    names = pasted()

    prompt, answer, file = names["prompt"], names["answer"], names["file"]
    shown = capsys.readouterr().out
    assert "b'Which lake?'" in shown
    assert "b'{\"messages\": []}'" in shown
    assert "(" not in shown  # ids and texts, no reprs
    assert answer.result.stored
    with open_store() as store:  # as another process would
        t = store.tenant("acme-eu").bind(SERVICE)
        left = [info.id for info in t.list()]
        assert len(left) == 20 + 1
        assert not {prompt, answer.id} & set(left)
        assert store.erasure(names["erasure"].id).state is ErasureState.FENCED
        assert t.get(file.id, purpose=Purpose.SERVE).body == b'{"messages": []}'
        for gone in (prompt, answer.id):
            with pytest.raises(Erased):
                t.get(gone, purpose=Purpose.SERVE)


def test_the_readme_example_runs_again() -> None:
    """On the same day and the same data: what the first run erased is in nobody's way."""
    with open_store() as store:
        before = len(store.tenant("acme-eu").list())
    names = pasted()

    assert names["answer"].result.stored
    with open_store() as store:
        assert len(store.tenant("acme-eu").list()) == before + 20 + 1


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

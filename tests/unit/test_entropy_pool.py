"""No two records get the same random bytes."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from storage.crypto.entropy import Pool


class Counted:
    """A source whose bytes tell where they come from: each pair of them is given once."""

    def __init__(self) -> None:
        self._numbers = count()

    def __call__(self, size: int) -> bytes:
        return b"".join(next(self._numbers).to_bytes(2) for _ in range(size // 2))


def test_each_byte_is_given_once() -> None:
    """To any thread, in any order."""
    pool = Pool(Counted())
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(pool, [16, 32, 48] * 400))
    pairs = [given[n : n + 2] for given in found for n in range(0, len(given), 2)]
    assert [len(given) for given in found] == [16, 32, 48] * 400
    assert len(pairs) == len(set(pairs))


def test_threads_do_not_share_what_they_take_from() -> None:
    """Each has asked the source, whatever the other has left: so they need no turns."""
    pool = Pool(Counted())
    first = pool(2)
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(pool, 2).result()
    assert int.from_bytes(other) - int.from_bytes(first) == 1024


def test_a_forked_process_takes_other_bytes() -> None:
    """What its parent would give next is not given by both."""
    pool = Pool(os.urandom)
    pool(16)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, pool(16))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 16) != pool(16)
    os.close(reading)
    os.close(writing)


def test_a_source_that_gives_too_few_is_refused() -> None:
    """And nothing of what it gave is used."""
    pool = Pool(lambda size: bytes(size - 1))
    for _ in range(2):
        with pytest.raises(ValueError, match="too few"):
            pool(16)

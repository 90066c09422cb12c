"""A key service as a process of its own that is killed, started again, and asked to stop."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from storage.errors import KeyServiceUnavailable
from storage.model import DataClass, Purpose, RecordId
from storage.testing import Domicile
from tests.support.inspect.stored import wait_until
from tests.support.keyservice.apart import HOME, Apart, apart
from tests.support.keyservice.process import started

PROMPT, SERVE = DataClass.PROMPT, Purpose.SERVE


@pytest.fixture
def away(domicile: Domicile) -> Iterator[Apart]:
    """A Domicile whose root keys are elsewhere."""
    with apart(domicile) as made:
        yield made


@dataclass
class Readers:
    """Threads that read one record each, again and again, with no key in the cache."""

    domicile: Domicile
    bodies: dict[RecordId, bytes]
    good: int = 0
    unavailable: int = 0
    wrong: list[object] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self, record: RecordId) -> None:
        """Read until the end."""
        tenant = self.domicile.tenant()
        ring = self.domicile.homes.served(HOME).keys
        while not self._over.is_set():
            ring._opened.clear()
            try:
                if tenant.get(record, purpose=SERVE).body != self.bodies[record]:
                    self.wrong.append(record)
                self.good += 1
            except KeyServiceUnavailable:
                self.unavailable += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
                self.wrong.append(error)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read for as long as the block lasts."""
        threads = [threading.Thread(target=self.run, args=(each,)) for each in self.bodies]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def see(self, *, good: int = 0, unavailable: int = 0) -> None:
        """Wait until so many more reads have ended in that way."""
        goal = self.good + good, self.unavailable + unavailable
        wait_until(lambda: self.good >= goal[0] and self.unavailable >= goal[1])


def test_killed_in_the_middle_of_reads(away: Apart, domicile: Domicile) -> None:
    """Reads get the right body or one clear error, and go on when the key service is back."""
    with started(away) as first:
        domicile.open()
        tenant = domicile.tenant()
        bodies = {tenant.put(PROMPT, body).id: body for body in (b"one", b"two", b"three")}
        readers = Readers(domicile, bodies)
        with readers.reading():
            readers.see(good=20)
            first.kill()
            readers.see(unavailable=20)
            with started(away) as second:
                readers.see(good=20)
                second.stop()
        domicile.stack.close()
        log = second.lines

    assert readers.wrong == []
    assert '"event": "key_service_stopped"' in log[-1]
    assert not away.path.exists()


def test_serves_while_its_catalog_is_down(away: Apart, domicile: Domicile) -> None:
    """What a service does itself needs no catalog of the key service."""
    with started(away, CATALOG_URL="postgresql://nobody@127.0.0.1:1/none") as process:
        domicile.open()
        record = domicile.tenant().put(PROMPT, b"body").id
        domicile.open()
        assert domicile.tenant().get(record, purpose=SERVE).body == b"body"
        assert '"event": "key_service_without_catalog"' in process.lines[0]
        domicile.stack.close()

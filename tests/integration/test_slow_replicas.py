"""A backend that answers slowly does not keep a read from the good replica."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.model import DataClass, Purpose
from storage.testing import SERVICE, Domicile, Gate, wait_at
from storage.testing.harness import Kind
from storage.testing.s3 import Answer, Request, S3Server

BODY = b"mine" * 100


@pytest.fixture
def domicile_backends() -> Kind:
    """Buckets, two of each region."""
    return "s3"


@pytest.fixture
def drip(domicile: Domicile) -> Iterator[Callable[[], list[str]]]:
    """Have the first bucket send objects a byte at a time; return the list of paths read there."""
    asked: list[str] = []
    over = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"HTTP/1.1 206 -\r\nContent-Range: bytes 0-999/1000\r\nContent-Length: 1000\r\n\r\n"
        while not over.wait(0.3):
            yield b"x"

    def instead(request: Request) -> Answer | None:
        of_object = request.method == "GET" and "/eu-a-home" in request.path and not request.query
        if not of_object:
            return None
        asked.append(request.path)
        return Answer(raw=pieces())

    def start() -> list[str]:
        assert isinstance(domicile._server, S3Server)
        domicile._server.instead = instead
        return asked

    yield start
    over.set()


def test_a_replica_that_drips_is_left_for_another(
    domicile: Domicile, drip: Callable[[], list[str]]
) -> None:
    """The key and the bytes come from the other backend, before the time of the first is over."""
    put = domicile.tenant().put(DataClass.PROMPT, BODY)
    domicile.run_worker()  # on a slow machine one replica may be acknowledged alone
    domicile.open()  # no key is in memory
    t = domicile.store.tenant("acme-eu").bind(SERVICE)
    asked = drip()

    began = time.monotonic()
    assert t.get(put.id, purpose=Purpose.SERVE).body == BODY

    assert asked
    assert time.monotonic() - began < 10  # as long as one backend may take alone


class TestADiskThatHangs:
    @pytest.fixture
    def domicile_backends(self) -> Kind:
        """Directories: the operating system has no timeout."""
        return "directory"

    def test_is_left_for_another(self, domicile: Domicile) -> None:
        """The key and the bytes come from the other one; later reads do not even ask it."""
        first, second = (domicile.tenant().put(DataClass.PROMPT, BODY).id for _ in range(2))
        domicile.open()  # no key is in memory
        t, gate, disk = (
            domicile.store.tenant("acme-eu").bind(SERVICE),
            Gate(),
            domicile.backends["eu-a"],
        )
        disk.inject(wait_at(gate), "get")
        before, began = disk.count("get"), time.monotonic()

        for record in (first, second):
            assert t.get(record, purpose=Purpose.SERVE).body == BODY

        assert time.monotonic() - began < 10
        assert disk.count("get") - before == 1
        gate.open.set()

    def test_is_waited_for_if_there_is_no_other(self, domicile: Domicile) -> None:
        """It may answer after all."""
        put = domicile.tenant().put(DataClass.PROMPT, BODY).id
        domicile.open()
        t, gate = domicile.store.tenant("acme-eu").bind(SERVICE), Gate()
        domicile.take_down("eu-b")
        domicile.backends["eu-a"].inject(wait_at(gate), "get")
        with ThreadPoolExecutor(1) as aside:
            reading = aside.submit(lambda: t.get(put, purpose=Purpose.SERVE).body)
            assert gate.reached.wait(20)
            gate.open.set()
            assert reading.result(20) == BODY

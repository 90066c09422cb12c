"""Limit a request as a whole: its seconds, and the bytes of its response.

A timeout of boto3 limits one wait for bytes. A server that sends one byte at a time passes it for
hours, and boto3 reads a response of any length. So the connections of a client read through a
socket that knows what the request may still take.

This relies on private attributes of botocore; tests fail if a new version gets past them.
"""

import io
import math
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_FIRST_FINAL, _FIRST_ERROR = 200, 300


class Allowance(threading.local):
    """What the current request of each thread may still take.

    ``clock`` returns monotonic seconds. ``exceeded``: the last request took more than it may.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end, self._size = math.inf, math.inf
        self.exceeded = False

    @contextmanager
    def of(self, seconds: float, size: int) -> Iterator[None]:
        """Give the requests of the block so many seconds, and a response of ``size`` bytes."""
        self._end, self._size, self.exceeded = self._clock() + seconds, size, False
        try:
            yield
        finally:
            self._end, self._size = math.inf, math.inf

    def wait(self) -> float:
        """Return the seconds that are left. Raises TimeoutError if none are."""
        left = self._end - self._clock()
        if left <= 0:
            self.exceeded = True
            raise TimeoutError("the request took too long")
        return left

    def take(self, size: int) -> None:
        """Count received bytes. Raises ConnectionAbortedError if they are too many."""
        self._size -= size
        if self._size < 0:
            self.exceeded = True
            raise ConnectionAbortedError("the response is too long")


def install(client: "S3Client", allowance: Allowance) -> None:
    """Have every connection that the client opens from now on keep to the allowance."""
    session: Any = client._endpoint.http_session  # type: ignore[attr-defined]  # noqa: SLF001
    classes: dict[str, type[HTTPConnectionPool]] = session._pool_classes_by_scheme  # noqa: SLF001
    for scheme, pool in list(classes.items()):
        classes[scheme] = _limited(pool, allowance)


def _limited(pool: type[HTTPConnectionPool], allowance: Allowance) -> type[HTTPConnectionPool]:
    """Return a class of connection pools whose connections keep to the allowance."""
    connection: Any = pool.ConnectionCls

    class Connection(connection):  # type: ignore[misc]
        sock: Any

        def connect(self) -> None:
            super().connect()
            self.sock = _Socket(self.sock, allowance)

        def getresponse(self) -> Any:  # noqa: ANN401 - urllib3's
            """Return the final response. An interim one would count as a success.

            So would one to a request whose body was not sent, because the response came first.
            """
            response = super().getresponse()
            first = _FIRST_ERROR if self._response_received else _FIRST_FINAL
            if response.status < first:
                raise ConnectionAbortedError("the response is not one to the whole request")
            return response

    class Pool(pool):  # type: ignore[misc, valid-type]
        ConnectionCls = Connection

    return Pool


class _Socket:
    """A connected socket whose reads and writes keep to an allowance."""

    def __init__(self, inner: socket.socket, allowance: Allowance) -> None:
        self._inner, self._allowance = inner, allowance

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def sendall(self, data: bytes) -> None:
        before = self._inner.gettimeout()
        self._inner.settimeout(_least(before, self._allowance.wait()))
        try:
            self._inner.sendall(data)
        finally:
            self._inner.settimeout(before)

    def makefile(self, mode: str, buffering: int = -1) -> io.IOBase:
        raw = _Raw(self._inner, self._allowance)
        return raw if buffering == 0 else io.BufferedReader(raw)


class _Raw(io.RawIOBase):
    """The bytes that a socket receives."""

    def __init__(self, inner: socket.socket, allowance: Allowance) -> None:
        self._inner, self._allowance = inner, allowance
        self._file = inner.makefile("rb", 0)  # keeps the socket open until it is closed
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        before = self._inner.gettimeout()
        self._inner.settimeout(_least(before, self._allowance.wait()))
        try:
            size = self._file.readinto(buffer) or 0
        finally:
            self._inner.settimeout(before)
        if size == 0 and self._ended:  # botocore would read the headers of a 100 for ever
            raise ConnectionResetError("the response has ended")
        self._ended = size == 0
        self._allowance.take(size)
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def _least(timeout: float | None, left: float) -> float:
    return left if timeout is None else min(timeout, left)

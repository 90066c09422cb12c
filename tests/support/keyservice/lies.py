"""A server that answers as a test wants, where a service expects its key service."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from storage.keyservice.address import Address
from tests.support.keyservice.permits import REGION
from tests.support.keyservice.serving import short_folder

Answer = Callable[[dict[str, object]], bytes]
"""Returns the bytes that answer a message, with their size before them."""


def said(**message: object) -> bytes:
    """Return a message as it is sent."""
    text = json.dumps(message).encode()
    return len(text).to_bytes(4) + text


HELLO = said(region=REGION, current=1)


def rest(connection: socket.socket) -> bytes:
    """Return what comes until the peer closes or resets the connection."""
    found = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(1000):
            found += part
    return found


@contextmanager
def lying(answer: Answer, *, hello: bytes = HELLO) -> Iterator[tuple[Address, list[str]]]:
    """Answer on a Unix socket. Yield its address, and the calls that came."""
    calls: list[str] = []
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder / "lies.sock")
        listener.bind(str(path))
        listener.listen()
        thread = Thread(target=_serve, args=(listener, answer, hello, calls))
        thread.start()
        try:
            yield Address(path=path), calls
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, answer: Answer, hello: bytes, calls: list[str]) -> None:
    threads = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            break
        threads.append(Thread(target=_converse, args=(connection, answer, hello, calls)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _converse(connection: socket.socket, answer: Answer, hello: bytes, calls: list[str]) -> None:
    with connection, suppress(OSError, ValueError):
        connection.settimeout(5)
        while True:
            size = int.from_bytes(connection.recv(4, socket.MSG_WAITALL))
            message = json.loads(connection.recv(size, socket.MSG_WAITALL))
            calls.append(message["call"])
            reply = hello if message["call"] == "hello" else answer(message)
            connection.sendall(reply)
            if not reply:
                break

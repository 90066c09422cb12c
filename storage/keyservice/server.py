"""The key service as a process of its own: it answers services on a Unix socket, or over TLS.

A thread per connection, of which there is a limit. A stranger, who cannot agree on TLS, takes the
place of no service: handshakes are counted apart, and for one too many the oldest ends. What a
message says is decided where the keys are: ``storage.keyservice.local``. No log line and no answer
but the one that gives it has a key.
"""

import os
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from structlog.typing import FilteringBoundLogger

from storage.crypto.record import KEY_SIZE, WRAPPED_SIZE
from storage.errors import DomicileError, InvalidRequest, PurposeRefused, SettingsError
from storage.keyservice.address import Address, certificate_problem
from storage.keyservice.protocol import (
    Channel,
    Malformed,
    Message,
    bytes_in,
    encoded,
    list_in,
    refusal,
    text_in,
)
from storage.model import StaffPermit
from storage.ports import KeyService

_PAUSE = 0.1  # seconds, before it accepts again


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key service grants its callers. Seconds and counts."""

    connections: int = 128
    handshakes: int = 128  # beside them: those that have not agreed on TLS yet
    idle: float = 60.0  # between two messages
    message: float = 5.0  # to receive one, to send one, and to agree on TLS
    drain: float = 10.0  # for the answers that are being made when it stops


class KeyServer:
    """Answers on a listening socket until ``stop``."""

    def __init__(
        self,
        listener: socket.socket,
        keys: KeyService,
        log: FilteringBoundLogger,
        *,
        region: str,
        clock: Callable[[], float],
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        """``clock`` returns monotonic seconds. The caller closes ``listener``."""
        self._listener = listener
        self._keys = keys
        self._log = log
        self._region = region
        self._clock = clock
        self._tls = tls
        self._limits = limits or Limits()
        self._room = threading.BoundedSemaphore(self._limits.connections)
        self._handshakes: dict[ssl.SSLSocket, None] = {}  # the oldest first
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._stopped, self._stopping = os.pipe()

    def serve_forever(self) -> None:
        """Accept connections until ``stop``; then wait for the answers that are being made."""
        while self._readable(self._listener.fileno(), None):
            self._accept()
        end = self._clock() + self._limits.drain
        for thread in list(self._threads):
            thread.join(max(0.0, end - self._clock()))
        if not self._threads:
            os.close(self._stopped)
            os.close(self._stopping)

    def stop(self) -> None:
        """Accept nothing more. Call it once, from any thread or a signal handler."""
        os.write(self._stopping, b"\0")

    def _readable(self, descriptor: int, seconds: float | None) -> bool:
        """Wait for input; False if there is none in time, or the server stops."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        ready = {found for found, _ in poll.poll(None if seconds is None else seconds * 1000)}
        return descriptor in ready and self._stopped not in ready

    def _accept(self) -> None:
        """Take the next caller. What is wrong with one, or with this moment, ends no other."""
        try:
            connection, address = self._listener.accept()
        except OSError as error:  # no descriptor is left, most likely: others give theirs back
            self._log.error("key_service_accepts_nobody", error=error.strerror or str(error))
            self._readable(self._stopped, _PAUSE)
            return
        where = {} if self._tls is None else {"address": f"{address[0]}:{address[1]}"}
        try:
            connection.settimeout(self._limits.message)
            inner = connection if self._tls is None else self._secured(connection, self._tls)
        except OSError as error:
            connection.close()
            self._note_end(self._log.bind(peer="-", **where), error)
            return
        thread = threading.Thread(target=self._serve, args=(inner, where))
        self._threads.add(thread)
        thread.start()

    def _secured(self, connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        """Count a handshake that is still to come, and end the oldest if there are too many.

        Who has a certificate needs a moment for it, so the oldest are those who have none. It
        counts from here: threads begin in any order.
        """
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        inner = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._handshakes[inner] = None
            if len(self._handshakes) > self._limits.handshakes:
                oldest = next(iter(self._handshakes))
                del self._handshakes[oldest]
                with suppress(OSError):  # the method of an SSLSocket would make it plain text
                    socket.socket.shutdown(oldest, socket.SHUT_RDWR)
        return inner

    def _serve(self, connection: socket.socket, where: Mapping[str, str]) -> None:
        """Answer one caller. Whatever it does, it harms itself alone."""
        log = self._log.bind(peer="-", **where)
        try:
            with connection:
                self._agree(connection)
                log = log.bind(peer=_peer(connection))
                self._converse(connection)
        except (OSError, Malformed) as error:
            self._note_end(log, error)
        except Exception as error:  # a bug ends a connection, not the key service
            log.exception("key_service_failed", error=type(error).__name__)
        finally:
            self._threads.discard(threading.current_thread())

    def _agree(self, connection: socket.socket) -> None:
        if not isinstance(connection, ssl.SSLSocket):
            return
        try:
            _shake_hands(connection)
        finally:
            with self._lock:
                self._handshakes.pop(connection, None)

    def _note_end(self, log: FilteringBoundLogger, error: Exception) -> None:
        problem = certificate_problem(error)
        if problem is None:
            log.info("key_service_connection_ended", error=type(error).__name__)
        else:
            whose = "the caller's" if problem.of_peer else "that of the key service"
            log.warning("key_service_certificate_refused", whose=whose, reason=problem.reason)

    def _converse(self, connection: socket.socket) -> None:
        """Answer a caller, who is known, if there is a place."""
        if not self._room.acquire(blocking=False):
            self._log.warning("key_service_full", connections=self._limits.connections)
            return
        try:
            peer, channel = _peer(connection), Channel(connection, self._clock)
            while self._answer_one(channel, peer):
                pass
        finally:
            self._room.release()

    def _answer_one(self, channel: Channel, peer: str) -> bool:
        """Answer the next message. False: the caller has no more, or the server stops."""
        pending = isinstance(channel.connection, ssl.SSLSocket) and channel.connection.pending()
        if not pending and not self._readable(channel.connection.fileno(), self._limits.idle):
            return False
        message = channel.receive(self._clock() + self._limits.message)
        if message is None:
            return False
        channel.send(self._answer(message, peer), self._clock() + self._limits.message)
        return True

    def _answer(self, message: Message, peer: str) -> Message:
        """Answer, and say in the log what was refused, and which record's key was given."""
        call = text_in(message, "call")
        log = self._log.bind(call=call[:20], peer=peer)
        try:
            if call == "unwrap_record":
                return self._unwrap_record(message, log)
            return self._called(call, message)
        except DomicileError as error:
            log.warning("key_service_refused", **_why(error))
            return refusal(error)

    def _called(self, call: str, message: Message) -> Message:
        keys = self._keys
        self._check_region(message)
        match call:
            case "hello":
                return {"region": self._region, "current": keys.current}
            case "approvers":
                pinned = keys.approvers()
                return {"actors": [*pinned], "keys": [encoded(key) for key in pinned.values()]}
            case "create":
                return {"sealed": encoded(keys.create(bytes_in(message, "context")))}
            case "wrap":
                key = bytes_in(message, "key", size=KEY_SIZE)
                return {"sealed": encoded(keys.wrap(key, bytes_in(message, "context")))}
            case "unwrap":
                sealed, context = bytes_in(message, "sealed"), bytes_in(message, "context")
                return {"key": encoded(keys.unwrap(sealed, context))}
            case "rewrap":
                sealed, context = bytes_in(message, "sealed"), bytes_in(message, "context")
                target, other = bytes_in(message, "target"), bytes_in(message, "target_context")
                wrapped = list_in(message, "wrapped", size=WRAPPED_SIZE)
                made = keys.rewrap(sealed, context, wrapped, target, other)
                return {"wrapped": [encoded(one) for one in made]}
            case _:
                raise InvalidRequest("The key service has no such call.")

    def _unwrap_record(self, message: Message, log: FilteringBoundLogger) -> Message:
        self._check_region(message)
        sealed, permit = bytes_in(message, "sealed"), StaffPermit.load(text_in(message, "permit"))
        named = log.bind(
            grant=str(permit.grant),
            actor=permit.actor.id,
            record=str(permit.record),
            purpose=permit.purpose.value,
        )
        try:
            key = self._keys.unwrap_record(sealed, permit)
        except DomicileError as error:
            named.warning("record_key_refused", **_why(error))
            return refusal(error)
        named.info("record_key_given")
        return {"key": encoded(key)}

    def _check_region(self, message: Message) -> None:
        if text_in(message, "region") != self._region:
            raise InvalidRequest(
                f"This is the key service of {self._region}.",
                advice="Give each region the address of its own key service.",
            )


@contextmanager
def listening(address: Address) -> Iterator[socket.socket]:
    """Listen on an address. Raises SettingsError.

    A Unix socket has mode 0660: the user and the group of the key service may connect. One that is
    left of a process that was killed is replaced; one that somebody answers on is not.
    """
    try:
        if address.path is None:
            listener = socket.create_server((address.host, address.port))
        else:
            listener = _unix_socket(address.path)
    except OSError as error:
        raise SettingsError(
            f"The key service cannot listen on {address}: {error.strerror or error}.",
            advice="Give another address, or end what has it.",
        ) from error
    try:
        with listener:
            yield listener
    finally:
        if address.path is not None:
            address.path.unlink(missing_ok=True)


def _unix_socket(path: Path) -> socket.socket:
    with socket.socket(socket.AF_UNIX) as other, suppress(FileNotFoundError):
        try:
            other.connect(str(path))
        except ConnectionRefusedError:
            if path.is_socket():  # left of a process that was killed; a file answers so too
                path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o117)  # so that it never has another mode
    try:
        listener.bind(str(path))
        listener.listen()
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _why(error: DomicileError) -> dict[str, object]:
    """Return what the log says of an error: also its message, which has nothing that was sent."""
    reasons = error.reasons if isinstance(error, PurposeRefused) else ()
    return {"error": error.code, "reasons": reasons, "message": error.message}


def _shake_hands(connection: ssl.SSLSocket) -> None:
    """Agree on TLS. Raises SSLError, after the peer could read why.

    What it has sent meanwhile, and nobody reads, would reset the connection before that.
    """
    try:
        connection.do_handshake()
    except ssl.SSLError:
        with suppress(OSError):
            connection.settimeout(1.0)
            socket.socket.shutdown(connection, socket.SHUT_WR)
            for _ in range(4):
                if not socket.socket.recv(connection, 4096):
                    break
        raise


def _peer(connection: socket.socket) -> str:
    """Return who is at the other end: the user of a process, or the name in a certificate."""
    if isinstance(connection, ssl.SSLSocket):
        found = cast("dict[str, Any]", connection.getpeercert() or {})
        parts = dict(pair for group in found.get("subject", ()) for pair in group)
        return str(parts.get("commonName", "-"))
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", told)
    return f"uid {user}"

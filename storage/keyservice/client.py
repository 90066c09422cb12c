"""The key service in another process, as a service calls it."""

import hmac
import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from storage.catalog.engine import check_process
from storage.crypto.record import KEY_SIZE, WRAPPED_SIZE
from storage.errors import KeyServiceUnavailable, SettingsError
from storage.keyservice.address import Address, certificate_problem
from storage.keyservice.protocol import (
    MOST_KEYS,
    Channel,
    Malformed,
    Message,
    Value,
    bytes_in,
    encoded,
    error_in,
    list_in,
    text_in,
)
from storage.model import StaffPermit

TIMEOUT: Final = 5.0
"""Seconds that a call may take, with connecting and all it repeats."""

PUBLIC_SIZE: Final = 32
"""Bytes of a public key of Ed25519."""

_REUSED: Final = 30.0  # seconds; the server closes an idle connection after twice that
_IDLE: Final = 8  # connections that are kept


class RemoteKeyService:
    """The key service of one region, in a process of its own. Safe to use from many threads.

    Implements ``storage.ports.KeyService``. It connects when it is called, and again after a
    failure. It raises SettingsError if what answers is the key service of another region.
    """

    def __init__(
        self,
        address: Address,
        *,
        region: str,
        clock: Callable[[], float],
        tls: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """``tls``: of an address that is no Unix socket. ``clock`` returns monotonic seconds.

        ``timeout``: seconds for each call.
        """
        self._address = address
        self._region = region
        self._clock = clock
        self._tls = tls
        self._timeout = timeout
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Channel]] = []
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"RemoteKeyService(region={self._region!r}, address={str(self._address)!r})"

    @property
    def current(self) -> int:
        answer = self._ask({"call": "hello"})
        found = answer.get("current")
        if not isinstance(found, int):
            raise self._unavailable("an invalid answer")
        return found

    def approvers(self) -> Mapping[str, bytes]:
        answer = self._ask({"call": "approvers"})
        actors = answer.get("actors")
        try:
            keys = list_in(answer, "keys", size=PUBLIC_SIZE)
        except Malformed as error:
            raise self._unavailable("an invalid answer") from error
        if not isinstance(actors, list) or not len(set(actors)) == len(actors) == len(keys):
            raise self._unavailable("an invalid answer")
        return dict(zip(actors, keys, strict=True))

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrap a key, and unwrap it again: what nobody can open must not be stored."""
        asked: dict[str, Value] = {
            "call": "wrap",
            "key": encoded(key),
            "context": encoded(context),
        }
        sealed = self._bytes(asked, "sealed")
        if not hmac.compare_digest(self.unwrap(sealed, context), key):
            raise self._unavailable("an answer that it does not open itself")
        return sealed

    def create(self, context: bytes) -> bytes:
        return self._bytes({"call": "create", "context": encoded(context)}, "sealed")

    def unwrap(self, sealed: bytes, context: bytes) -> bytes:
        asked: dict[str, Value] = {
            "call": "unwrap",
            "sealed": encoded(sealed),
            "context": encoded(context),
        }
        return self._bytes(asked, "key", size=KEY_SIZE)

    def unwrap_record(self, sealed: bytes, permit: StaffPermit) -> bytes:
        asked: dict[str, Value] = {
            "call": "unwrap_record",
            "sealed": encoded(sealed),
            "permit": permit.dump(),
        }
        # on a new connection: a permit cannot be shown again after one that was closed meanwhile
        return self._bytes(asked, "key", size=KEY_SIZE, once=True)

    def rewrap(
        self,
        sealed: bytes,
        context: bytes,
        wrapped: Sequence[bytes],
        target: bytes,
        target_context: bytes,
    ) -> list[bytes]:
        made: list[bytes] = []
        asked: dict[str, Value] = {
            "call": "rewrap",
            "sealed": encoded(sealed),
            "context": encoded(context),
            "target": encoded(target),
            "target_context": encoded(target_context),
        }
        for some in _batches(wrapped):
            answer = self._ask(asked | {"wrapped": [encoded(one) for one in some]})
            try:
                found = list_in(answer, "wrapped", size=WRAPPED_SIZE)
            except Malformed as error:
                raise self._unavailable("an invalid answer") from error
            if len(found) != len(some):
                raise self._unavailable("an invalid answer")
            made += found
        return made

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, channel in idle:
            channel.close()

    def _bytes(
        self, asked: dict[str, Value], name: str, *, size: int | None = None, once: bool = False
    ) -> bytes:
        answer = self._ask(asked, once=once)
        try:
            return bytes_in(answer, name, size=size)
        except Malformed as error:
            raise self._unavailable("an invalid answer") from error

    def _ask(self, asked: dict[str, Value], *, once: bool = False) -> Message:
        """Return the answer, or raise its error. ``once``: never send it twice."""
        check_process(self._process)
        until = self._clock() + self._timeout
        try:
            answer = None if once else self._ask_again(asked, until)
            answer = answer or self._ask_anew(asked, until)
            failure = error_in(answer) if "error" in answer else None
        except Malformed as error:
            raise self._unavailable("an invalid answer") from error
        except OSError as error:
            raise self._unanswered(error) from error
        if failure is not None:
            raise failure
        return answer

    def _ask_again(self, asked: dict[str, Value], until: float) -> Message | None:
        """Ask on a connection that is open; None if there is none, or it was closed meanwhile."""
        while (channel := self._taken()) is not None:
            try:
                return self._exchange(channel, asked, until)
            except (ConnectionError, ssl.SSLError):
                continue
        return None

    def _ask_anew(self, asked: dict[str, Value], until: float) -> Message:
        channel = self._connect(until)
        if asked["call"] != "hello":
            hello = self._exchange(channel, {"call": "hello"}, until, keep=False)
            self._check(channel, hello)
        return self._exchange(channel, asked, until)

    def _exchange(
        self, channel: Channel, asked: dict[str, Value], until: float, *, keep: bool = True
    ) -> Message:
        """Ask, and keep the connection for the next call. Any failure closes it."""
        try:
            channel.send(asked | {"region": self._region}, until)
            answer = channel.receive(until)
            if answer is None:
                raise ConnectionResetError("closed")  # noqa: TRY301 - one reaction to all
        except BaseException:
            channel.close()
            raise
        if keep:
            self._keep(channel)
        return answer

    def _check(self, channel: Channel, hello: Message) -> None:
        """Raise SettingsError unless it is the key service of this region."""
        if "error" in hello:
            channel.close()
            raise SettingsError(
                f"{self._address} is not the key service of {self._region}: {error_in(hello)}"
            )
        if text_in(hello, "region") != self._region:
            channel.close()
            raise Malformed("It is of another region.")

    def _connect(self, until: float) -> Channel:
        left = max(0.001, until - self._clock())
        if self._address.path is not None:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.settimeout(left)
                connection.connect(str(self._address.path))
            except BaseException:
                connection.close()
                raise
            return Channel(connection, self._clock)
        if self._tls is None:
            raise SettingsError(f"{self._address} needs certificates.")
        plain = socket.create_connection((self._address.host, self._address.port), timeout=left)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(max(0.001, until - self._clock()))
            inner = self._tls.wrap_socket(plain, server_hostname=self._address.host)
        except BaseException:
            plain.close()
            raise
        return Channel(inner, self._clock)

    def _taken(self) -> Channel | None:
        """Take a connection that was used lately."""
        with self._lock:
            old = [c for at, c in self._idle if self._clock() - at > _REUSED]
            self._idle = [kept for kept in self._idle if kept[1] not in old]
            found = self._idle.pop()[1] if self._idle else None
        for channel in old:
            channel.close()
        return found

    def _keep(self, channel: Channel) -> None:
        with self._lock:
            if len(self._idle) < _IDLE:
                self._idle.append((self._clock(), channel))
                return
        channel.close()

    def _unanswered(self, error: OSError) -> KeyServiceUnavailable:
        problem = certificate_problem(error)
        if problem is None:
            return self._unavailable(f"no answer ({type(error).__name__})")
        where = f"the key service of {self._region} ({self._address})"
        if problem.of_peer:
            what = f"The certificate of {where} is refused here: {problem.reason}."
            advice = "Renew cert.pem there, or correct the address, or ca.pem here."
        else:
            what = f"The certificate of this process is refused by {where}: {problem.reason}."
            advice = "Renew cert.pem here, from an authority that is in ca.pem there."
        found = KeyServiceUnavailable(f"{what} Nothing was opened.", advice=advice)
        found.retryable = False
        return found

    def _unavailable(self, what: str) -> KeyServiceUnavailable:
        return KeyServiceUnavailable(
            f"The key service of {self._region} gave {what}. Nothing was opened."
        )


def _batches(wrapped: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Cut what is too much for one message; nothing is one batch."""
    return [wrapped[n : n + MOST_KEYS] for n in range(0, max(1, len(wrapped)), MOST_KEYS)]

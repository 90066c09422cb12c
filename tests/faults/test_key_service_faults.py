"""A key service that is down, slow, of another region, or lies; and callers that lie to it."""

import io
import json
import os
import resource
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from storage.clock import steady
from storage.crypto.keyobject import key_context
from storage.crypto.record import wrap_key
from storage.errors import KeyServiceUnavailable, KeyUnavailable, PurposeRefused, SettingsError
from storage.keyservice.address import Address
from storage.keyservice.client import RemoteKeyService
from storage.keyservice.protocol import LARGEST, encoded
from storage.keyservice.server import Limits, listening
from storage.policy import PermitReason
from tests.support.keyservice.lies import HELLO, Answer, lying, rest, said
from tests.support.keyservice.permits import KEPT, KEY_ID, REGION, permit
from tests.support.keyservice.serving import (
    in_order,
    local,
    remote,
    root_keys,
    serving,
    short_folder,
)

CONTEXT, HOLD = key_context(KEY_ID), key_context(KEY_ID, hold=True)
DAY_KEY, RECORD_KEY = b"d" * 32, b"r" * 32
SEALED = root_keys().wrap(DAY_KEY, CONTEXT)


@pytest.fixture
def path() -> Iterator[Path]:
    """Where the socket of a key service goes."""
    with short_folder() as folder:
        yield folder / "keys.sock"


class _Watched(io.StringIO):
    """A log that says when it has been told of something."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word
        self.seen = threading.Event()

    def write(self, text: str) -> int:
        if self._word in text:
            self.seen.set()
        return super().write(text)


@contextmanager
def _no_descriptor() -> Iterator[None]:
    """Let this process open no file more than it has."""
    free = os.dup(0)
    os.close(free)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class TestDown:
    def test_opens_nothing_and_says_so(self, path: Path) -> None:
        """Without a key service there is one clear error, to try again after."""
        with pytest.raises(KeyServiceUnavailable, match="Nothing was opened") as caught:
            remote(Address(path=path)).unwrap(SEALED, CONTEXT)

        assert caught.value.retryable
        assert "domicile keyservice serve" in caught.value.advice

    def test_comes_back_by_itself(self, path: Path) -> None:
        """The same client goes on when a new process listens there; a rest of the old is no bar."""
        keys, address = remote(Address(path=path)), Address(path=path)
        with serving(local(root_keys(), in_order()), address):
            assert keys.unwrap(SEALED, CONTEXT) == DAY_KEY
        with pytest.raises(KeyServiceUnavailable):
            keys.unwrap(SEALED, CONTEXT)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        with serving(local(root_keys(), in_order()), address):
            assert keys.unwrap(SEALED, CONTEXT) == DAY_KEY
        keys.close()

    def test_a_connection_that_was_closed_meanwhile_costs_no_call(self, path: Path) -> None:
        """A restart between two calls is not seen by the caller."""
        keys, address = remote(Address(path=path)), Address(path=path)
        for _ in range(3):
            with serving(local(root_keys(), in_order()), address):
                assert keys.unwrap(SEALED, CONTEXT) == DAY_KEY
        keys.close()

    def test_after_a_restart_no_permit_from_before_is_taken(self, path: Path) -> None:
        """The single use of a permit survives the memory of it."""
        register = in_order()
        register.record = replace(KEPT, wrapped_key=wrap_key(DAY_KEY, RECORD_KEY))
        keys, address = remote(Address(path=path)), Address(path=path)
        with serving(local(root_keys(), register), address):
            assert keys.unwrap_record(SEALED, permit()) == RECORD_KEY
        with (
            serving(local(root_keys(), register, started=True), address),
            pytest.raises(PurposeRefused) as caught,
        ):
            keys.unwrap_record(SEALED, permit())
        keys.close()

        assert caught.value.reasons == (PermitReason.BEFORE_START,)


LIES: dict[str, Answer] = {
    "closes": lambda _: b"",
    "no size": lambda _: b"\0\0\0\0",
    "a huge size": lambda _: (LARGEST + 1).to_bytes(4),
    "no JSON": lambda _: b"\0\0\0\1x",
    "a list": lambda _: b"\0\0\0\2[]",
    "a flag": lambda _: said(key=True),
    "nothing": lambda _: said(),
    "a short key": lambda _: said(key=encoded(b"short")),
    "no base64": lambda _: said(key="*" * 44),
    "an error that is none": lambda _: said(error="KeyUnavailable"),
    "an error with control characters": lambda _: said(
        error="KeyUnavailable", message="\x1b[2J", advice="", reasons=[]
    ),
    "reasons that are text": lambda _: said(
        error="PurposeRefused", message="", advice="", reasons=["<b>"]
    ),
    "an error that may be tried again, and may not": lambda _: said(
        error="KeyUnavailable", message="", advice="", reasons=[], retryable=2
    ),
    "an error that we do not have": lambda _: said(
        error="SystemExit", message="", advice="", reasons=[]
    ),
}


class TestALyingServer:
    @pytest.mark.parametrize("lie", LIES)
    def test_opens_nothing(self, lie: str) -> None:
        """Whatever answers, the caller gets no key and one clear error."""
        with lying(LIES[lie]) as (address, _):
            keys = remote(address)
            with pytest.raises(KeyServiceUnavailable):
                keys.unwrap(SEALED, CONTEXT)
            keys.close()

    @pytest.mark.parametrize(
        ("told", "retryable"), [({}, True), ({"retryable": 1}, True), ({"retryable": 0}, False)]
    )
    def test_says_whether_a_retry_helps(self, told: dict[str, int], retryable: bool) -> None:  # noqa: FBT001
        """An older key service does not: then it may."""
        error = {"error": "KeyUnavailable", "message": "a", "advice": "b", "reasons": []}
        with lying(lambda _: said(**error, **told)) as (address, _):
            keys = remote(address)
            with pytest.raises(KeyUnavailable) as caught:
                keys.unwrap(SEALED, CONTEXT)
            keys.close()
        assert caught.value.retryable is retryable

    def test_stores_nothing_that_it_cannot_open(self) -> None:
        """A wrapped key is unwrapped before it is used: otherwise a day would be lost."""

        def answer(message: dict[str, object]) -> bytes:
            if message["call"] == "wrap":
                return said(sealed=encoded(SEALED))
            return said(key=encoded(b"x" * 32))

        with lying(answer) as (address, calls):
            keys = remote(address)
            with pytest.raises(KeyServiceUnavailable, match="does not open itself"):
                keys.wrap(DAY_KEY, CONTEXT)
            keys.close()

        assert calls == ["hello", "wrap", "unwrap"]

    @pytest.mark.parametrize("given", [[], [encoded(b"k" * 40)] * 2, [encoded(b"k" * 39)]])
    def test_moves_no_other_number_of_keys(self, given: list[str]) -> None:
        """A record would get the key of its neighbor."""
        with lying(lambda _: said(wrapped=given)) as (address, _):
            keys = remote(address)
            with pytest.raises(KeyServiceUnavailable):
                keys.rewrap(SEALED, CONTEXT, [b"w" * 40], SEALED, HOLD)
            keys.close()

    @pytest.mark.parametrize(
        ("actors", "keys"),
        [
            (["ines"], []),
            ([], [encoded(b"k" * 32)]),
            (["ines", "ines"], [encoded(b"k" * 32)] * 2),
            (["ines"], [encoded(b"k" * 31)]),
            ("ines", [encoded(b"k" * 32)] * 4),
        ],
    )
    def test_pins_nobody_by_a_malformed_answer(self, actors: object, keys: list[str]) -> None:
        """Each actor has one key of the right size, or the answer is none."""
        with lying(lambda _: said(actors=actors, keys=keys)) as (address, _):
            service = remote(address)
            with pytest.raises(KeyServiceUnavailable):
                service.approvers()
            service.close()

    def test_a_permit_is_sent_once(self) -> None:
        """A connection that breaks is not tried again: the permit may be used up."""

        def answer(message: dict[str, object]) -> bytes:
            return said(key=encoded(DAY_KEY)) if message["call"] == "unwrap" else b""

        with lying(answer) as (address, calls):
            keys = remote(address)
            keys.unwrap(SEALED, CONTEXT)  # its connection stays open
            with pytest.raises(KeyServiceUnavailable):
                keys.unwrap_record(SEALED, permit())
            keys.close()

        assert calls == ["hello", "unwrap", "hello", "unwrap_record"]

    @pytest.mark.parametrize(
        "hello",
        [
            said(region="us-east-1", current=1),
            said(error="InvalidRequest", message="of us-east-1", advice="", reasons=[]),
        ],
        ids=["says so", "refuses"],
    )
    def test_of_another_region(self, hello: bytes) -> None:
        """What is not the key service of this region is asked nothing."""
        with (
            lying(lambda _: said(key=encoded(DAY_KEY)), hello=hello) as (address, calls),
            pytest.raises((KeyServiceUnavailable, SettingsError)),
        ):
            remote(address).unwrap(SEALED, CONTEXT)

        assert calls == ["hello"]

    def test_drips(self) -> None:
        """The time is for the whole answer: bytes that come one by one do not extend it."""
        dripped = threading.Event()

        @contextmanager
        def dripping() -> Iterator[Address]:
            with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(folder / "s"))
                listener.listen()

                def drip() -> None:
                    connection, _ = listener.accept()
                    with connection:
                        for byte in HELLO * 1000:
                            if dripped.wait(0.02):
                                return
                            connection.sendall(bytes([byte]))

                thread = threading.Thread(target=drip)
                thread.start()
                try:
                    yield Address(path=folder / "s")
                finally:
                    dripped.set()
                    thread.join()

        begun = steady()
        with dripping() as address, pytest.raises(KeyServiceUnavailable, match="Timeout"):
            remote(address, timeout=0.3).unwrap(SEALED, CONTEXT)
        assert steady() - begun < 2


class TestALyingCaller:
    def test_nothing_ends_the_server(self, path: Path) -> None:
        """After every kind of rubbish it answers the next caller."""
        log = io.StringIO()
        rubbish = [
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\0\0\0\0",
            (LARGEST + 1).to_bytes(4),
            b"\0\0\0\2[]",
            b'\0\0\0\7{"a":1}',
            said(call="unwrap"),
            said(call="unwrap", region=REGION, sealed="*", context=""),
            said(call="rewrap", region=REGION, wrapped=[1]),
            b"\0\0\xff\xff" + b"[" * 0xFFFF,
            said(call="hello", region=REGION, more="x" * LARGEST),
        ]
        with serving(local(root_keys(), in_order()), Address(path=path), log=log) as address:
            for sent in rubbish:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(str(path))
                    with suppress(BrokenPipeError):  # it closes before all is sent
                        connection.sendall(sent)
                        connection.shutdown(socket.SHUT_WR)
                    assert rest(connection) == b""
            keys = remote(address)
            assert keys.unwrap(SEALED, CONTEXT) == DAY_KEY
            keys.close()

        assert "key_service_failed" not in log.getvalue()

    def test_a_service_of_another_region_is_refused(self, path: Path) -> None:
        """An address that was mixed up gives no keys, and says what is there."""
        with serving(local(root_keys(), in_order()), Address(path=path)) as address:
            other = RemoteKeyService(address, region="us-east-1", clock=steady)
            with pytest.raises(SettingsError, match="is not the key service of us-east-1"):
                other.unwrap(SEALED, CONTEXT)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                for call in ("unwrap", "unwrap_record"):
                    connection.sendall(
                        said(
                            call=call,
                            region="us-east-1",
                            sealed=encoded(SEALED),
                            context=encoded(CONTEXT),
                            permit=permit().dump(),
                        )
                    )
                    size = int.from_bytes(connection.recv(4, socket.MSG_WAITALL))
                    answer = json.loads(connection.recv(size, socket.MSG_WAITALL))
                    assert answer["error"] == "InvalidRequest"

    @pytest.mark.parametrize("call", ["", "shell", "roots", "__class__"])
    def test_there_are_no_other_calls(self, path: Path, call: str) -> None:
        """An unknown call is refused as such."""
        with (
            serving(local(root_keys(), in_order()), Address(path=path)),
            socket.socket(socket.AF_UNIX) as connection,
        ):
            connection.connect(str(path))
            connection.sendall(said(call=call, region=REGION))
            size = int.from_bytes(connection.recv(4, socket.MSG_WAITALL))
            answer = json.loads(connection.recv(size, socket.MSG_WAITALL))

        assert answer["error"] == "InvalidRequest"

    @pytest.mark.parametrize(
        ("sent", "limits"),
        [
            pytest.param(b"", Limits(connections=1, idle=0.05, message=60), id="nothing"),
            pytest.param(b"\0\0\0\7{", Limits(connections=1, idle=60, message=0.05), id="a part"),
        ],
    )
    def test_who_keeps_the_service_waiting_is_left(
        self, path: Path, sent: bytes, limits: Limits
    ) -> None:
        """An idle caller keeps no place for ever, nor one whose message does not end."""
        with (
            serving(local(root_keys(), in_order()), Address(path=path), limits=limits),
            socket.socket(socket.AF_UNIX) as connection,
        ):
            connection.settimeout(5)
            connection.connect(str(path))
            connection.sendall(sent)
            assert connection.recv(10) == b""

    def test_who_is_too_many_is_refused(self, path: Path) -> None:
        """The number of connections has a limit; those who are in go on."""
        limits = Limits(connections=1)
        with serving(local(root_keys(), in_order()), Address(path=path), limits=limits) as address:
            keys = remote(address)
            assert keys.unwrap(SEALED, CONTEXT) == DAY_KEY
            with pytest.raises(KeyServiceUnavailable):
                remote(address).unwrap(SEALED, CONTEXT)
            assert keys.unwrap(SEALED, CONTEXT) == DAY_KEY
            keys.close()

    def test_without_descriptors_it_waits_for_one(self, path: Path) -> None:
        """Callers wait meanwhile; the key service does not end."""
        log = _Watched("key_service_accepts_nobody")
        with (
            socket.socket(socket.AF_UNIX) as connection,
            serving(local(root_keys(), in_order()), Address(path=path), log=log),
        ):
            connection.settimeout(10)
            with _no_descriptor():
                connection.connect(str(path))
                connection.sendall(said(call="hello", region=REGION))
                assert log.seen.wait(10)
            assert REGION.encode() in connection.recv(1000)

    def test_a_refusal_and_an_opening_are_on_record(self, path: Path) -> None:
        """The log says who asked for which record under which grant, and how it ended."""
        log, register = io.StringIO(), in_order()
        register.record = replace(KEPT, wrapped_key=wrap_key(DAY_KEY, RECORD_KEY))
        with serving(local(root_keys(), register), Address(path=path), log=log) as address:
            keys = remote(address)
            keys.unwrap_record(SEALED, permit())
            with pytest.raises(PurposeRefused):
                keys.unwrap_record(SEALED, permit())
            keys.close()
        given, refused = (json.loads(line) for line in log.getvalue().splitlines())

        assert [given["event"], refused["event"]] == ["record_key_given", "record_key_refused"]
        assert refused["reasons"] == ["permit_replayed"]
        for line in (given, refused):
            assert line["grant"] == str(permit().grant)
            assert line["record"] == str(permit().record)
            assert line["actor"] == permit().actor.id
            assert line["peer"] == f"uid {os.getuid()}"


class TestSockets:
    def test_are_for_user_and_group(self, path: Path) -> None:
        """Others cannot connect, not even for a moment, whatever the umask."""
        before = os.umask(0)
        try:
            with listening(Address(path=path)):
                assert stat.S_IMODE(path.stat().st_mode) == 0o660
        finally:
            os.umask(before)
        assert not path.exists()

    def test_one_that_is_in_use_is_left_alone(self, path: Path) -> None:
        """A second key service does not take the place of the first."""
        with (
            serving(local(root_keys(), in_order()), Address(path=path)) as address,
            pytest.raises(SettingsError, match="cannot listen"),
            listening(address),
        ):
            pass

    def test_a_file_in_its_place_is_left_alone(self, path: Path) -> None:
        """A wrong address may be that of the key file."""
        path.write_text("the root keys")

        with pytest.raises(SettingsError, match="cannot listen"), listening(Address(path=path)):
            pass

        assert path.read_text() == "the root keys"

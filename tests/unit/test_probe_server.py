"""The server of probes answers what it is asked, and lets nobody hold it up."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from io import StringIO
from threading import Event

import pytest

from storage.errors import InvalidRequest, SettingsError
from storage.logs import make_logger
from storage.model import BackendHealth, PlacementReason, RegionHealth, StoreHealth
from storage.testing import Gate
from storage.watching import probes, server
from storage.watching.probes import LONGEST_PIECE, Answer, alive, ready, ready_for
from storage.watching.server import ProbeServer, Respond, parse_address

HERE = ("127.0.0.1", 0)


@contextmanager
def serving(respond: Respond, log: StringIO | None = None) -> Iterator[ProbeServer]:
    """Serve on any port of this machine."""
    with ProbeServer(HERE, respond, make_logger(log or StringIO())) as made:
        yield made


def asked(port: int, path: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    """Return status, body and headers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def echo(path: str) -> Answer:
    """Answer with the path."""
    return Answer(200, "text/plain", path.encode())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("10.0.0.7:80", ("10.0.0.7", 80)),
        ("[::1]:9464", ("::1", 9464)),
        ("::1:9464", ("::1", 9464)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_it_is_on_this_machine_alone_unless_told_otherwise(
    text: str, address: tuple[str, int]
) -> None:
    """A port without a host is a port of loopback."""
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:65536", "host:-1", "1:²"])
def test_an_address_without_a_port_is_refused(text: str) -> None:
    """With what to give instead."""
    with pytest.raises(InvalidRequest, match="no valid port") as refused:
        parse_address(text)
    assert "HOST:PORT" in refused.value.advice


def test_it_answers_get_and_head_and_nothing_else() -> None:
    """Without a cache, without the query, and without saying which Python it is."""
    with serving(echo) as made:
        status, body, headers = asked(made.port, "/metrics?name[]=x")
        assert (status, body) == (200, b"/metrics")
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"].strip() == "Domicile"
        head = asked(made.port, "/metrics", "HEAD")
        assert (head[0], head[1], head[2]["Content-Length"]) == (200, b"", "8")
        assert asked(made.port, "/metrics", "POST")[0] == 501


def test_an_answer_that_fails_is_in_the_log() -> None:
    """And the next one is given."""
    out, failing = StringIO(), [ZeroDivisionError()]

    def respond(path: str) -> Answer:
        if failing:
            raise failing.pop()
        return echo(path)

    with serving(respond, out) as made:
        assert asked(made.port, "/secret-path")[0] == 500
        assert asked(made.port, "/again")[0] == 200
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["event"] == "probe_failed"
    assert "secret-path" not in line


def test_who_sends_nothing_is_cut_off_and_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the many connections of an attacker, or of a balancer that opens them ahead."""
    assert server._Handler.timeout == 5
    monkeypatch.setattr(server._Handler, "timeout", 0.5)
    with serving(echo) as made, socket.create_connection(("127.0.0.1", made.port)) as slow:
        slow.sendall(b"GET /metr")
        assert asked(made.port, "/metrics")[0] == 200
        slow.settimeout(30)
        assert slow.recv(100) == b""


def test_who_sends_byte_by_byte_is_cut_off_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the request does not."""
    monkeypatch.setattr(server, "_TIME", 0.3)
    with serving(echo) as made, socket.create_connection(("127.0.0.1", made.port)) as slow:
        slow.settimeout(0.05)
        for _ in range(400):
            with suppress(TimeoutError):
                slow.sendall(b"G")
                if slow.recv(100) == b"":
                    break
        else:
            pytest.fail("It is still there.")


def test_one_of_too_many_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen are answered at a time: a storm makes no thousand threads."""
    monkeypatch.setattr(server, "_REQUESTS", 2)
    gate, done = Gate(), Event()

    def respond(path: str) -> Answer:
        if not done.is_set():
            gate.wait()
        return echo(path)

    with serving(respond) as made, ExitStack() as stack:
        waiting = [
            stack.enter_context(socket.create_connection(("127.0.0.1", made.port)))
            for _ in range(2)
        ]
        for one in waiting:
            one.sendall(b"GET /slow HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert gate.reached.wait(30)
        with socket.create_connection(("127.0.0.1", made.port)) as third:
            third.settimeout(30)
            assert third.recv(100) == b""
        done.set()
        gate.open.set()
        for one in waiting:
            one.settimeout(30)
            assert one.recv(100).startswith(b"HTTP/1.0 200")


def test_an_address_in_use_is_told() -> None:
    """Before any work is begun."""
    with serving(echo) as made, pytest.raises(SettingsError, match="cannot be listened on"):
        ProbeServer(("127.0.0.1", made.port), echo, make_logger(StringIO()))


def test_a_worker_is_alive_while_its_loop_turns() -> None:
    """The pause between its rounds is no reason to restart it."""
    assert alive(LONGEST_PIECE + 4.9, 5.0).status == 200
    assert alive(LONGEST_PIECE + 5.0, 5.0).status == 503
    assert json.loads(alive(1.25, 5.0).body) == {"alive": True, "still": 1.2}


def test_a_process_is_ready_while_it_can_serve_any_region() -> None:
    """And says of each whether, and why not."""
    good = RegionHealth("eu", None, (BackendHealth("eu-a", answers=True, closed=None),))
    away = RegionHealth("us", "CatalogUnavailable")
    bad = PlacementReason.POSTURE_BAD
    short = RegionHealth("ch", None, (BackendHealth("ch-a", answers=True, closed=bad),), short=True)

    assert ready(StoreHealth({"eu": good, "us": away, "ch": short})).status == 200
    assert ready(StoreHealth({"us": away, "ch": short})).status == 503
    assert [ready_for(x).status for x in (good, away, short)] == [200, 503, 503]
    told = json.loads(ready_for(short).body)
    assert told["backends"] == [{"backend": "ch-a", "answers": True, "closed": "posture_bad"}]
    assert probes.not_there().status == 404

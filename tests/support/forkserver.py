"""A ``domicile`` that starts at once: a process that has imported it forks for each command.

``python -m tests.support.forkserver SOCKET`` is that process. As a script, with the socket in the
environment, it is the command: it hands over its arguments, directory, environment and streams.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACE = "FORKSERVER"


@contextmanager
def quick_commands(folder: Path) -> Iterator[Path]:
    """Yield a directory with a ``domicile`` that starts at once."""
    place = folder / "socket"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.forkserver", str(place)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    command = folder / "domicile"
    run = f'{PLACE}={place} exec "{sys.executable}" -I -S "{__file__}" "$@"'
    command.write_text(f"#!/bin/sh\n{run}\n")
    command.chmod(0o755)
    try:
        yield folder
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def _serve(place: str) -> None:
    from storage.cli import main  # noqa: PLC0415 - the command needs none of it

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who answers
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen()
    print("ready", flush=True)  # noqa: T201
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(connection, main)
        connection.close()


def _answer(connection: socket.socket, main: object) -> None:
    """Run a command in a fork of the fork, and tell how it ended."""
    size = int.from_bytes(connection.recv(4, socket.MSG_WAITALL))
    text, streams, _, _ = socket.recv_fds(connection, 1, 3)
    text += connection.recv(size - 1, socket.MSG_WAITALL)
    asked = json.loads(text)
    child = os.fork()
    if child == 0:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(asked["directory"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = ["domicile", *asked["args"]]
        assert callable(main)
        main()
    _, status = os.waitpid(child, 0)
    connection.sendall(bytes([os.waitstatus_to_exitcode(status) & 255]))
    os._exit(0)


def _ask() -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ.pop(PLACE))
        asked = {"args": sys.argv[1:], "directory": str(Path.cwd()), "environment": {**os.environ}}
        text = json.dumps(asked).encode()
        connection.sendall(len(text).to_bytes(4))
        socket.send_fds(connection, [text[:1]], [0, 1, 2])
        connection.sendall(text[1:])
        return connection.recv(1)[0]


if __name__ == "__main__":
    if PLACE in os.environ:
        sys.exit(_ask())
    _serve(sys.argv[1])

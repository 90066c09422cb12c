"""SeaweedFS on loopback, in a process of its own: a server of S3 that fsyncs what it is given."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REGION = "us-east-1"  # it states no region, which is this one
_PATIENCE = 60.0  # seconds until it answers
_FSYNC = "fs.configure -locationPrefix=/buckets/ -fsync -apply\n"


@dataclass(frozen=True)
class Weed:
    """A running server."""

    url: str
    access_key: str
    secret_key: str
    pid: int


@contextmanager
def weed(directory: Path) -> Iterator[Weed]:
    """Start a server whose data is in a directory, and end it."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        raise SystemExit("weed is not installed. Run: make bench")
    directory.mkdir(parents=True)
    access, secret = secrets.token_hex(8), secrets.token_hex(20)
    identity = {
        "name": "bench",
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    keys = directory / "s3.json"
    keys.write_text(json.dumps({"identities": [identity]}))
    keys.chmod(0o600)
    names = ("master", "volume", "filer", "s3")
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    inner = [f"-{n}.port{kind}={p}" for n, p in ports.items() for kind, p in _both(p)]
    command = [
        *(program, f"-logdir={directory}", "server", f"-dir={directory}", "-ip=127.0.0.1"),
        *("-ip.bind=127.0.0.1", "-master.telemetry=false", "-master.volumeSizeLimitMB=1024"),
        *("-volume.max=300", "-s3", f"-s3.config={keys}", "-s3.port.iceberg=0"),
        *("-s3.port.lance=0", *inner),
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)  # noqa: S603
    try:
        url = f"http://127.0.0.1:{ports['s3']}"
        _wait(url, process)
        master = f"127.0.0.1:{ports['master']}.{ports['master'] + 10_000}"
        subprocess.run(  # noqa: S603
            [program, "shell", f"-master={master}"],
            input=_FSYNC.encode(),
            check=True,
            capture_output=True,
            timeout=_PATIENCE,
        )
        yield Weed(url, access, secret, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _both(port: int) -> list[tuple[str, int]]:
    """Return a port, and that of gRPC as the server would choose it."""
    return [("", port), (".grpc", port + 10_000)]


def _free_ports(count: int) -> list[int]:
    """Return ports that are free now, as are those 10,000 above them."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port >= 55_000 or port in found:
                continue
            try:
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            found.append(port)
    return found


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until it answers."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/status", timeout=2):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("weed did not start: see its log")

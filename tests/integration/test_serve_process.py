"""``domicile serve`` as a process of its own: how it starts, what it refuses, how it ends."""

import random
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest
from openai import OpenAI
from pydantic import ValidationError

from storage.cli.exit_codes import Exit
from storage.settings import ServiceSettings
from tests.support.catalogs.tls_server import Authority
from tests.support.cli_harness import ROOT, CommandLine

MIB = 1024 * 1024
OWN = {"localhost", "127.0.0.1", "127.1.2.3", "::1"}
SIZES = (16 * MIB, 256 * MIB)


SERVE = [sys.executable, "-m", "storage.cli", "serve"]


def settings(line: CommandLine, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the command."""
    given = {**line.environment, "DOMICILE_SERVICE__PORT": "0", **more}
    own = {name: value for name, value in given.items() if value is not None}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **own}


@contextmanager
def serving(
    line: CommandLine, more: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the command; yield the process and its port."""
    with subprocess.Popen(
        SERVE, cwd=ROOT, env=settings(line, more or {}), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            while "listens on" not in said:
                assert said, "it has ended"
                said = process.stderr.readline()
            yield process, int(said.split()[-1].rstrip("."))
        finally:
            process.terminate()


def key_of(line: CommandLine) -> str:
    """Return a new API key."""
    return str(line.told("apikey", "create", "acme-eu", "--scope", "write")["secret"])


def test_it_serves_and_ends_with_done(line: CommandLine) -> None:
    """SIGTERM ends it after the store is closed."""
    key = key_of(line)
    with serving(line) as (process, port):
        with OpenAI(api_key=key, base_url=f"http://127.0.0.1:{port}/v1") as client:
            made = client.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")
            assert client.files.content(made.id).read() == b"{}"
            assert [file.id for file in client.files.list()] == [made.id]
            client.files.delete(made.id)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        log = process.stderr.read()
        assert process.wait(60) == Exit.DONE

    assert "service_stopped" in log
    assert key not in log


def test_without_the_extra_it_says_what_to_install(line: CommandLine) -> None:
    """Every other command works without it."""
    code = "import sys; sys.modules['fastapi'] = None; from storage.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve"],
        cwd=ROOT,
        env=settings(line, {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == Exit.CONFIGURATION
    assert "domicile[service]" in done.stderr


def test_without_tls_it_listens_on_this_machine_alone(line: CommandLine) -> None:
    """It refuses to start, and says what is missing."""
    environment = settings(line, {"DOMICILE_SERVICE__HOST": "0.0.0.0"})  # noqa: S104
    done = subprocess.run(
        SERVE, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == Exit.CONFIGURATION
    assert "TLS_CERT" in done.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "::", "example.org", "127.0.0.1.example.org", ""])
def test_hosts_that_may_be_elsewhere_need_tls(host: str) -> None:
    """A name may lead anywhere, but for localhost."""
    with pytest.raises(ValidationError, match="TLS_CERT"):
        ServiceSettings(host=host)
    assert {ServiceSettings(host=own).host for own in OWN} == OWN


@pytest.mark.parametrize(
    "given",
    [
        {"DOMICILE_SERVICE__TLS_CERT": "/nowhere.pem"},
        {"DOMICILE_SERVICE__PURPOSES": '{"batch": "prompt"}'},
        {"DOMICILE_SERVICE__PURPOSES": "{}"},
        {"DOMICILE_SERVICE__PORT": "70000"},
        {"DOMICILE_SERVICE__HOSTS": "localhost"},
    ],
)
def test_settings_that_it_refuses(line: CommandLine, given: dict[str, str | None]) -> None:
    """Half of TLS, a class that takes no file, no purpose, no port, an unknown name."""
    result = line("serve", "--json", environment=given)

    assert result.exit_code == Exit.CONFIGURATION
    assert next(iter(given)).rpartition("__")[2].rstrip("S") in result.stdout.upper()


def test_with_tls(line: CommandLine, tmp_path: Path) -> None:
    """A client that knows its authority is served; one that does not is not."""
    authority = Authority(tmp_path, "ours")
    file = authority.certificate("localhost")
    key = key_of(line)
    more = {
        "DOMICILE_SERVICE__HOST": "localhost",
        "DOMICILE_SERVICE__TLS_CERT": str(file),
        "DOMICILE_SERVICE__TLS_KEY": str(file),
    }
    with serving(line, more) as (_, port):
        url, headers = f"https://localhost:{port}/v1/files", {"authorization": f"Bearer {key}"}
        trusting = ssl.create_default_context(cafile=str(authority.root))
        got = httpx.get(url, headers=headers, verify=trusting)
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, headers=headers)

    assert got.status_code == 200


@pytest.mark.deep
def test_memory_stays_the_same_while_a_large_file_passes(line: CommandLine, tmp_path: Path) -> None:
    """256 MiB up and down, in less than 64 MiB more than a small file takes."""
    key = key_of(line)
    with serving(line) as (process, port):
        with OpenAI(api_key=key, base_url=f"http://127.0.0.1:{port}/v1") as client:
            peaks = [pass_file(client, tmp_path / "a", size, process.pid) for size in SIZES]
        process.send_signal(signal.SIGTERM)
        process.communicate()

    assert peaks[1] - peaks[0] < 64 * MIB


def pass_file(client: OpenAI, path: Path, size: int, process: int) -> int:
    """Send a file up and down; return the most memory that the process has had."""
    with path.open("wb") as file:
        for number in range(size // MIB):
            file.write(random.Random(number).randbytes(MIB))
    with path.open("rb") as file:
        made = client.files.create(file=file, purpose="fine-tune")
    with client.files.with_streaming_response.content(made.id) as answer:
        assert sum(map(len, answer.iter_bytes())) == size
    return peak_of(process)


def peak_of(process: int) -> int:
    """Return the most bytes of memory that a process has had."""
    status = Path(f"/proc/{process}/status").read_text()
    (peak,) = (row.split()[1] for row in status.splitlines() if row.startswith("VmHWM"))
    return int(peak) * 1024

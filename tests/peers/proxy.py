"""LiteLLM's proxy, set up as its page says, with an embedded Domicile."""

import http.client
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from storage.testing.harness import memory_directory
from tests.support.pages import DOCS

BIN = Path(__file__).parents[2] / "build/peers/bin"
PAGE = (DOCS / "howto/use-with-litellm.md").read_text()
FILES = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
KEYS = """
from litellm.proxy._types import UserAPIKeyAuth

async def auth(request, api_key):
    return UserAPIKeyAuth(api_key=api_key, org_id=api_key.removeprefix("sk-key-of-"))
"""
AUTH = "general_settings:\n  custom_auth: keys.auth\n"
PATIENCE = 120  # seconds


@dataclass(frozen=True, slots=True)
class Place:
    """A directory with an embedded Domicile, whose tenant is ``acme-eu``."""

    directory: Path

    @property
    def home(self) -> Path:
        """The home of Domicile."""
        return self.directory / "data"

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of its processes: nothing of the caller's but the way to programs."""
        return {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "DOMICILE_HOME": str(self.home),
            "LITELLM_LOCAL_MODEL_COST_MAP": "true",
            "LITELLM_OFFLINE_MODE": "true",
            "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(32)}",
            **more,
        }

    def run(self, *command: str) -> None:
        """Run a command to its end."""
        subprocess.run(command, cwd=self.directory, env=self.environment(), check=True)


@contextmanager
def made_place() -> Iterator[Place]:
    """Make a directory, and an embedded Domicile in it."""
    place = Place(Path(tempfile.mkdtemp(prefix="dom-", dir=memory_directory())))
    place.directory.chmod(0o755)
    try:
        place.run("domicile", "init")
        tenant = ("acme-eu", "--account", "acme", "--home", "eu-central-1", "--residency", "EU")
        place.run("domicile", "tenant", "ensure", *tenant, "--dpa", "2026-01-05")
        yield place
    finally:
        shutil.rmtree(place.directory, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy."""

    port: int
    log: Path

    def chat(self, text: object, **more: object) -> dict[str, Any]:
        """Ask, and return the answer. Raises HTTPError."""
        with opened(self.request(text, **more)) as response:
            found: dict[str, Any] = json.load(response)
            return found

    def refused(self, text: object, **more: object) -> tuple[int, str]:
        """Ask, and return the status and the text of the error."""
        try:
            self.chat(text, **more)
        except HTTPError as error:
            return error.code, error.read().decode()
        raise AssertionError("It was answered.")

    def stream(self, text: object, **more: object) -> str:
        """Ask for a stream, and return all of it."""
        return self.read(text, stream=True, **more)

    def read(self, text: object, **more: object) -> str:
        """Ask, and return what comes. Raises HTTPError."""
        with opened(self.request(text, **more)) as response:
            return response.read().decode()

    def request(self, text: object, **more: object) -> Request:
        """A request for a chat, or to another ``path``, with a ``key`` and ``headers``."""
        key = more.pop("key", "sk-key-of-org-acme")
        headers = more.pop("headers", {})
        assert isinstance(headers, Mapping)
        path = more.pop("path", "chat/completions")
        if path == "chat/completions":
            more["messages"] = [{"role": "user", "content": text}]
        body = {"model": "gpt-x", **more}
        return Request(
            f"http://127.0.0.1:{self.port}/v1/{path}",
            data=json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {key}",
                "content-type": "application/json",
                **headers,
            },
        )


def opened(request: Request) -> http.client.HTTPResponse:
    """Send a request. Raises HTTPError."""
    found: http.client.HTTPResponse = urlopen(request, timeout=60)  # noqa: S310 - loopback
    return found


@contextmanager
def running(place: Place, model: str, *, hook: str | None = None) -> Iterator[Proxy]:
    """Start a proxy with the files of the page; ``hook`` instead of its module."""
    files = dict(FILES.findall(PAGE))
    files["keys.py"] = KEYS
    x, rest = files["config.yaml"].split("litellm_settings:\n")
    y = x.removeprefix("model_list:\n").replace("gpt-x", "gpt-y")
    files["config.yaml"] = f"{x}{y}litellm_settings:\n{rest}{AUTH}"
    if hook is not None:
        files["domicile_hook.py"] = hook
    for name, text in files.items():
        (place.directory / name).write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = place.directory / "proxy.log"
    command = ("litellm", "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port))
    with log.open("wb") as out:
        process = subprocess.Popen(
            (BIN / command[0], *command[1:]),
            cwd=place.directory,
            env=place.environment(MODEL_URL=model, MODEL_KEY="sk-upstream-secret"),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, log)
        yield Proxy(port, log)
    finally:
        process.terminate()
        assert process.wait(60) is not None


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/liveliness")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise AssertionError(log.read_text())

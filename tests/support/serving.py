"""The HTTP service on loopback, in a thread, and the unmodified client of OpenAI."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import httpx2 as httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from storage import DataClass, KeyScope, ServiceSettings
from storage.logs import make_logger
from storage.service import bind, create_app
from storage.service.server import server_of
from storage.testing import Domicile
from tests.support.refusals import all_left

SETTINGS = ServiceSettings(
    port=0,
    purposes={"fine-tune": DataClass.FINE_TUNING_FILE, "batch": DataClass.FINE_TUNING_FILE},
)


@dataclass(frozen=True)
class Service:
    """A running service."""

    domicile: Domicile
    port: int

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def key(self, tenant: str = "acme-eu", scope: KeyScope = KeyScope.WRITE) -> str:
        """Return a new API key."""
        return self.domicile.store.admin.api_keys.create(tenant, scope).secret

    def openai(self, key: str | None = None, **options: Any) -> OpenAI:  # noqa: ANN401
        """Return the client of OpenAI."""
        return OpenAI(api_key=key or self.key(), base_url=f"{self.url}/v1", **options)

    def async_openai(self, key: str | None = None, **options: Any) -> AsyncOpenAI:  # noqa: ANN401
        """Return the same for asyncio."""
        return AsyncOpenAI(api_key=key or self.key(), base_url=f"{self.url}/v1", **options)

    def http(self, key: str | None = None) -> httpx.Client:
        """Return a plain client that sends the key."""
        headers = {"authorization": f"Bearer {key or self.key()}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def connect(self) -> socket.socket:
        """Return a connection, for what no client sends."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


def left(domicile: Domicile) -> list[object]:
    """Return each row and all traces, but for API keys, whose uses are noted."""
    found = all_left(domicile)
    return [one for one in found if not (isinstance(one, tuple) and one[1] == "api_key")]


@contextmanager
def serving(
    domicile: Domicile,
    settings: ServiceSettings = SETTINGS,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Iterator[Service]:
    """Serve the store of a Domicile."""
    app = create_app(domicile.store, settings, make_logger(), entropy=entropy)
    with bind(settings) as listener:
        server = server_of(app, settings)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="service")
        thread.start()
        try:
            yield Service(domicile, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def service(domicile: Domicile) -> Iterator[Service]:
    """A service with one tenant."""
    domicile.tenant()
    with serving(domicile) as made:
        yield made

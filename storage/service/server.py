"""uvicorn, in front of the application: one process, on one socket."""

import os
import socket
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from storage import ServiceSettings, SettingsError
from storage.service.protocol import guarded

_HEADERS: Final = 16 * 1024  # bytes of the headers of a request at most
_END: Final = 30  # seconds for the answers that are being made when the server ends
_CONNECTIONS: Final = 512  # at once; uvicorn answers 503 to more
_QUIET: Final = {  # its lines have the texts of libraries in them
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"uvicorn": {"level": "CRITICAL"}},
}


def bind(settings: ServiceSettings) -> socket.socket:
    """Return the socket that the server listens on. Raises SettingsError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        made = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _unbound(error) from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen()
    except OSError as error:
        made.close()
        raise _unbound(error) from error
    made.setblocking(False)
    return made


def server_of(
    app: ASGIApp,
    settings: ServiceSettings,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
) -> uvicorn.Server:
    """Return the server of an application. Give it the socket of ``bind``."""
    config = uvicorn.Config(
        app,
        http=guarded(settings.client_seconds, entropy),
        ws="none",
        lifespan="on",
        log_config=_QUIET,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        h11_max_incomplete_event_size=_HEADERS,
        timeout_graceful_shutdown=_END,
        limit_concurrency=_CONNECTIONS,
    )
    return uvicorn.Server(config)


def run(
    app: ASGIApp, settings: ServiceSettings, listener: socket.socket, log: FilteringBoundLogger
) -> None:
    """Serve until SIGTERM or SIGINT, then finish the answers that are being made."""
    host, port = listener.getsockname()[:2]
    log.info("service_started", host=host, port=port, tls=settings.tls_cert is not None)
    server_of(app, settings).run(sockets=[listener])
    log.info("service_stopped")


def _unbound(error: OSError) -> SettingsError:
    return SettingsError(
        f"The service cannot listen there: {error.strerror}.",
        advice="Set DOMICILE_SERVICE__HOST and DOMICILE_SERVICE__PORT to an address that is free.",
    )

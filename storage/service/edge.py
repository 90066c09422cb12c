"""The outermost layer: each answer has a request id, and no error leaves without its shape."""

from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from storage import DomicileError
from storage.service.answers import ApiError, answer

REQUEST_ID = "x-request-id"


class Edge:
    """ASGI middleware around all others."""

    def __init__(
        self, app: ASGIApp, *, log: FilteringBoundLogger, entropy: Callable[[int], bytes]
    ) -> None:
        """``entropy`` returns that many random bytes."""
        self._app = app
        self._log = log
        self._entropy = entropy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = new_request_id(self._entropy)
        scope.setdefault("state", {})["request_id"] = number
        started = False

        async def numbered(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (b"x-request-id", number.encode())]
            await send(message)

        try:
            await self._app(scope, receive, numbered)
        except ClientDisconnect:  # nobody is there to be told
            return
        except Exception as error:  # noqa: BLE001 - its text may have content: it goes no further
            told = {"code": error.code} if isinstance(error, DomicileError) else {}
            self._log.exception("request_failed", request=number, **told)
            if not started:  # else the server cuts the connection: the length does not fit
                failed = ApiError(500, "internal_error", "The service has failed. Try again.")
                await answer(failed)(scope, receive, numbered)


def new_request_id(entropy: Callable[[int], bytes]) -> str:
    """Return the id of a request."""
    return f"req_{entropy(16).hex()}"

"""What the service answers when it refuses: errors in the shape of OpenAI's API."""

import re
from collections.abc import Mapping
from typing import Final

from fastapi.responses import JSONResponse

from storage import ApiKeyInvalid, DomicileError, WrongRegion

HOME_HEADER: Final = "domicile-home"
"""The header that names the home region of a tenant that is at home elsewhere."""

_RETRY_AFTER: Final = "1"  # seconds
_ENDED: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


class ApiError(Exception):
    """A request that the service refuses by itself."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """``code``: the stable name of the error. ``param``: the parameter that is wrong."""
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.headers = dict(headers or {})


def answer(error: ApiError) -> JSONResponse:
    """Return the response for an error."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    shown = {
        "message": error.message,
        "type": kind,
        "param": error.param,
        "code": error.code,
    }
    headers = dict(error.headers)
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.status == 409:  # the client of OpenAI repeats what conflicts
        headers["x-should-retry"] = "false"
    if error.status == 503:
        headers.setdefault("retry-after", _RETRY_AFTER)
    return JSONResponse({"error": shown}, error.status, headers)


def of_domicile(error: DomicileError) -> ApiError:
    """Return what a customer is told of an error. What is not about its request, stays here."""
    headers = {}
    message = error.message
    if isinstance(error, WrongRegion):
        headers[HOME_HEADER] = error.home
    if isinstance(error, ApiKeyInvalid):
        return ApiError(error.http_status, "invalid_api_key", message)
    if error.http_status >= 500:
        message = "The service cannot do this now."
        if not error.retryable:
            headers["x-should-retry"] = "false"
    return ApiError(error.http_status, snake(error.code), message, headers=headers)


def snake(code: str) -> str:
    """Return the name of a class as ``wrong_region``."""
    return _ENDED.sub("_", code).lower()

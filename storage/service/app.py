"""The ASGI application of the service."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from storage import AsyncStore, DomicileError, ServiceSettings, Store
from storage.service import files
from storage.service.answers import ApiError, answer, of_domicile
from storage.service.callers import described
from storage.service.edge import Edge
from storage.service.shapes import ErrorBody


def create_app(
    store: Store,
    settings: ServiceSettings,
    log: FilteringBoundLogger,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
) -> FastAPI:
    """Return the application. It leaves the store open.

    ``entropy`` returns that many random bytes, for the ids of requests.
    """

    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncStore(store) as app.state.store:
            yield

    app = FastAPI(
        title="Domicile",
        lifespan=opened,
        docs_url=None,  # they load scripts from a CDN
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Security(described)],
        responses={"4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}},
    )
    _handle_errors(app, log)
    app.add_middleware(Edge, log=log, entropy=entropy)
    app.include_router(files.routes(settings))
    return app


def _handle_errors(app: FastAPI, log: FilteringBoundLogger) -> None:
    @app.exception_handler(ApiError)
    async def refused(_: Request, error: ApiError) -> Response:
        return answer(error)

    @app.exception_handler(DomicileError)
    async def of_store(request: Request, error: DomicileError) -> Response:
        if error.http_status >= 500:
            log.warning(
                "request_failed",
                request=request.state.request_id,
                error=error.code,
                reason=error.message,
            )
        return answer(of_domicile(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        param = str(first["loc"][-1])
        return answer(ApiError(400, "invalid_parameter", f"{param}: {first['msg']}.", param=param))

    @app.exception_handler(HTTPException)
    async def of_framework(_: Request, error: HTTPException) -> Response:
        code, message = _CODES.get(error.status_code, ("invalid_request", error.detail))
        return answer(ApiError(error.status_code, code, message, headers=dict(error.headers or {})))


_CODES = {
    404: ("unknown_url", "The service has no such route."),
    405: ("method_not_allowed", "The route does not have that method."),
}

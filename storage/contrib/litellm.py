"""A hook for the proxy of LiteLLM: each prompt is stored before the model is called.

Import it where the proxy runs: it needs LiteLLM, which no extra of ours brings. See
``DomicileLogger``.
"""

import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

import litellm
from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger
from litellm.litellm_core_utils.redact_messages import should_redact_message_logging

from storage import DomicileError, InvalidRequest, WrongRegion, open_store
from storage.contrib.content import Answer, as_plain, request_of, tokens_of
from storage.contrib.exchanges import Asker, Exchange, Exchanges, Level, Opening

COVERED: Final = frozenset(
    {
        "completion",
        "acompletion",
        "text_completion",
        "atext_completion",
        "responses",
        "aresponses",
        "anthropic_messages",
        "aanthropic_messages",
        "embedding",
        "aembedding",
        "embeddings",
        "image_generation",
        "aimage_generation",
        "moderation",
        "amoderation",
    }
)
"""The calls whose content is JSON. Others, such as sounds and files, pass, and are counted."""

_KEY = "domicile"
_METADATA = ("litellm_metadata", "metadata")
_LOG = logging.getLogger(__name__)


class Key(Protocol):
    """What LiteLLM knows of the key of a request: its ``UserAPIKeyAuth``."""

    org_id: str | None
    team_id: str | None
    end_user_id: str | None


class _Begun(dict[str, object]):
    """What a request carries from hook to hook, once. It is no JSON, so no client can send one.

    The proxy copies requests: all copies carry the same.
    """

    exchange: Exchange | None = None

    def __deepcopy__(self, memo: object) -> "_Begun":
        return self

    def __copy__(self) -> "_Begun":
        return self


class DomicileLogger(CustomLogger):  # type: ignore[misc] # its types are not checked here
    """Stores prompts and answers that pass the proxy of LiteLLM.

    The prompt is durable before the model is called, the answer before the client has it; of a
    stream, before it ends. The tenant is the organization of the key, or else its team; the subject
    is the end user, the group the session. What a client or an operator marks ``no-log`` is not
    stored, and of what is redacted there is an event without content.

    Name an instance in ``litellm_settings.callbacks``. Not one of a subclass: LiteLLM calls only
    what the class itself defines.
    """

    def __init__(
        self,
        *,
        level: Level | str = Level.FULL,
        tenants: Mapping[str, str] | str | None = None,
        fail_closed: bool = True,
        opening: Opening = open_store,
    ) -> None:
        """``level``: what is stored. ``opening`` opens the store at the first request.

        ``tenants``: the tenant of each organization or team, by its id, or one tenant for all;
        None: they have the same ids. ``fail_closed``: a request that cannot be stored fails;
        otherwise it passes, and ``missed`` counts it by the code of the error.
        """
        super().__init__()
        self._level = Level(level)
        self._tenants = tenants
        self._fail_closed = fail_closed
        self._exchanges = Exchanges(opening)
        self.missed: Counter[str] = Counter()

    def __init_subclass__(cls) -> None:
        """Raise TypeError: LiteLLM would not call what a subclass inherits."""
        raise TypeError("LiteLLM calls no inherited hooks: use DomicileLogger itself.")

    async def async_pre_call_hook(
        self, user_api_key_dict: Key, cache: object, data: dict[str, Any], call_type: str
    ) -> None:
        """Store the prompt. Raises HTTPException if it cannot be stored, unless it may pass."""
        metadata = _metadata(data)
        metadata.pop(_KEY, None)
        with self._guarded():
            level = self._level_of(data)
            if level is Level.NONE:
                return
            if call_type not in COVERED:
                self._miss("not_covered")
                return
            begun = _Begun()
            begun.exchange = await self._exchanges.begin(
                self._asker(user_api_key_dict, data, metadata),
                level,
                call=str(data.get("litellm_call_id")),
                request=request_of(data),
                facts={"model": str(data.get("model")), "call_type": call_type},
            )
            metadata[_KEY] = begun

    async def async_post_call_success_hook(
        self, data: dict[str, Any], user_api_key_dict: object, response: object
    ) -> None:
        """Store the answer. Raises HTTPException if it cannot be stored, unless it may pass."""
        exchange = _taken(data)
        if exchange is not None:
            with self._guarded():
                await self._end(exchange, as_plain(response))

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: object, response: AsyncIterable[Any], request_data: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Yield an answer piece by piece, and store it before it ends.

        If the client leaves or the model fails, what was given is stored, marked incomplete. Raises
        what ``Tenant.put`` raises, unless the answer may pass: the proxy makes an event of it,
        whereas an HTTPException would cut the connection.
        """
        exchange = _taken(request_data)
        answer = Answer()
        try:
            async for piece in response:
                if exchange is not None:
                    with self._guarded(begun=True):
                        answer.add(piece)
                yield piece
        except BaseException as error:
            if exchange is not None:
                await self._failed(exchange, answer.value(), error)
            raise
        if exchange is not None:
            with self._guarded(begun=True):
                await self._end(exchange, answer.value())

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,
        user_api_key_dict: object,
        traceback_str: str | None = None,
    ) -> None:
        """Note that there was no answer, and the kind of error: its text can hold content.

        It is called when the request has failed; ``async_log_failure_event`` is called for each
        attempt, and another model may answer after it.
        """
        exchange = _taken(request_data)
        if exchange is not None:
            await self._failed(exchange, None, original_exception)

    async def _end(self, exchange: Exchange, answer: object) -> None:
        await self._exchanges.end(exchange, answer, facts=tokens_of(answer))

    async def _failed(self, exchange: Exchange, answer: object, error: BaseException) -> None:
        """Store what there is of an answer. The request has failed already: raises nothing."""
        facts = {"error": type(error).__name__, "status": getattr(error, "status_code", None)}
        try:
            await self._exchanges.end(exchange, answer, facts=facts, incomplete=True)
        except Exception as failure:  # noqa: BLE001 - an error of the content says what it is
            self._miss(_as_ours(failure).code)

    def _asker(self, key: Key, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> Asker:
        owner = next((one for one in (key.org_id, key.team_id) if one), None)
        tenant = owner
        if isinstance(self._tenants, str):
            tenant = self._tenants
        elif self._tenants is not None:
            tenant = self._tenants.get(owner or "")
        if not tenant:
            raise InvalidRequest(
                "The key has no organization or team that is a tenant.",
                advice="Give the key a team, or name its tenant in tenants=.",
            )
        session = data.get("litellm_session_id") or metadata.get("session_id")
        return Asker(tenant, _name(key.end_user_id or data.get("user")), _name(session))

    def _level_of(self, data: Mapping[str, Any]) -> Level:
        if data.get("no-log") is True and not litellm.global_disable_no_log_param:
            return Level.NONE
        if self._level is Level.FULL and _redacted(data):
            return Level.METADATA_ONLY
        return self._level

    @contextmanager
    def _guarded(self, *, begun: bool = False) -> Iterator[None]:
        """Let the request fail if it cannot be stored, or pass and be counted.

        ``begun``: the client has a part of the answer.
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001 - an error of the content quotes it
            ours = _as_ours(error)
            self._miss(ours.code)
            if not self._fail_closed:
                return
            failed = ours if begun else _told(ours)
            raise failed from (error if error is ours else None)

    def _miss(self, code: str) -> None:
        self.missed[code] += 1
        _LOG.warning("domicile_not_stored: %s", code)


def _as_ours(error: Exception) -> DomicileError:
    """Return the error, or in the place of another one what can be told without its content."""
    if isinstance(error, DomicileError):
        return error
    return InvalidRequest(
        f"The request or the answer cannot be stored ({type(error).__name__}).",
        advice="Store it by the API instead.",
    )


def _told(error: DomicileError) -> HTTPException:
    """Return what the client is told. OpenAI's client repeats what is 409 or 500 and more."""
    status = 503 if error.retryable else error.http_status
    if status in {404, 409, 410} or (status == 421 and not isinstance(error, WrongRegion)):
        status = 400
    return HTTPException(
        status_code=status,
        detail={"error": f"It was not stored, so it failed: {error.code}: {error.message}"},
        headers={} if error.retryable else {"x-should-retry": "false"},
    )


def _redacted(data: Mapping[str, Any]) -> bool:
    """Return whether LiteLLM would redact it. A client may send one of the two mappings."""
    turned_off = {"turn_off_message_logging": data.get("turn_off_message_logging")}
    return any(
        should_redact_message_logging(
            {
                "litellm_params": {"metadata": data.get(name) or {}},
                "standard_callback_dynamic_params": turned_off,
            }
        )
        for name in _METADATA
    )


def _metadata(data: dict[str, Any]) -> dict[str, Any]:
    """Return where the proxy keeps what it knows of a request."""
    for name in _METADATA:
        if isinstance(data.get(name), dict):
            found: dict[str, Any] = data[name]
            return found
    made: dict[str, Any] = data.setdefault("litellm_metadata", {})
    return made


def _taken(data: Mapping[str, Any]) -> Exchange | None:
    """Return the exchange of a request whose answer nobody has stored, and take it from there."""
    for name in _METADATA:
        metadata = data.get(name)
        if isinstance(metadata, dict) and isinstance(metadata.get(_KEY), _Begun):
            begun: _Begun = metadata[_KEY]
            exchange, begun.exchange = begun.exchange, None
            return exchange
    return None


def _name(given: object) -> str | None:
    return given if isinstance(given, str) and given else None

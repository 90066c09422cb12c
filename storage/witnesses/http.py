"""A witness that speaks c2sp.org/tlog-witness: one ``POST <url>/add-checkpoint``, not repeated."""

from collections.abc import Sequence
from typing import Final, NoReturn
from urllib.parse import urlsplit

from regions.witnesses import WitnessSpec
from storage.errors import (
    CosignatureInvalid,
    LogInvalid,
    WitnessAhead,
    WitnessBehind,
    WitnessRefused,
    WitnessUnavailable,
)
from storage.exchange import Response, Unanswered, exchange
from storage.ports import Clock
from storage.tlog.checkpoints import Checkpoint
from storage.tlog.notes import parse_note
from storage.tlog.verifiers import Verifier
from storage.tlog.witnessing import encode_request, read_cosignature, read_size

_TIMEOUT: Final = 5.0  # seconds
_LARGEST: Final = 16 * 1024  # bytes of an answer
_RETRY_LATER: Final = frozenset({408, 425, 429})  # a valid request at the wrong time


class HttpWitness:
    """The way to one witness. Safe to use from many threads: requests share no state."""

    def __init__(self, spec: WitnessSpec, *, clock: Clock, timeout: float = _TIMEOUT) -> None:
        """``timeout``: seconds for one request, from the name of the host to the last byte."""
        self._spec, self._clock, self._timeout = spec, clock, timeout
        self._url, self._verifier = urlsplit(spec.url), Verifier.parse(spec.key)

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def required(self) -> bool:
        return self._spec.required

    def cosign(self, old_size: int, proof: Sequence[bytes], checkpoint: str) -> str:
        response = self._ask(encode_request(old_size, proof, checkpoint))
        size = Checkpoint.parse(parse_note(checkpoint.encode()).text).size
        self._check(response, old_size, size)
        try:
            now = int(self._clock.now().timestamp())
            return read_cosignature(response.body, checkpoint, self._verifier, now=now)
        except LogInvalid as error:
            raise CosignatureInvalid(self.name, f"It is not believed: {error.message}") from error

    def _ask(self, body: bytes) -> Response:
        try:
            return exchange(
                "POST",
                self._url,
                self._url.path.rstrip("/") + "/add-checkpoint",
                body=body,
                headers={"Content-Type": "text/plain; charset=utf-8"},
                timeout=self._timeout,
                most=_LARGEST,
            )
        except Unanswered as error:
            late = "It did not respond in time." if error.late else ""
            raise WitnessUnavailable(self.name, late) from error

    def _check(self, response: Response, old_size: int, size: int) -> None:
        """Raise the error that a status means."""
        if len(response.body) > _LARGEST:
            raise CosignatureInvalid(self.name, "Its answer is too large.")
        status, what = response.status, f"It answered {response.status}."
        if status == 200:
            return
        if status == 409:
            self._behind(response.body, old_size, size)
        if 300 <= status < 400:
            raise WitnessRefused(self.name, f"{what} Redirects are not followed.")
        if 400 <= status < 500 and status not in _RETRY_LATER:
            raise WitnessRefused(self.name, what)
        raise WitnessUnavailable(self.name, what)

    def _behind(self, body: bytes, old_size: int, size: int) -> NoReturn:
        try:
            seen = read_size(body)
        except LogInvalid as error:
            what = f"It answered 409: {error.message}"
            raise WitnessUnavailable(self.name, what) from error
        if seen == old_size:
            raise WitnessUnavailable(self.name, "It answered 409 with the size that it was sent.")
        if seen > size:
            raise WitnessAhead(self.name, seen)
        raise WitnessBehind(self.name, seen)

"""One bucket. Every request to it goes through this class."""

import math
import re
import threading
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar, cast

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader, create_loader
from botocore.session import get_session

from regions.endpoints import is_aws, is_loopback
from storage.backends.s3 import S3Credentials, allowance, responses
from storage.backends.s3.allowance import Allowance
from storage.backends.s3.failures import meaning
from storage.backends.s3.lock import RegionLock, check_url
from storage.errors import (
    BackendError,
    BackendMisplaced,
    BackendTimeout,
    BackendUnavailable,
    ConfigurationError,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")

# The shares of an attempt's time. A timeout of boto3 limits one wait, of which there are many: to
# connect, for each piece of the body, for the response. So the body has a deadline of its own,
# after which its last piece may take as long as connecting.
_CONNECT, _SEND, _ANSWER = 1 / 6, 1 / 3, 1 / 2
_LONGEST = 16 * 1024 * 1024  # bytes of a response that contains no object
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # not an ARN: any region
_NO_LOCKS = ("MethodNotAllowed", "NotImplemented", "ObjectLockConfigurationNotFoundError")
_LEGACY_LOCATIONS = {"": "us-east-1", "EU": "eu-west-1"}


class Bucket:
    """A bucket in a region. ``backend`` is the name that errors show.

    ``timeout`` (seconds) is for requests without a timeout of their own; ``clock`` returns
    monotonic seconds. Without ``credentials`` boto3 searches for some.

    Raises ConfigurationError for a URL that is neither https nor on loopback, or an invalid bucket
    name. Sends no request.
    """

    def __init__(
        self,
        backend: str,
        bucket: str,
        region: str,
        *,
        endpoint_url: str | None,
        credentials: S3Credentials | None,
        timeout: float,
        clock: Callable[[], float],
    ) -> None:
        if endpoint_url is not None:
            check_url(backend, endpoint_url)
        if not _BUCKET.fullmatch(bucket) or bucket.endswith("--x-s3"):
            raise ConfigurationError(f"{backend}: invalid bucket name")
        self.backend, self.name, self.timeout = backend, bucket, timeout
        self._region, self._endpoint_url, self._credentials = region, endpoint_url, credentials
        self._clock, self._allowance = clock, Allowance(clock)
        self._lock = threading.Lock()
        self._session = get_session()
        self._session.register_component("data_loader", _loader())
        self._clients: dict[float, S3Client] = {}
        self._in_place = False
        self._locks: bool | None = None

    def ask(
        self,
        call: "Callable[[S3Client], T]",
        *,
        timeout: float | None = None,
        longest: int = _LONGEST,
    ) -> T:
        """Return the response to a request that stores nothing. Raises BackendError.

        ``timeout`` (seconds) is for the whole call, ``longest`` for the bytes of the response:
        read it within ``call``.
        """
        return self._send(call, timeout or self.timeout, writes=False, longest=longest)

    def write(self, call: "Callable[[S3Client, float], T]", *, timeout: float) -> T:
        """Return the response to a request that stores something, sent once.

        ``call`` gets the client and the seconds that are left. Before the first write, the location
        of the bucket is checked. Raises BackendTimeout if the outcome is unknown, another
        BackendError if nothing was stored.
        """
        timeout = self.in_place(timeout)
        return self._send(lambda s3: call(s3, timeout), timeout, writes=True)

    def in_place(self, timeout: float) -> float:
        """Check the location once. Return what is left of ``timeout`` seconds for the next request.

        Raises what ``check_place`` raises.
        """
        if not self._in_place:
            before = self._clock()
            self.check_place(timeout=timeout / 2)
            timeout -= self._clock() - before
        return timeout

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is on this machine, so that no request crosses a network."""
        return self._endpoint_url is not None and is_loopback(self._endpoint_url)

    @property
    def is_aws(self) -> bool:
        """Whether the endpoint is one of AWS."""
        return self._endpoint_url is None or is_aws(self._endpoint_url)

    def countdown(self, timeout: float) -> Callable[[], float]:
        """Return what tells the seconds that are left of a time for several writes.

        It raises BackendTimeout if none are: what was sent before may still take effect.
        """
        end = self._clock() + timeout

        def left() -> float:
            seconds = end - self._clock()
            if seconds <= 0:
                raise BackendTimeout(self.backend, "its responses took too long")
            return seconds

        return left

    def sending(self, data: bytes, timeout: float) -> "TimedBody":
        """Return a body that an attempt which starts now sends in time, or not at all."""
        return TimedBody(data, self._clock, self._clock() + timeout * _SEND)

    def check_place(self, *, timeout: float | None = None) -> None:
        """Raise BackendMisplaced if the bucket is not where the topology says.

        Raises another BackendError if the location is unknown; never BackendTimeout, as nothing was
        stored.
        """
        self._in_place = False
        try:
            answer = self.ask(lambda s3: s3.get_bucket_location(Bucket=self.name), timeout=timeout)
        except BackendTimeout:
            raise BackendUnavailable(
                self.backend, "it does not report the location of its bucket"
            ) from None
        constraint: str | None = answer.get("LocationConstraint")
        found = constraint or ""
        if _LEGACY_LOCATIONS.get(found, found) != self._region:
            raise BackendMisplaced(self.backend, f"its bucket is not in {self._region}")
        self._in_place = True

    def has_locks(self) -> bool:
        """Return whether object lock is enabled; requested once. Servers may not support it."""
        if self._locks is None:
            self._locks = self.ask(self._request_locks)
        return self._locks

    def _request_locks(self, s3: "S3Client") -> bool:
        try:
            answer = s3.get_object_lock_configuration(Bucket=self.name)
        except ClientError as error:
            if error.response["Error"].get("Code") in _NO_LOCKS:
                return False
            raise
        return answer["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def _send(
        self,
        call: "Callable[[S3Client], T]",
        timeout: float,
        *,
        writes: bool,
        longest: int = _LONGEST,
    ) -> T:
        with self._allowance.of(timeout, longest):
            try:
                return call(self._client(timeout))
            except BackendError:
                raise
            except Exception as error:  # noqa: BLE001 - botocore lets any through
                failure = meaning(self.backend, error, writes=writes, late=self._allowance.exceeded)
        raise failure  # outside the handler: the text of boto3's error has the URL, and so the key

    def _client(self, timeout: float) -> "S3Client":
        """Return a client whose attempts end in time. Similar timeouts share a client."""
        rounded = 2.0 ** (math.floor(4 * math.log2(max(timeout, 0.1))) / 4)
        with self._lock:
            if rounded not in self._clients:
                self._clients[rounded] = self._new_client(rounded)
            return self._clients[rounded]

    def _new_client(self, timeout: float) -> "S3Client":
        own = self._credentials
        token = own.session_token if own else None
        made = self._session.create_client(
            "s3",
            region_name=self._region,
            endpoint_url=self._endpoint_url,
            aws_access_key_id=own.access_key.get_secret_value() if own else None,
            aws_secret_access_key=own.secret_key.get_secret_value() if own else None,
            aws_session_token=token.get_secret_value() if token else None,
            config=Config(**self._options(timeout)),
        )
        client = cast("S3Client", made)
        check_url(self.backend, client.meta.endpoint_url)
        RegionLock(self.backend, self.name, self._region).install(client)
        responses.install(client)
        allowance.install(client, self._allowance)
        return client

    def _options(self, timeout: float) -> dict[str, Any]:
        return {
            "signature_version": "s3v4",
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "connect_timeout": timeout * _CONNECT,
            "read_timeout": timeout * _ANSWER,
            "max_pool_connections": 64,
            # Ceph refuses the checksums that boto3 would add; we send Content-MD5
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            # configuration for other programs must not choose the destination
            "ignore_configured_endpoint_urls": True,
            "proxies": {} if self.is_local else None,
            "s3": {
                "addressing_style": "virtual" if self._endpoint_url is None else "path",
                "us_east_1_regional_endpoint": "regional",
                "use_accelerate_endpoint": False,
                "use_arn_region": False,
            },
        }


class TimedBody(BytesIO):
    """A body that cannot be read after its deadline.

    A slow server then has a part of the body, and creates no object from a part.
    """

    def __init__(self, data: bytes, clock: Callable[[], float], end: float) -> None:
        super().__init__(data)
        self._clock, self._end = clock, end

    def read(self, size: int | None = -1, /) -> bytes:
        """Read; raise TimeoutError after the deadline."""
        if self._clock() >= self._end:
            raise TimeoutError("the body was not sent in time")
        return super().read(size)


@cache
def _loader() -> Loader:
    """Return botocore's descriptions of AWS, read once instead of once per bucket."""
    return create_loader()

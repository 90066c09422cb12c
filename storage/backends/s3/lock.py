"""The region lock: no request goes to a host that the topology does not name.

boto3 follows a redirect into another region by itself, body included, and reports success. One of
the guards relies on a private class of botocore; the tests of the region lock fail if a new version
gets past it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest

from regions.endpoints import is_loopback
from storage.errors import BackendMisplaced, ConfigurationError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_REDIRECTS = (301, 302, 307, 308)


def check_url(backend: str, url: str) -> None:
    """Raise ConfigurationError unless the URL is https, or on this machine."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ConfigurationError(f"{backend}: endpoint_url must not contain credentials")
    if not parts.hostname or parts.scheme not in {"https", "http"}:
        raise ConfigurationError(f"{backend}: endpoint_url is not a URL")
    if parts.scheme != "https" and not is_loopback(url):
        raise ConfigurationError(
            f"{backend}: endpoint_url is not https", advice="Only loopback may use http."
        )


class RegionLock:
    """Restricts the requests of a client to one bucket in one region."""

    def __init__(self, backend: str, bucket: str, region: str) -> None:
        self._backend, self._bucket, self._region = backend, bucket, region
        self._hosts: frozenset[str] = frozenset()

    def install(self, client: "S3Client") -> None:
        """Guard every later request of the client."""
        own = urlsplit(client.meta.endpoint_url).netloc
        self._hosts = frozenset({own, f"{self._bucket}.{own}"})
        events = client.meta.events
        events.register_first("before-send.s3", self._check_host)
        events.register_first("needs-retry.s3", self._mark_redirected)
        events.register_first("before-parse.s3", self._check_answer)

    def _check_host(self, request: AWSPreparedRequest, **_: object) -> None:
        if urlsplit(request.url).netloc not in self._hosts:
            raise BackendMisplaced(self._backend, "it redirects to another host")

    def _mark_redirected(self, request_dict: dict[str, Any], **_: object) -> None:
        # botocore's S3RegionRedirectorv2 follows one redirect per request, and asks HeadBucket for
        # the target if the response does not have it. It takes this request for redirected already.
        request_dict["context"].setdefault("s3_redirect", {})["redirected"] = True

    def _check_answer(self, response_dict: Mapping[str, Any], **_: object) -> None:
        elsewhere = response_dict["headers"].get("x-amz-bucket-region", self._region)
        if elsewhere != self._region:
            raise BackendMisplaced(self._backend, f"its bucket is not in {self._region}")
        if response_dict["status_code"] in _REDIRECTS:
            raise BackendMisplaced(self._backend, "it redirects elsewhere")

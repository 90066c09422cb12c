"""Day keys that a KMS key wraps: ``Encrypt`` and ``Decrypt``, with an encryption context.

A wrapped key is one byte, 0, which no version of a key file is, and the blob of KMS.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.loaders import Loader, create_loader
from botocore.session import get_session

from regions.endpoints import is_kms_endpoint, is_loopback
from storage.crypto.kms import KmsKey
from storage.crypto.record import KEY_SIZE
from storage.errors import DomicileError, KeyUnavailable, SettingsError, Unavailable
from storage.ports import RootKeys

VERSION: Final = 0
"""What a key that KMS wrapped begins with. A key file has versions 1 to 255."""

_WRONG: Final = ("IncorrectKeyException", "InvalidCiphertextException")
_SHUT: Final = (  # only a person can mend these
    "AccessDeniedException",
    "DisabledException",
    "ExpiredTokenException",  # boto3 renews by itself what it can
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidKeyUsageException",
    "KMSInvalidStateException",  # also a key that waits for its deletion
    "NotFoundException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
_NO_CREDENTIALS: Final = (
    boto.CredentialRetrievalError,
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.TokenRetrievalError,
)
_SECONDS: Final = 1.0  # for each of: connect, answer. Two attempts fit into a call of a service


class KmsRootKeys:
    """The root keys of one region, in a KMS key. Implements ``storage.ports.RootKeys``.

    Safe to use from many threads. Every call is a request to KMS, which repeats it once: both calls
    change nothing there. A request goes to the endpoint of the key's region and nowhere else.
    """

    def __init__(
        self, given: KmsKey, *, region: str, aws_region: str, older: RootKeys | None = None
    ) -> None:
        """``older`` opens what a key file wrapped before. Sends no request."""
        self._key = given.key
        self._region = region
        self._older = older
        self._client = _client(given, aws_region)

    def __repr__(self) -> str:
        return f"KmsRootKeys(region={self._region!r}, key={self._key!r})"

    @property
    def current(self) -> int:
        return VERSION

    def wrap(self, key: bytes, context: bytes) -> bytes:
        if len(key) != KEY_SIZE:
            raise ValueError("keys have 32 bytes")
        told = self._context(context)
        answer = self._ask(
            lambda: self._client.encrypt(KeyId=self._key, Plaintext=key, EncryptionContext=told)
        )
        return bytes([VERSION]) + self._part(answer, "CiphertextBlob")

    def unwrap(self, sealed: bytes, context: bytes) -> bytes:
        if sealed[:1] != bytes([VERSION]):
            if self._older is None or not sealed:
                raise KeyUnavailable("The KMS key did not wrap this key.")
            return self._older.unwrap(sealed, context)
        told, blob = self._context(context), sealed[1:]
        if not blob:
            raise KeyUnavailable("A wrapped key has the wrong size.")
        answer = self._ask(
            lambda: self._client.decrypt(
                KeyId=self._key, CiphertextBlob=blob, EncryptionContext=told
            )
        )
        key = self._part(answer, "Plaintext")
        if answer.get("KeyId") != self._key or len(key) != KEY_SIZE:
            raise KeyUnavailable("The KMS key did not wrap this key for this use.")
        return key

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _context(self, context: bytes) -> dict[str, str]:
        """Return what KMS binds the key to, and logs: the region, what it is for, and its id."""
        use, object_id = context[:-16], context[-16:]
        return {"region": self._region, "use": use.decode("ascii").strip(), "id": object_id.hex()}

    def _part(self, answer: dict[str, Any], name: str) -> bytes:
        found = answer.get(name)
        if not isinstance(found, bytes):
            raise Unavailable(f"KMS gave an invalid answer for {self._region}.")
        return found

    def _ask(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return call()
        except DomicileError:
            raise
        except Exception as error:  # noqa: BLE001 - botocore lets any through
            failure = _meaning(self._region, error)
        raise failure  # outside the handler: the text of boto3's error may have what was sent


def _client(given: KmsKey, aws_region: str) -> Any:  # noqa: ANN401 - the stubs of KMS are not there
    secrets = (given.access_key, given.secret_key, given.session_token)
    access, secret, token = (one.get_secret_value() if one else None for one in secrets)
    local = given.endpoint_url is not None and is_loopback(given.endpoint_url)
    session = get_session()
    session.register_component("data_loader", _loader())
    client: Any = session.create_client(
        "kms",
        region_name=aws_region,
        endpoint_url=given.endpoint_url,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(**_options(local=local)),
    )
    if not is_kms_endpoint(client.meta.endpoint_url, aws_region):
        raise SettingsError(f"KMS has no endpoint in {aws_region} that this version knows.")
    own = urlsplit(client.meta.endpoint_url).netloc

    def check_host(request: AWSPreparedRequest, **_: object) -> None:
        if urlsplit(request.url).netloc != own:
            raise Unavailable("KMS redirects to another host, which is asked nothing.")

    client.meta.events.register_first("before-send.kms", check_host)
    return client


@cache
def _loader() -> Loader:
    """Return botocore's descriptions of AWS, read once."""
    return create_loader()


def _options(*, local: bool) -> dict[str, Any]:
    return {
        "signature_version": "v4",
        "retries": {"total_max_attempts": 2, "mode": "standard"},
        "connect_timeout": _SECONDS,
        "read_timeout": _SECONDS,
        "max_pool_connections": 64,
        # configuration for other programs must not choose the destination
        "ignore_configured_endpoint_urls": True,
        "proxies": {} if local else None,
    }


def _meaning(region: str, error: Exception) -> DomicileError:
    """Return our error. It has KMS's code, and not its message, which may quote the request."""
    if isinstance(error, boto.ClientError):
        return _of_code(region, error.response.get("Error", {}).get("Code", ""))
    if isinstance(error, _NO_CREDENTIALS):
        return _shut(region, "there are no credentials for KMS")
    return Unavailable(f"KMS gave no answer for {region} ({type(error).__name__}).")


def _of_code(region: str, code: str) -> DomicileError:
    shown = code if re.fullmatch(r"[A-Za-z]{1,64}", code) else "-"
    if code in _WRONG:
        return KeyUnavailable("The KMS key did not wrap this key for this use.")
    if code in _SHUT:
        return _shut(region, f"KMS answers {shown}")
    return Unavailable(f"KMS answers {shown} for {region}.")


def _shut(region: str, what: str) -> KeyUnavailable:
    error = KeyUnavailable(
        f"The KMS key of {region} cannot be used: {what}.",
        advice="Correct the state of the key, its policy, or the credentials.",
    )
    error.retryable = False
    return error

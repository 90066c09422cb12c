"""KMS over HTTP on loopback, from moto."""

import json
import threading
from collections.abc import Callable

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.request import Request as MotoRequest
from moto.kms.models import kms_backends
from moto.kms.responses import KmsResponse
from pydantic import SecretStr

from storage.crypto.kms import KmsKey
from storage.testing.s3 import Answer, LoopbackServer, Request

AWS_REGION = "eu-central-1"


class KmsServer(LoopbackServer):
    """The KMS of moto. ``instead`` may respond to a request; None passes it to moto."""

    def __init__(self) -> None:
        super().__init__(self._from_moto)
        self.instead: Callable[[Request], Answer | None] = lambda _: None
        self._one_at_a_time = threading.Lock()  # moto does not expect threads
        made = kms_backends[DEFAULT_ACCOUNT_ID][AWS_REGION].create_key(
            None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "a root key", None
        )
        self.arn: str = made.arn

    def key(self) -> KmsKey:
        """Return the settings of its key."""
        secret = SecretStr("a secret that moto ignores")
        return KmsKey(
            key=self.arn,
            endpoint_url=self.url,
            access_key=SecretStr("AKIAIOSFODNN7EXAMPLE"),
            secret_key=secret,
        )

    def _from_moto(self, request: Request) -> Answer:
        if answer := self.instead(request):
            return answer
        host = f"kms.{AWS_REGION}.amazonaws.com"
        asked = MotoRequest.from_primitives(
            request.method,
            f"https://{host}{request.target}",
            {**request.headers, "Host": host},
            request.body,
        )
        with self._one_at_a_time:
            status, headers, body = KmsResponse.dispatch(asked, asked.raw_url, asked.headers)
        data = body.encode() if isinstance(body, str) else bytes(body)
        return Answer(status, {name: str(value) for name, value in headers.items()}, data)


def refusing(code: str, status: int = 400) -> Callable[[Request], Answer]:
    """Return what answers each request with an error of KMS."""
    body = json.dumps({"__type": code, "message": "- the text of KMS -"}).encode()
    return lambda _: Answer(status, {"Content-Type": "application/x-amz-json-1.1"}, body)

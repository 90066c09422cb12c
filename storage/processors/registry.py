"""The kinds of connector. To add one: a module in this package, and a case here."""

from typing import assert_never

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions.connectors import HttpConnectorSpec, ManualConnectorSpec
from regions.model import SubProcessor
from storage.errors import TopologyError
from storage.model import Entropy
from storage.ports import Clock, Connector
from storage.processors.acknowledgement import public_key
from storage.processors.http import HttpConnector
from storage.processors.manual import ManualConnector


def open_connector(
    company: SubProcessor, *, key: Ed25519PrivateKey, kid: str, clock: Clock, entropy: Entropy
) -> Connector:
    """Return the connector of a processor that has one; ``key`` signs its requests.

    Raises TopologyError if the acknowledgement key of the entry is not a public key.
    """
    spec = company.connector
    assert spec is not None
    match spec:
        case ManualConnectorSpec():
            return ManualConnector(company.name, spec.longest_request)
        case HttpConnectorSpec():
            try:
                acknowledgement_key = public_key(spec.acknowledgement_key)
            except ValueError as error:
                where = f"sub_processors.{company.name}.connector.acknowledgement_key"
                reason = "is not an Ed25519 public key"
                raise TopologyError("sub_processors.toml", where, reason) from error
            return HttpConnector(
                company.name,
                spec.url,
                key=key,
                kid=kid,
                acknowledgement_key=acknowledgement_key,
                longest_request=spec.longest_request,
                clock=clock,
                entropy=entropy,
            )
        case _:
            assert_never(spec)

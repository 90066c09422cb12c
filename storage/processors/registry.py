"""From an entry of the topology to its connector."""

from typing import assert_never

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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
    """The connector of a processor that has one; ``key`` signs what is asked of it.

    Raises TopologyError if its public key is none.
    """
    spec = company.connector
    assert spec is not None
    match spec.kind:
        case "manual":
            return ManualConnector(company.name, spec.longest_request)
        case "http":
            try:
                acknowledged_with = public_key(spec.acknowledgement_key or "")
            except ValueError as error:
                where = f"sub_processors.{company.name}.connector.acknowledgement_key"
                raise TopologyError("sub_processors.toml", where, "is no Ed25519 key") from error
            return HttpConnector(
                company.name,
                spec.url or "",
                key=key,
                kid=kid,
                acknowledged_with=acknowledged_with,
                longest_request=spec.longest_request,
                clock=clock,
                entropy=entropy,
            )
        case _:
            assert_never(spec.kind)

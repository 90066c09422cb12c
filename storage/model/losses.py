"""Storage of backends that is lost for ever."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Loss:
    """Storage that is lost, as ``actor`` attests, with the SHA-256 of a document.

    ``identity``: which storage of the backend it was.
    """

    backend: str
    identity: UUID
    lost: datetime
    actor: str
    document: str

"""A processor that people deal with: they carry the copy, and record the word that it is gone."""

from datetime import timedelta
from uuid import UUID

from storage.ports import Acknowledgement


class ManualConnector:
    """Sends nothing anywhere, and knows of no deletion: a person records it.

    Who calls ``Tenant.hand_over`` gets the content. What is to be deleted is listed by ``domicile
    processor copies``; ``domicile processor attest`` ends it.
    """

    def __init__(self, name: str, longest_request: timedelta) -> None:
        self._name = name
        self._longest_request = longest_request

    @property
    def name(self) -> str:
        return self._name

    @property
    def longest_request(self) -> timedelta:
        return self._longest_request

    def deliver(self, copy: UUID, content: bytes, *, timeout: float) -> None:
        """Nothing: the caller takes it there."""

    def request_deletion(self, copy: UUID) -> None:
        """Nothing: a person asks."""

    def confirm(self, copy: UUID) -> Acknowledgement | None:
        """None: only a person knows."""
        return None

"""The kinds of connector to a processor: one class each, with the fields of its kind."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from regions.fields import Model, SafeUrl

LONGEST_COPY_DAYS = 30
"""The most days that a processor may have a copy, whatever it is a copy of."""


class _Spec(Model):
    """What every kind has: how long a deletion takes, and how long a copy may live."""

    lead_hours: int = Field(ge=0)  # how long the processor takes to delete, once asked
    max_days: int = Field(default=LONGEST_COPY_DAYS, ge=1, le=LONGEST_COPY_DAYS)
    # how long after its deadline an abandoned delivery may still be carried out
    longest_request_minutes: int = Field(default=16, ge=0, le=1440)

    @property
    def lead(self) -> timedelta:
        """How long before a copy must be gone its deletion is requested, at the latest."""
        return timedelta(hours=self.lead_hours)

    @property
    def longest(self) -> timedelta:
        """The longest time that the processor may have a copy."""
        return timedelta(days=self.max_days)

    @property
    def longest_request(self) -> timedelta:
        """How long after its deadline an abandoned delivery may still be carried out."""
        return timedelta(minutes=self.longest_request_minutes)


class HttpConnectorSpec(_Spec):
    """A processor with an HTTP interface.

    docs/howto/add-a-sub-processor.md says which requests it must answer.
    """

    kind: Literal["http"] = "http"
    url: SafeUrl  # copies are below it
    # the Ed25519 key that signs its acknowledgements, as the ``x`` of a JWK (RFC 8037)
    acknowledgement_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


class ManualConnectorSpec(_Spec):
    """A processor to which people take copies, and whose deletions people record."""

    kind: Literal["manual"] = "manual"


ConnectorSpec = Annotated[HttpConnectorSpec | ManualConnectorSpec, Field(discriminator="kind")]
"""How a processor gets copies and deletes them. ``kind`` says which class it is."""

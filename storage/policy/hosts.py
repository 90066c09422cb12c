"""Decide whether a topology leaves each backend with the company that has the bytes.

A backend belongs to one company for as long as its region exists. Another company has other
machines, so what is there would be said to be where it is not.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from storage.errors import DOCUMENTATION, BackendReassigned
from storage.model.listing import Listed, PartKind


@dataclass(frozen=True, slots=True)
class Reassigned:
    """A backend that a topology gives to another company than the one that the catalog knows."""

    backend: str
    stated: str
    known: str

    def error(self, region: str) -> BackendReassigned:
        """Return the error for the catalog of a region."""
        return BackendReassigned(
            f"The topology gives {self.backend} to {self.stated}, but the catalog of {region} "
            f"knows it as a backend of {self.known}: what was stored there is there still.",
            advice=f"Set its sub_processor back to {self.known}. For {self.stated} declare a new "
            f"backend with a new name, and let {self.backend} retire. "
            f"See {DOCUMENTATION}howto/retire-a-backend/",
        )


def hosts(companies: Iterable[Listed], region: str) -> Iterator[tuple[str, str]]:
    """Yield each backend of a region with its company, by a list of companies."""
    for company in companies:
        for part in company.parts:
            if part.region == region and part.kind is PartKind.BACKEND:
                yield part.name, company.name


def reassigned(
    known: Iterable[tuple[str, str]], new: Sequence[Listed], region: str
) -> Iterator[Reassigned]:
    """Yield the backends that a new list gives to another company than any that is known.

    ``known``: backends, each with a company that a topology gave it to.
    """
    before = sorted(known)
    for backend, stated in hosts(new, region):
        for name, company in before:
            if name == backend and company != stated:
                yield Reassigned(backend, stated, company)

"""What must hold of when records are read for return alone."""

from collections.abc import Iterator

from regions.model import Residency
from storage.policy.proof.properties import Property, Violation


def of_return(
    residency: Residency | None, state: str | None, *, alone: bool
) -> Iterator[Violation]:
    """Yield each violation. ``state``: what is amiss with the agreement; None: it is in force."""
    wanted = residency is not None and "dpa" in residency.agreements and state is not None
    if alone is wanted:
        return
    named = "no known residency" if residency is None else f"the residency {residency.name}"
    how = "in force" if state is None else state
    which = Property.RETURN if wanted else Property.USABLE
    yield Violation(
        which,
        f"Records of a tenant with {named}, whose data processing agreement is {how}, would "
        f"{'' if alone else 'not '}be read for return alone.",
    )

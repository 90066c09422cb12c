"""A machine of the roster, and classifiers that remember what they were shown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from storage.client.tenant import BoundTenant
from storage.model import (
    Actor,
    ActorKind,
    Classifier,
    DataClass,
    Flag,
    NewFlag,
    NewRecord,
    PutResult,
    RecordId,
    Screened,
    ScreenFailure,
)
from storage.testing import Domicile
from tests.support.people import enter, person

MILL = Actor("mill", ActorKind.MACHINE, employer="domicile", location="EU")


def machine(domicile: Domicile, tenant: str = "acme-eu", **entry: object) -> BoundTenant:
    """Enter a machine in the roster, and return a tenant bound to it."""
    enter(
        domicile.settings,
        domicile.clock.now(),
        person(MILL.id, **({"kind": ActorKind.MACHINE, "login": None} | entry)),
    )
    return domicile.store.tenant(tenant).bind(MILL)


def put_all(t: BoundTenant, *bodies: bytes) -> list[RecordId]:
    """Put prompts in one go, with their numbers as metadata; return their ids, oldest first."""
    new = [NewRecord(DataClass.PROMPT, body, metadata={"n": n}) for n, body in enumerate(bodies)]
    results = [result for result in t.put_many(new) if isinstance(result, PutResult)]
    assert len(results) == len(bodies)
    return sorted((result.id for result in results), key=lambda i: (i.minted, i.unique))


@dataclass
class Watchful:
    """Flags bodies that contain ``bad``, and remembers what it was shown."""

    shown: list[tuple[bytes, Mapping[str, object]]] = field(default_factory=list)
    then: Callable[[bytes], None] = lambda _: None
    score: float = 0.75

    def __call__(self, body: bytes, metadata: Mapping[str, object]) -> Sequence[NewFlag]:
        """Classify."""
        self.shown.append((body, metadata))
        self.then(body)
        return [NewFlag("abuse/fraud", self.score)] if b"bad" in body else []

    @property
    def bodies(self) -> list[bytes]:
        """The bodies that it was shown, in order."""
        return [body for body, _ in self.shown]

    def as_classifier(self, version: str = "1") -> Classifier:
        """Return it under a name."""
        return Classifier("watchful", version, self)


def flagged(results: Iterable[Screened | ScreenFailure]) -> dict[RecordId, tuple[Flag, ...]]:
    """Return the flags of each record. All of them were screened."""
    found = {}
    for one in results:
        assert isinstance(one, Screened), one
        found[one.id] = one.flags
    return found

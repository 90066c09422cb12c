"""Points at which a test stops a put with a gate."""

from collections.abc import Callable

from storage.errors import BackendError
from storage.model import DataClass
from storage.testing import Domicile, Gate
from tests.support.faults.transactions import ANNOUNCING, CatalogFaults

TWO_DAYS = {DataClass.PROMPT: 2}  # what is written at noon expires at midnight

Stop = Callable[[Domicile, CatalogFaults, Gate], None]


def after_announce(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """Stop after the pack is announced and before any byte is sent."""
    faults.at_commit(ANNOUNCING, after=lambda _: gate.wait())


def during_put(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """Stop when one backend has the bytes and the other is about to get them."""
    domicile.backends["eu-b"].fail_before["put"] = _at(gate)


def after_put(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """Stop when all bytes are stored and nothing is committed."""
    domicile.backends["eu-b"].fail_after["put"] = _at(gate)


def _at(gate: Gate) -> Callable[[str], BackendError | None]:
    """Wait at the gate for packs; let other writes pass."""
    return lambda key: gate.wait() if key.startswith("pack/") else None


STOPS: list[Stop] = [after_announce, during_put, after_put]

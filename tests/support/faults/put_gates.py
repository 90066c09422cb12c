"""Where a put can be stopped: between its steps, with a gate."""

from collections.abc import Callable

from storage.errors import BackendError
from storage.model import DataClass
from storage.testing import Domicile, Gate
from tests.support.faults.transactions import ANNOUNCING, CatalogFaults

TWO_DAYS = {DataClass.PROMPT: 2}  # what is written at noon expires at midnight

Stop = Callable[[Domicile, CatalogFaults, Gate], None]


def after_announce(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """The pack is announced, and nothing of it is sent."""
    faults.at_commit(ANNOUNCING, after=lambda _: gate.wait())


def during_put(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """One backend has the bytes, the other is about to get them."""
    domicile.backends["eu-b"].fail_before["put"] = _at(gate)


def after_put(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """All bytes are there, and nothing is committed."""
    domicile.backends["eu-b"].fail_after["put"] = _at(gate)


def _at(gate: Gate) -> Callable[[str], BackendError | None]:
    """Packs wait; what else is written goes on."""
    return lambda key: gate.wait() if key.startswith("pack/") else None


STOPS: list[Stop] = [after_announce, during_put, after_put]

"""Which cosignatures a checkpoint of a region's log needs before it counts."""

from collections.abc import Collection, Iterable

from regions.witnesses import WitnessSpec
from storage.tlog.checkpoints import Trust
from storage.tlog.verifiers import Verifier


def trust_in(log: Verifier, witnesses: Iterable[WitnessSpec]) -> Trust:
    """Return whose signatures on a region's log are relied on; how many of them is not said here.

    Raises InvalidRequest if a witness has the key of the log.
    """
    return Trust((log,), tuple(Verifier.parse(spec.key) for spec in witnesses))


def missing_witnesses(
    witnesses: Iterable[WitnessSpec], cosigned: Collection[Verifier]
) -> tuple[str, ...]:
    """Return the required witnesses of a region that are not among those who cosigned.

    A witness is its public key: the name in a cosignature is not signed.
    """
    public = {each.public for each in cosigned}
    return tuple(spec.name for spec in witnesses if spec.required and spec.public not in public)

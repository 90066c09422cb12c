"""Has witnesses cosign a checkpoint, all at the same time."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from storage.errors import WitnessBehind, WitnessError
from storage.ports import Witness
from storage.tlog.witnessing import add_cosignature

PathFrom = Callable[[int], Sequence[bytes]]
"""Returns the consistency path from a size to that of the checkpoint."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A checkpoint with the cosignatures that came, and why each other witness gave none."""

    checkpoint: str
    cosigned: tuple[str, ...]
    failed: Mapping[str, WitnessError]


def gather(
    witnesses: Sequence[Witness],
    checkpoint: str,
    path_from: PathFrom,
    seen: Mapping[str, int],
    pool: Executor,
) -> Gathered:
    """Ask each of the witnesses, and once more from where it wants the proof.

    ``seen``: the size that each cosigned last, as far as is known. It returns when all have
    answered or failed: leave out those for whom nobody should wait.
    """

    def ask(witness: Witness) -> str | WitnessError:
        try:
            old = seen.get(witness.name, 0)
            try:
                return witness.cosign(old, path_from(old), checkpoint)
            except WitnessBehind as behind:
                return witness.cosign(behind.size, path_from(behind.size), checkpoint)
        except WitnessError as error:
            return error

    failed, cosigned = dict[str, WitnessError](), list[str]()
    for witness, answer in zip(witnesses, pool.map(ask, witnesses), strict=True):
        if isinstance(answer, WitnessError):
            failed[witness.name] = answer
        else:
            checkpoint = add_cosignature(checkpoint, answer)
            cosigned.append(witness.name)
    return Gathered(checkpoint, tuple(cosigned), failed)

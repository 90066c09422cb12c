"""Proofs that a line is in the region's log (c2sp.org/tlog-proof)."""

from dataclasses import replace

from storage.errors import InvalidRequest, Unavailable
from storage.model import LogLine
from storage.region import OpenRegion
from storage.tlog.commitments import Opening
from storage.tlog.proofs import Proof, prove
from storage.transparency.files import published
from storage.transparency.reading import reader


def prove_line(region: OpenRegion, line: LogLine) -> Proof:
    """Prove that the newest checkpoint holds a line. Its salt and text are the extra data.

    Without them, once they were forgotten, the proof is about the commitment alone. Raises
    Unavailable if no checkpoint holds the line yet, InvalidRequest if the log no longer serves it.
    """
    log = published(region)
    if log is None or line.number is None or line.number >= log.root.size:
        raise Unavailable(
            "The line is in no checkpoint yet.",
            advice="A worker puts it into one within 10 minutes. Then try again.",
        )
    if line.number < log.minimum:
        raise InvalidRequest(
            f"The log begins with line {log.minimum} by now: what was before is over its time.",
            advice="A proof that somebody kept still holds.",
        )
    proof = prove(reader(region), log.note, line.number)
    if line.text is None or line.salt is None:
        return proof
    return replace(proof, extra=Opening(line.salt, line.text).encode())

"""The end: the proof, what is left of it all, and what to try next."""

from storage.cli.demonstration.conversations import Conversation
from storage.cli.demonstration.proof import Proof
from storage.cli.demonstration.stage import PARTIES, Stage
from storage.cli.output import several, size

_MOST = 12  # failures that are named


def prove(stage: Stage) -> bool:
    """Show what was looked for and found. Says whether the proof holds."""
    stage.tell.section(
        "The proof", stage.when(),
        "All of it is encrypted, so that plain text is not found proves nothing. Looked for is what "
        "each record does leave: a sample of 32 bytes of its ciphertext, its wrapped key, its "
        "sealed metadata, its id and its pseudonyms.",
    )  # fmt: skip
    _tell_traces(stage)
    _tell_size(stage)
    _tell_plain(stage)
    failures = stage.proof.failures()
    if failures:
        stage.tell.verdict(False, f"PROOF FAILED: {several(len(failures), 'finding')}")
        for failure in failures[:_MOST]:
            stage.tell.bad(failure)
        if len(failures) > _MOST:
            stage.tell.say(f"... and {len(failures) - _MOST} more")
    elif stage.tell.troubles:
        stage.tell.verdict(False, f"THE PROOF HOLDS, BUT: {several(len(stage.tell.troubles), 'finding')}")
        for trouble in stage.tell.troubles:
            stage.tell.bad(trouble)
    else:
        stage.tell.verdict(True, _conclusion(stage.proof))
    return not failures and not stage.tell.troubles

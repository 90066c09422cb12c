"""Errors of the witnesses of a log."""

from collections.abc import Mapping

from storage.errors.failures import Unavailable


class WitnessError(Unavailable):
    """The witness did not cosign."""

    usual_advice = (
        "Try again. Staff sees no plaintext until the witnesses that the region requires cosign."
    )

    def __init__(self, witness: str, message: str = "", *, advice: str = "") -> None:
        """``witness`` is its name in the topology."""
        super().__init__(f"{witness}: {message or self._summary()}", advice=advice)
        self.witness = witness


class WitnessUnavailable(WitnessError):
    """The witness did not respond in time, or not as agreed."""


class WitnessBehind(WitnessError):
    """The witness wants the proof from another size."""

    usual_advice = "Try again with a proof from the size that it states."

    def __init__(self, witness: str, size: int) -> None:
        """``size`` is how many entries the log had when it cosigned last."""
        super().__init__(witness, f"it has cosigned {size} entries, and wants the proof from there")
        self.size = size


class WitnessAhead(WitnessError):
    """The witness says that it has cosigned more entries than the checkpoint has."""

    usual_advice = (
        "Have it cosign a later checkpoint. If there is none with as many entries, the log lost "
        "some or has two histories, or the witness lies: compare its last checkpoint with yours "
        "before anything else is signed."
    )

    def __init__(self, witness: str, size: int) -> None:
        """``size`` is how many entries it has cosigned, as it says."""
        super().__init__(witness, f"it says that it has cosigned {size} entries, which are more")
        self.size = size


class WitnessRefused(WitnessError):
    """The witness refused the checkpoint."""

    retryable = False
    http_status = 500
    usual_advice = "Ask who runs it whether it accepts this log. It needs the log's verifier key."


class CosignatureInvalid(WitnessError):
    """The witness responded with no cosignature of this checkpoint."""

    usual_advice = "It counts as not cosigned. Compare the key of the witness in the topology."


_LASTING = {
    WitnessAhead.__name__: (
        "It has cosigned more lines than the log has: the log lost some or has two histories, or "
        "the witness lies. Compare its last checkpoint with that of the log, and keep both."
    ),
    CosignatureInvalid.__name__: (
        "What it answers is no cosignature of this checkpoint. Compare its key in the topology "
        "with the one that it publishes."
    ),
    WitnessRefused.__name__: (
        "It refuses the checkpoint. Compare its address in the topology, and ask who runs it "
        "whether it accepts the verifier key of this log: domicile log key"
    ),
}
"""What to do about what no retry mends, the gravest first."""


class WitnessesMissing(Unavailable):
    """Witnesses that the region requires did not cosign."""

    usual_advice = "Try again when they respond. Ask who runs them if it stays so."

    def __init__(self, failures: Mapping[str, str]) -> None:
        """``failures`` are error codes by witness. It is retryable if a retry may mend them all."""
        codes = ", ".join(f"{witness}: {code}" for witness, code in sorted(failures.items()))
        steps = []
        for code, step in _LASTING.items():
            whose = sorted(witness for witness, found in failures.items() if found == code)
            steps += [f"{', '.join(whose)}: {step}"] if whose else []
        super().__init__(
            f"Witnesses that the region requires did not cosign ({codes}). Nothing was opened.",
            advice=" ".join(steps),
        )
        self.failures, self.retryable = dict(failures), not steps

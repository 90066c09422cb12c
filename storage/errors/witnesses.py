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
    usual_advice = "Ask who runs it whether it accepts this log. It needs the log's verifier key."


class CosignatureInvalid(WitnessError):
    """The witness responded with no cosignature of this checkpoint."""

    usual_advice = "It counts as not cosigned. Compare the key of the witness in the topology."


class WitnessesMissing(Unavailable):
    """Witnesses that the region requires did not cosign."""

    usual_advice = "Try again when they respond. Ask who runs them if it stays so."

    def __init__(self, failures: Mapping[str, str]) -> None:
        """``failures`` are error codes by witness."""
        codes = ", ".join(f"{witness}: {code}" for witness, code in sorted(failures.items()))
        super().__init__(
            f"Witnesses that the region requires did not cosign ({codes}). Nothing was opened."
        )
        self.failures = dict(failures)

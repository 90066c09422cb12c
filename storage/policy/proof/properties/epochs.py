"""What the epochs of a topology say of a day, and what must hold of a use for training."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from regions.model import Epoch, TrainRule
from storage.policy.proof.properties import Property, Violation


def of_day(epochs: Sequence[Epoch], day: date) -> Epoch | None:
    """Return the epoch to which a day belongs."""
    found = None
    for one in epochs:
        if day >= one.begins:
            found = one
    return found


@dataclass(frozen=True, slots=True)
class Facts:
    """A use for training on a day of a record of an origin. ``consent``: a code."""

    epochs: Sequence[Epoch]
    origin: date
    today: date
    consent: str


def of_training(facts: Facts, reasons: Collection[str]) -> Iterator[Violation]:
    """Yield each violation of the reasons against a use. "allowed" alone: it is permitted."""
    against = set(against_use(facts))
    sentence = f"A record of {facts.origin} used for training on {facts.today}"
    if "allowed" in reasons and against:
        yield Violation(
            Property.TRAINING, f"{sentence} would be permitted: {', '.join(sorted(against))}."
        )
    if "allowed" not in reasons and not against:
        yield Violation(Property.USABLE, f"{sentence} would be refused: {', '.join(reasons)}.")
    if set(reasons) != (against or {"allowed"}):
        yield Violation(Property.REASONS, f"{sentence} would have the reasons {list(reasons)}.")


def against_use(facts: Facts) -> list[str]:
    """Return the codes of all that is against a use."""
    then, now = of_day(facts.epochs, facts.origin), of_day(facts.epochs, facts.today)
    rules = {then and then.train, now and now.train}
    against = {
        "origin_ahead": facts.origin > facts.today,
        "origin_unstated": then is None or then.train is None,
        "today_unstated": now is None or now.train is None,
        "not_opted_in": TrainRule.OPTED_IN in rules and facts.consent != "opted_in",
        "opted_out": facts.consent in ("opted_out", "subject_opted_out"),
        "no_subject": facts.consent == "no_subject",
    }
    return [code for code, applies in against.items() if applies]

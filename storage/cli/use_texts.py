"""Texts for the reason codes of a use of a record."""

from collections.abc import Mapping

TRAINING: Mapping[str, str] = {
    "origin_ahead": "that day comes before the data",
    "origin_unstated": "the epoch of its origin states no rule for training",
    "today_unstated": "the epoch of that day states no rule for training",
    "not_opted_in": "one of the two epochs needs an opt-in of the customer, and there is none",
    "opted_out": "the customer, or the subject, has opted out",
    "no_subject": "each subject is asked for consent, and the record is about none",
    "held": "a legal hold keeps it for its authority",
    "flagged": "a classifier flagged it",
}
"""Why a record is not used for training."""

USE_REASONS: Mapping[str, str] = {
    **TRAINING,
    "allowed": "nothing speaks against it",
    "erased": "an erasure covers the record",
    "expired": "its retention is over on that day",
    "not_held": "no hold in force covers it",
    "unknown_class": "the topology has no such data class",
    "purpose_not_allowed": "classes.toml does not list the purpose for its class",
    "no_human_review": "the customer has asked that nobody looks into its content",
    "for_return_alone": "no data processing agreement is in force: the data is for return alone",
}

CONSENTS: Mapping[str, str] = {
    "nothing_said": "nothing was said",
    "opted_in": "the customer has opted in",
    "opted_out": "the customer has opted out",
    "subject_opted_out": "the subject has opted out",
    "not_covered": "the opt-in is for what was submitted later",
    "no_subject": "each subject is asked, and the record is about none",
}
"""What is known of consent to training with a record."""

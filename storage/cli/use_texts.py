"""Texts for the reason codes of a use of a record."""

from collections.abc import Mapping

USE_REASONS: Mapping[str, str] = {
    "allowed": "nothing speaks against it",
    "origin_ahead": "that day comes before the data",
    "erased": "an erasure covers the record",
    "expired": "its retention is over on that day",
    "not_held": "no hold in force covers it",
    "unknown_class": "the topology has no such data class",
    "purpose_not_open": "this version opens nothing for that purpose",
    "purpose_not_allowed": "classes.toml does not list the purpose for its class",
    "no_human_review": "the customer has asked that nobody looks into its content",
    "origin_unstated": "the epoch of its origin states no rule for training",
    "today_unstated": "the epoch of that day states no rule for training",
    "not_opted_in": "one of the two epochs needs an opt-in of the customer, and there is none",
    "opted_out": "the customer has opted out",
}

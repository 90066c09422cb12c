"""The policy of a topology as a whole: every case that it can reach, and what must hold of it."""

from storage.policy.proof.change import Change, Direction
from storage.policy.proof.check import Counterexample, Result, check, families
from storage.policy.proof.difference import compare
from storage.policy.proof.family import Family
from storage.policy.proof.properties import SENTENCES, Property

__all__ = [
    "SENTENCES",
    "Change",
    "Counterexample",
    "Direction",
    "Family",
    "Property",
    "Result",
    "check",
    "compare",
    "families",
]

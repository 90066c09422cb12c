"""What the command line of Alembic asks for."""

from argparse import Namespace
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from alembic import command
from alembic.util import CommandError

from storage.text import did_you_mean

_REGION = "region"
_EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Asked:
    """A command: the regions that it names (none: all), and what kind of command it is.

    ``embedded``: somebody says that the catalogs are those of the embedded PostgreSQL.
    """

    regions: tuple[str, ...] = ()
    embedded: bool = False
    upgrades: bool = False
    downgrades: bool = False
    checks: bool = False
    compares: bool = False  # to write a revision: the catalog of one region tells all

    def among(self, known: Collection[str]) -> list[str]:
        """Return the regions to act on. Raises CommandError for an unknown one."""
        for name in self.regions:
            if name not in known:
                close = did_you_mean(name, known)
                listed = f"The settings have: {', '.join(known) or 'none'}."
                raise CommandError(f"Unknown region {name}. {close} {listed}".replace("  ", " "))
        return [name for name in known if not self.regions or name in self.regions]


def asked_for(options: Namespace | None) -> Asked:
    """Return what is asked for: ``options`` is what Alembic parsed, None if a program calls it.

    Raises CommandError for an argument of ``-x`` that is not ``region=NAME`` or ``embedded``.
    """
    if options is None:
        return Asked()
    called = getattr(options, "cmd", (None,))[0]
    given = options.x or ()
    return Asked(
        _regions([each for each in given if each != _EMBEDDED]),
        embedded=_EMBEDDED in given,
        upgrades=called is command.upgrade,
        downgrades=called is command.downgrade,
        checks=called is command.check,
        compares=called is command.revision,
    )


def _regions(given: Sequence[str]) -> tuple[str, ...]:
    found = []
    for argument in given:
        key, _, name = argument.partition("=")
        if key != _REGION or not name:
            raise CommandError(
                f"Unknown argument -x {argument}. Use: -x region=NAME, or -x embedded"
            )
        found.append(name)
    return tuple(found)

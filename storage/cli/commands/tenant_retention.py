"""``tenant retention``: keep a class of a tenant for other days, and say what that would end."""

from dataclasses import dataclass
from typing import Annotated

from typer import Argument, Option

from regions.model import RECORD_CLASSES, DataClass
from regions.words import with_article
from storage.catalog import shortening, tenants
from storage.catalog.shortening import EndsEarlier
from storage.cli.opening import opened_homes
from storage.cli.options import AsJson, TenantId, one_of
from storage.cli.output import print_facts, print_json, print_note
from storage.cli.terminal import confirm
from storage.client.homes import Homes
from storage.errors import InvalidRequest
from storage.policy import suppose_kept
from storage.text import did_you_mean, format_size, plural

_Class = Annotated[str, Argument(metavar="CLASS", help=f"The data class. {one_of(RECORD_CLASSES)}")]
_Days = Annotated[
    int, Argument(metavar="DAYS", min=0, help="How long to keep it. 0: store nothing.")
]
_DryRun = Annotated[bool, Option("--dry-run", help="Count what would end earlier; change nothing.")]
_Yes = Annotated[bool, Option("--yes", "-y", help="Do not ask for confirmation.")]


@dataclass(frozen=True, slots=True)
class _Effect:
    """How long the class is kept now, and would be; what would end earlier.

    ``own``: what the tenant has set for it, if anything.
    """

    own: int | None
    now: int | None
    days: int
    ends: EndsEarlier

    def as_json(self) -> dict[str, object]:
        ends = self.ends
        return {
            "days_now": self.now,
            "days": self.days,
            "end_earlier": {
                "records": ends.records,
                "bytes": ends.bytes,
                "records_at_once": ends.records_now,
                "bytes_at_once": ends.bytes_now,
                "exact": ends.exact,
            },
        }

    def facts(self) -> list[tuple[str, str]]:
        ends, more = self.ends, "" if self.ends.exact else " or more"
        now = "until it is deleted" if self.now is None else plural(self.now, "day")
        earlier = f"{plural(ends.records, 'record')}{more}, {format_size(ends.bytes)} sealed"
        at_once = f"{plural(ends.records_now, 'record')}, {format_size(ends.bytes_now)} sealed"
        return [
            ("kept now", now),
            ("kept then", plural(self.days, "day")),
            ("end earlier", earlier),
            ("of these at once", at_once),
        ]


def retention(
    tenant: TenantId,
    name: _Class,
    days: _Days,
    *,
    dry_run: _DryRun = False,
    yes: _Yes = False,
    as_json: AsJson = False,
) -> None:
    """Keep a class of a tenant for so many days from now on.

    A longer retention is for new records only. A shorter one ends reading of what is older at once,
    and workers destroy it: the bytes are gone after compaction_hours and purge_hours. What a legal
    hold keeps stays. Other terms stay as they are. If somebody else changes the class meanwhile,
    nothing is changed.

    Ends with 9 if you do not confirm.
    """
    data_class = _known(name)
    with opened_homes() as homes:
        effect = _effect(homes, tenant, data_class, days)
        if not dry_run:
            if effect.ends.records and not yes:
                if not as_json:
                    print_facts(effect.facts())
                confirm("Shorten the retention?")
            _keep(homes, tenant, data_class, days, effect.own)
    if as_json:
        told = {"tenant": tenant, "class": data_class, "dry_run": dry_run}
        print_json(told | effect.as_json())
    elif dry_run:
        print_facts(effect.facts())
    else:
        kept = plural(effect.days, "day")
        print_note(f"Tenant {tenant} keeps {with_article(data_class)} for {kept}.")


def _known(name: str) -> DataClass:
    if name not in RECORD_CLASSES:
        advice = f"{did_you_mean(name, RECORD_CLASSES)} {one_of(RECORD_CLASSES)}".strip()
        raise InvalidRequest("There is no such class of records.", advice=advice)
    return DataClass(name)


def _keep(homes: Homes, tenant: str, data_class: DataClass, days: int, was: int | None) -> None:
    """Set it, unless it is no longer what the effect was computed from."""
    region = homes.find(tenant)[0].region
    region.catalog.run(
        lambda c: tenants.keep(
            c, tenant, data_class, days, was=was, now=region.clock.now(), entropy=region.entropy
        )
    )
    homes.invalidate(tenant)


def _effect(homes: Homes, tenant: str, data_class: DataClass, days: int) -> _Effect:
    homes.invalidate(tenant)
    region = homes.find(tenant)[0].region
    now = region.clock.now()
    with region.catalog.begin() as connection:
        own = tenants.retention_of(connection, tenant)
        change = suppose_kept(region.topology, own, data_class, days, now)
        ends = EndsEarlier(0, 0, 0, 0, exact=True)
        if change.shorter:
            ends = shortening.count_ending(
                connection,
                tenant,
                data_class,
                readable=change.readable,
                ends=change.ends,
                before=change.before,
                today=now.date(),
            )
    return _Effect(own.get(data_class), change.now, change.days, ends)

"""Cross-checks of a topology whose form is valid. Pure: each check yields the faults it finds."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise

from regions.backends import BackendSpec, S3Spec
from regions.endpoints import aws_region_of, host_of, safe_url
from regions.fields import Fault
from regions.model import (
    CONSENT_PURPOSES,
    CONTENT_CLASSES,
    RECORD_CLASSES,
    Bounds,
    Cascade,
    ClassRule,
    DataClass,
    Epoch,
    Form,
    JurisdictionRule,
    Locations,
    Region,
    Residency,
    Service,
    SubProcessor,
    Wording,
)
from regions.words import with_article

_ERASURE_HOURS = 30 * 24  # an erasure must be complete within a month: GDPR, article 12(3)


def unique(table: str, names: Sequence[str]) -> Iterator[Fault]:
    """Check that no name occurs twice in a table."""
    for name in names:
        if names.count(name) > 1:
            yield f"{table}.{name}.name", "occurs twice"


def sub_processor(entry: SubProcessor) -> Iterator[Fault]:
    """Check its notice, that its dates leave a day, and that its connector has time to delete."""
    key = f"sub_processors.{entry.name}"
    yield from _notice(entry, key)
    if entry.until is not None and entry.until <= entry.since:
        yield f"{key}.until", f"must be after since ({entry.since})"
    elif entry.until is not None and (entry.until - entry.since).days <= entry.exit_days:
        yield f"{key}.exit_days", f"leaves no day to use it before until ({entry.until})"
    if entry.exit_days and entry.service is not Service.HOSTING:
        yield f"{key}.exit_days", "is for hosting: copies at a processor are deleted by lead_hours"
    if entry.baa is not None and entry.baa.until is not None and entry.baa.until <= entry.baa.since:
        yield f"{key}.baa.until", f"must be after since ({entry.baa.since})"
    connector = entry.connector
    if connector is None:
        return
    if entry.service is Service.HOSTING:
        yield f"{key}.connector", "is not for hosting: a host has backends"
    if connector.lead >= connector.longest:
        reason = f"leaves no time to use a copy within max_days ({connector.max_days})"
        yield f"{key}.connector.lead_hours", reason


def _notice(entry: SubProcessor, key: str) -> Iterator[Fault]:
    """Check that it begins no earlier than its notice ends."""
    if entry.announced is None:
        if entry.notice_days:
            yield f"{key}.notice_days", "needs announced: the day from which the notice counts"
        return
    days = (entry.since - entry.announced).days
    if days < entry.notice_days:
        reason = f"is {entry.since}, {days} days after announced ({entry.announced})"
        yield f"{key}.since", f"{reason}, but notice_days is {entry.notice_days}"


def residency(entry: Residency) -> Iterator[Fault]:
    """Check that it names a jurisdiction. A region there is not required: tenants are refused."""
    if not entry.jurisdictions:
        yield f"residencies.{entry.name}.jurisdictions", "must name at least one jurisdiction"


def bounds(entry: Bounds) -> Iterator[Fault]:
    """Check that an erasure that waits for a compaction window and a purge ends in a month."""
    if entry.compaction_hours + entry.purge_hours > _ERASURE_HOURS:
        yield "bounds.compaction_hours", f"with purge_hours must be at most {_ERASURE_HOURS}"


def class_rule(rule: ClassRule, limits: Bounds) -> Iterator[Fault]:
    """Check that its retention is within its ceiling, and zero or long enough to read a record.

    The purge bound may be any number of hours: deadlines are computed forward from the expiry day.
    """
    key = f"classes.{rule.name}"
    days, ceiling = rule.retention_days, rule.ceiling_days
    yield from _handed_to(rule, f"{key}.handed_to")
    if len(set(rule.listed)) < len(rule.listed):
        yield f"{key}.listed", "has a key twice"
    if rule.name not in RECORD_CLASSES:
        stated = {
            "retention_days": days,
            "ceiling_days": ceiling,
            "floor_days": rule.floor_days,
            "handed_to": rule.handed_to,
            "listed": rule.listed,
        }
        for name in (name for name, value in stated.items() if value not in (None, ())):
            yield f"{key}.{name}", f"is for records: a {rule.name} goes with the record it is about"
        return
    yield from _floor(rule, key, limits)
    if days is None:
        if ceiling is not None:
            yield f"{key}.retention_days", "is missing: a class with a ceiling needs a retention"
        return
    if ceiling is not None and days > ceiling:
        yield f"{key}.retention_days", f"is {days}, above the ceiling of {ceiling} (ceiling_days)"
    if not limits.allow(days):
        least = f"{limits.purge_hours} hours (purge_hours) and a day"
        yield f"{key}.retention_days", f"is {days}, but must be 0 or at least {least}"


def epochs(
    entries: Sequence[Epoch], rules: Mapping[DataClass, ClassRule], limits: Bounds, today: date
) -> Iterator[Fault]:
    """Check that each begins after the one before it, and that what is written now fits.

    Only ``from`` bounds an epoch, so there can be no gap. A ceiling of the past binds records of
    the past alone; it must not end them before their floor is over. One that is in force or lies
    ahead must not be below the retention of its class: else a topology that loads would not load
    any more on the first day of an epoch.
    """
    for index, (earlier, entry) in enumerate(pairwise(entries), start=2):
        if entry.begins == earlier.begins:
            yield f"epochs.{index}.from", f"is {entry.begins}, as that of the epoch before it"
        if entry.begins < earlier.begins:
            reason = f"is {entry.begins}, before that of the epoch before it ({earlier.begins})"
            yield f"epochs.{index}.from", reason
    for index, entry in enumerate(entries, start=1):
        over = index < len(entries) and entries[index].begins <= today
        for name, ceiling in entry.ceiling_days.items():
            key = f"epochs.{index}.ceiling_days.{name}"
            if name not in RECORD_CLASSES:
                yield key, f"is for records: a {name} goes with the record it is about"
            elif name not in rules:
                yield key, f"{name} is not in classes.toml"
            elif over:
                yield from _above_floor(rules[name], ceiling, key, limits)
            else:
                yield from _within(rules[name], ceiling, key)


def _within(rule: ClassRule, ceiling: int, key: str) -> Iterator[Fault]:
    days = rule.retention_days
    if days is None:
        kept = with_article(rule.name)
        yield key, f"is {ceiling}, but classes.toml keeps {kept} until it is deleted"
    elif days > ceiling:
        yield key, f"is {ceiling}, below the retention of {days} days in classes.toml"


def _floor(rule: ClassRule, key: str, limits: Bounds) -> Iterator[Fault]:
    """Check that what a floor keeps has no content, and that no end is before the floor is over."""
    floor = rule.floor_days
    if floor is None:
        return
    if rule.name in CONTENT_CLASSES:
        yield f"{key}.floor_days", f"is for records without content: a {rule.name} can be erased"
    ends = {"retention_days": rule.retention_days, "ceiling_days": rule.ceiling_days}
    for name, days in ends.items():
        if days is not None:
            yield from _above_floor(rule, days, f"{key}.{name}", limits)


def _above_floor(rule: ClassRule, days: int, key: str, limits: Bounds) -> Iterator[Fault]:
    floor = rule.floor_days
    if floor is not None and days < limits.least(floor):
        least = limits.least(floor)
        reason = f"is {days}, below the floor of {floor} (floor_days)"
        yield key, f"{reason}: a record that is readable so long needs {least} days"


def _handed_to(rule: ClassRule, key: str) -> Iterator[Fault]:
    """Check that people get only what was flagged, and that without what identifies somebody."""
    given = [entry.service for entry in rule.handed_to]
    for entry in rule.handed_to:
        if entry.service is Service.HOSTING:
            yield key, "names hosting: a host has backends"
        if given.count(entry.service) > 1:
            yield key, f"names {entry.service} twice"
        fenced = entry.form is Form.DE_IDENTIFIED and entry.only == "flagged"
        if entry.service is Service.HUMAN_REVIEW and not fenced:
            yield key, 'must give human_review form = "de_identified" and only = "flagged"'


def cascades(entries: Sequence[Cascade], known: Collection[DataClass]) -> Iterator[Fault]:
    """Check that each goes from a class of records to another of this topology, and occurs once."""
    for index, entry in enumerate(entries):
        for role, name in (("parent", entry.parent), ("child", entry.child)):
            if name not in known:
                yield f"cascades.{index + 1}.{role}", f"{name} is not among the classes"
            elif name not in RECORD_CLASSES:
                yield f"cascades.{index + 1}.{role}", f"a {name} goes with the record it is about"
        if entry in entries[:index]:
            yield f"cascades.{index + 1}", "occurs twice"


def wording(entry: Wording, known: Collection[DataClass]) -> Iterator[Fault]:
    """Check that a consent to it is for classes of records, and for purposes that need it."""
    key = f"wordings.{entry.digest}"
    for name in sorted(entry.classes):
        if name not in RECORD_CLASSES:
            yield f"{key}.classes", f"a {name} goes with the record it is about"
        elif name not in known:
            yield f"{key}.classes", f"{name} is not among the classes"
    for purpose in sorted(entry.purposes - CONSENT_PURPOSES):
        yield f"{key}.purposes", f"{purpose} rests on no consent"
    for what in ("classes", "purposes"):
        if not getattr(entry, what):
            yield f"{key}.{what}", "must not be empty"


def region(entry: Region, file: str, known: Mapping[str, SubProcessor]) -> Iterator[Fault]:
    """Check its name, jurisdiction and hosts, and that it has enough backends for its replicas."""
    if entry.name != file:
        yield "name", f"is {entry.name}, but the file is {file}.toml: they must be the same"
    for role, steward in entry.stewards:
        if steward.location != entry.jurisdiction:
            yield f"{role}.location", f"is not the region's jurisdiction, {entry.jurisdiction}"
        yield from _host(steward.sub_processor, f"{role}.sub_processor", entry, known)
    yield from unique("backends", [spec.name for spec in entry.backends])
    for spec in entry.backends:
        key = f"backends.{spec.name}"
        yield from _host(spec.sub_processor, f"{key}.sub_processor", entry, known)
    if entry.required > entry.replicas:
        yield "required", f"is {entry.required}, above replicas ({entry.replicas})"
    yield from _enough(entry)
    for index, spec in enumerate(entry.backends):
        yield from _apart(spec, entry.backends[:index])
    yield from _witnesses(entry)


def _witnesses(entry: Region) -> Iterator[Fault]:
    """Check that none counts twice: a cosignature does not cover the name in the key."""
    yield from unique("witnesses", [spec.name for spec in entry.witnesses])
    for index, spec in enumerate(entry.witnesses):
        for other in entry.witnesses[:index]:
            if spec.public == other.public:
                yield f"witnesses.{spec.name}.key", f"is that of {other.name}"


def _enough(entry: Region) -> Iterator[Fault]:
    """Check that there are as many backends as replicas: shared ones, and of each tenant's own."""
    groups = entry.groups()
    for tenant, group in groups.items():
        whose = (
            f" dedicated to {tenant}" if tenant else " that are shared" if len(groups) > 1 else ""
        )
        number = f"is {entry.replicas}, above the number of backends{whose}"
        if entry.replicas > len(group):
            yield "replicas", number
        elif entry.replicas > sum(not spec.retires for spec in group):
            yield "replicas", f"{number} that do not retire"


def evidence(entry: Region, known: Mapping[str, JurisdictionRule]) -> Iterator[Fault]:
    """Check that its jurisdiction keeps evidence at least as long as a catalog backup lives.

    A restored backup brings back what was erased since; the evidence says what to erase again.
    """
    rule = known.get(entry.jurisdiction)
    if rule is None:
        yield "jurisdiction", f"{entry.jurisdiction} is not in jurisdictions.toml"
        return
    stated = {
        "receipts": rule.receipts,
        "holds": rule.holds,
        "lines of the log": rule.log,
        "consents": rule.consents,
    }
    for what, kept in stated.items():
        if kept is None:
            continue
        if kept.days < entry.catalog_backup_days:
            yield "catalog_backup_days", f"is above the {kept.days} days for which {what} are kept"


def distinct(entry: Region, others: Iterable[Region]) -> Iterator[Fault]:
    """Check that no backend has the name or the location of a backend of another region."""
    for other in others:
        taken = {spec.name for spec in other.backends}
        for spec in entry.backends:
            if spec.name in taken:
                yield f"backends.{spec.name}.name", f"is a backend of {other.name} already"
            yield from _apart(spec, other.backends)


def place(entry: Region, regions: Mapping[str, Region]) -> Iterator[Fault]:
    """Check that a cell belongs to a region in its jurisdiction, which is no cell of another."""
    if entry.place is None:
        return
    first = regions.get(entry.place)
    if first is None or first is entry or first.place is not None:
        yield "place", f"{entry.place} is not another region of this topology, without a place"
    elif first.jurisdiction != entry.jurisdiction:
        yield "place", f"{entry.place} is in {first.jurisdiction}, not in {entry.jurisdiction}"
    if "cells" in entry.model_fields_set:
        yield "cells", f"is for the first cell, {entry.place}"


def locations(entry: Region, known: Locations) -> Iterator[Fault]:
    """Check that each backend stands in the region's jurisdiction, as far as its name tells.

    What the name does not tell needs a document. A directory and a loopback endpoint are wherever
    this machine is, which nothing here can know.
    """
    for spec in entry.backends:
        if isinstance(spec, S3Spec):
            key = f"backends.{spec.name}"
            yield from ((f"{key}.{field}", reason) for field, reason in _stands(spec, entry, known))


def _stands(spec: S3Spec, entry: Region, known: Locations) -> Iterator[Fault]:
    url = spec.endpoint_url
    if url is not None and not safe_url(url):
        yield (
            "endpoint_url",
            "must be https, without user, query and fragment (http: loopback only)",
        )
    elif spec.located == "checked":
        yield from _stands_at_aws(spec, entry, known)
    elif spec.located == "attested" and spec.location_document is None:
        reason = f"is missing: the name {host_of(url or '')} does not say where it is"
        yield "location_document", f"{reason}. Give the SHA-256 of the contract that does"
    if spec.located != "attested" and spec.location_document is not None:
        yield "location_document", "is for endpoints outside of AWS and of this machine"


def _stands_at_aws(spec: S3Spec, entry: Region, known: Locations) -> Iterator[Fault]:
    region, url = spec.aws_region, spec.endpoint_url
    if url is not None:
        named = aws_region_of(url)
        if named not in known.aws:
            yield "endpoint_url", f"does not say its region: use https://s3.{region}.amazonaws.com"
        elif named != region:
            yield "endpoint_url", f"is in {named}, but aws_region is {region}"
    where = known.aws.get(region)
    if where is None:
        yield "aws_region", f"{region} is not in locations.toml"
    elif where != entry.jurisdiction:
        yield "aws_region", f"{region} is in {where}, not in {entry.jurisdiction}"


def _host(name: str, key: str, entry: Region, known: Mapping[str, SubProcessor]) -> Iterator[Fault]:
    """Check that the company exists, hosts, and is permitted in the region's jurisdiction."""
    company = known.get(name)
    if company is None:
        yield key, f"{name} is not in sub_processors.toml"
    elif company.service is not Service.HOSTING:
        yield key, f"{name} is for {company.service}, not for hosting"
    elif entry.jurisdiction not in company.jurisdictions:
        yield key, f"{name} is not permitted in {entry.jurisdiction} (its jurisdictions)"


def _apart(spec: BackendSpec, others: Iterable[BackendSpec]) -> Iterator[Fault]:
    """Check that it shares its location with no other backend: two such replicas are one."""
    for other in others:
        for field, reason in spec.overlap(other):
            yield f"backends.{spec.name}.{field}", reason

"""What must hold in a topology beyond its form. Pure: each check yields faults, the first first."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from regions.model import (
    BackendKind,
    BackendSpec,
    Bounds,
    Cascade,
    ClassRule,
    ConnectorSpec,
    DataClass,
    JurisdictionRule,
    Region,
    Residency,
    Service,
    SubProcessor,
)

Fault = tuple[str, str]
"""A dotted key, and what is wrong there in plain words."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ERASURE_HOURS = 30 * 24  # an erasure must be over within a month: GDPR, article 12(3)

_NEEDED: Mapping[BackendKind, frozenset[str]] = {
    "s3": frozenset({"bucket", "aws_region"}),
    "directory": frozenset({"path"}),
    "memory": frozenset(),
}
_OPTIONAL: Mapping[BackendKind, frozenset[str]] = {
    "s3": frozenset({"endpoint_url"}),
    "directory": frozenset({"reserve_mib"}),
    "memory": frozenset(),
}
_OF_A_KIND = frozenset[str]().union(*_NEEDED.values(), *_OPTIONAL.values())


def unique(table: str, names: Sequence[str]) -> Iterator[Fault]:
    """No name is given twice in a table."""
    for name in names:
        if names.count(name) > 1:
            yield f"{table}.{name}.name", "is there twice"


def sub_processor(entry: SubProcessor) -> Iterator[Fault]:
    """Its dates leave it at least one day; a connector can do its work."""
    key = f"sub_processors.{entry.name}"
    if entry.until is not None and entry.until <= entry.since:
        yield f"{key}.until", f"must be after since ({entry.since})"
    if entry.connector is not None and entry.service is Service.HOSTING:
        yield f"{key}.connector", "is not for hosting: what it holds are backends"
    elif entry.connector is not None:
        yield from _connector(entry.connector, f"{key}.connector")


def _connector(spec: ConnectorSpec, key: str) -> Iterator[Fault]:
    """It has what its kind needs, and time to delete before a copy must be gone."""
    for name in ("url", "acknowledgement_key"):
        given = getattr(spec, name) is not None
        if given and spec.kind != "http":
            yield f"{key}.{name}", f"is not for a connector of kind {spec.kind}"
        if not given and spec.kind == "http":
            yield f"{key}.{name}", "is missing: a connector of kind http needs it"
    if spec.url is not None and not safe_url(spec.url):
        yield f"{key}.url", "must be https, without user, query and fragment (http: loopback only)"
    if spec.lead >= spec.longest:
        yield f"{key}.lead_hours", f"leaves no time to use a copy within max_days ({spec.max_days})"


def safe_url(url: str) -> bool:
    """Whether content may be sent there: encrypted, or to this machine itself."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # a port that is no number raises
    except ValueError:
        return False
    plain = bool(host) and url.isascii() and not re.search(r"[\s?#@]", url)
    return plain and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def residency(entry: Residency) -> Iterator[Fault]:
    """It names a place. That no region is there is legal: tenants who ask for it are refused."""
    if not entry.jurisdictions:
        yield f"residencies.{entry.name}.jurisdictions", "must name at least one jurisdiction"


def bounds(entry: Bounds) -> Iterator[Fault]:
    """An erasure that waits for a whole compaction window and a whole purge is over in a month."""
    if entry.compaction_hours + entry.purge_hours > _ERASURE_HOURS:
        yield "bounds.compaction_hours", f"with purge_hours must be at most {_ERASURE_HOURS}"


def class_rule(rule: ClassRule, limits: Bounds) -> Iterator[Fault]:
    """Its retention is within its ceiling, and nothing or long enough to be read at all.

    The purge bound may be any number of hours: deadlines are computed forward from the expiry day.
    """
    key = f"classes.{rule.name}"
    days, ceiling = rule.retention_days, rule.ceiling_days
    if Service.HOSTING in rule.handed_to:
        yield f"{key}.handed_to", "names hosting: what is stored goes to backends"
    if days is None:
        if ceiling is not None:
            yield f"{key}.retention_days", "is missing: a class with a ceiling needs a retention"
        return
    if ceiling is not None and days > ceiling:
        yield f"{key}.retention_days", f"is {days}, above the ceiling of {ceiling} (ceiling_days)"
    if not limits.allow(days):
        least = f"{limits.purge_hours} hours (purge_hours) and a day"
        yield f"{key}.retention_days", f"is {days}, but must be 0 or at least {least}"


def cascades(entries: Sequence[Cascade], known: Collection[DataClass]) -> Iterator[Fault]:
    """They go from a class of this topology to another, or itself, each once."""
    for place, entry in enumerate(entries):
        for role, name in (("parent", entry.parent), ("child", entry.child)):
            if name not in known:
                yield f"cascades.{place + 1}.{role}", f"{name} is not among the classes"
        if entry in entries[:place]:
            yield f"cascades.{place + 1}", "is there twice"


def region(entry: Region, file: str, known: Mapping[str, SubProcessor]) -> Iterator[Fault]:
    """It is named like its file, all in one jurisdiction, and its copies have places to go."""
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
        yield from _of_its_kind(spec, key)
    if entry.required > entry.replicas:
        yield "required", f"is {entry.required}, above replicas ({entry.replicas})"
    if entry.replicas > len(entry.backends):
        yield "replicas", f"is {entry.replicas}, above the number of backends"
    for place, spec in enumerate(entry.backends):
        yield from _apart(spec, entry.backends[:place])


def evidence(entry: Region, known: Mapping[str, JurisdictionRule]) -> Iterator[Fault]:
    """Its jurisdiction says how long evidence is kept: not less than a backup of the catalog.

    A backup that is restored brings back what was erased since, and it has to be erased again.
    """
    rule = known.get(entry.jurisdiction)
    if rule is None:
        yield "jurisdiction", f"{entry.jurisdiction} is not in jurisdictions.toml"
        return
    for what, kept in (("receipts", rule.receipts), ("holds", rule.holds)):
        if kept.days < entry.catalog_backup_days:
            yield "catalog_backup_days", f"is above the {kept.days} days for which {what} are kept"


def distinct(entry: Region, others: Iterable[Region]) -> Iterator[Fault]:
    """No backend has the name of another region's backend, or is in the same place."""
    for other in others:
        taken = {spec.name for spec in other.backends}
        for spec in entry.backends:
            if spec.name in taken:
                yield f"backends.{spec.name}.name", f"is a backend of {other.name} already"
            yield from _apart(spec, other.backends)


def _host(name: str, key: str, entry: Region, known: Mapping[str, SubProcessor]) -> Iterator[Fault]:
    """The company exists, is there for hosting, and is permitted in the region's jurisdiction."""
    company = known.get(name)
    if company is None:
        yield key, f"{name} is not in sub_processors.toml"
    elif company.service is not Service.HOSTING:
        yield key, f"{name} is there for {company.service}, not for hosting"
    elif entry.jurisdiction not in company.jurisdictions:
        yield key, f"{name} is not permitted in {entry.jurisdiction} (its jurisdictions)"


def _of_its_kind(spec: BackendSpec, key: str) -> Iterator[Fault]:
    """It says what its kind needs, and nothing that only another kind understands."""
    given = spec.model_fields_set & _OF_A_KIND
    for name in sorted(_NEEDED[spec.kind] - given):
        yield f"{key}.{name}", f"is missing: a backend of kind {spec.kind} needs it"
    for name in sorted(given - _NEEDED[spec.kind] - _OPTIONAL[spec.kind]):
        yield f"{key}.{name}", f"is not for a backend of kind {spec.kind}"
    for name in sorted(given & _NEEDED[spec.kind]):
        if not getattr(spec, name):
            yield f"{key}.{name}", "must not be empty"
    if spec.path is not None and not _parts(spec):
        yield f"{key}.path", "must name a directory of its own, without '..'"


def _parts(spec: BackendSpec) -> tuple[str, ...]:
    """The parts of its path; none if it is not a directory that can be told from others."""
    path = PurePosixPath(spec.path or "")
    return () if ".." in path.parts or path == PurePosixPath("/") else path.parts


def _apart(spec: BackendSpec, others: Iterable[BackendSpec]) -> Iterator[Fault]:
    """It shares its place with no other: two copies in one place are one, and purged together."""
    for other in others:
        if spec.kind == other.kind == "s3" and _bucket(spec) == _bucket(other):
            yield f"backends.{spec.name}.bucket", f"is the bucket of {other.name} already"
        if spec.kind == other.kind == "directory" and _nested(_parts(spec), _parts(other)):
            yield f"backends.{spec.name}.path", f"is, is in, or holds that of {other.name}"


def _bucket(spec: BackendSpec) -> tuple[str | None, str | None]:
    return (spec.endpoint_url or "").rstrip("/"), spec.bucket


def _nested(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one path is the other, or within it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]

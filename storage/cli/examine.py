"""The checks of each region: key file, catalog, and the rights on every backend."""

import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from regions.model import Region, Topology
from storage import bootstrap
from storage.catalog import checkpoints, days, roster, server
from storage.catalog.engine import OLDEST_SERVER, Catalog, revision
from storage.checks import check_catalog, see_topology
from storage.cli.findings import Finding, failed, tried
from storage.cli.output import format_time
from storage.cli.reason_texts import reason_text
from storage.crypto.approvers import other_writers
from storage.crypto.keyobject import key_context
from storage.dependencies import Dependencies, make_catalog
from storage.errors import DomicileError, InvalidRequest
from storage.initialize import init
from storage.keys import load_keys, pinned_keys, remote_keys
from storage.objects.rights import try_rights
from storage.policy import LOG_WAIT, Standing, horizon_alarm
from storage.ports import KeyService
from storage.region import Backends, OpenRegion
from storage.settings import RegionSettings, Settings, region_settings
from storage.text import plural

TESTED = 18
"""The version of PostgreSQL that the tests run on."""


@contextmanager
def trial(settings: Settings) -> Iterator[Settings]:
    """Set up the same settings in a temporary home, and remove it at the end."""
    home = Path(tempfile.mkdtemp(prefix="domicile-"))  # the path of a socket must be short
    try:
        tried_out = settings.model_copy(update={"home": home})
        init(tried_out)
        yield tried_out
    finally:
        shutil.rmtree(home, ignore_errors=True)


def may_try(topology: Topology) -> bool:
    """Return whether all backends would be inside of the home, so that removing it removes all."""
    return all(
        spec.kind == "directory" and not Path(spec.path).is_absolute()
        for region in topology.regions.values()
        for spec in region.backends
    )


def regions(settings: Settings, topology: Topology) -> Iterator[Finding]:
    """Check every region of the settings."""
    try:
        with region_settings(settings, topology) as served:
            for name, given in served.items():
                yield from _region(settings, topology, name, given)
    except DomicileError as error:
        yield failed("catalog", "postgresql", error)


def _region(
    settings: Settings, topology: Topology, name: str, given: RegionSettings
) -> Iterator[Finding]:
    own = [tried("keys", name, lambda: _keys(given, name))]
    if given.key_service is not None:
        own += _key_service(given, topology.regions[name])
    own += _catalog(topology, name, given)
    yield from own
    if any(finding.state == "fail" for finding in own):
        yield Finding("backends", name, "warn", "Not checked, because of the failure above.")
        return
    alone = settings.model_copy(update={"regions": {name: given}})
    try:
        with bootstrap.open_regions(alone, Dependencies()) as opened:
            check_catalog(opened[0])
            see_topology(opened[0], noting=False)
            if given.kms is not None:
                yield tried("kms", name, lambda: _kms(opened[0]))
            if given.key_service is None:
                yield from _approvers_here(opened[0], given)
            yield _log(opened[0])
            yield from _backends(opened[0])
    except DomicileError as error:
        yield failed("backends", name, error)


def _keys(given: RegionSettings, region: str) -> str:
    keys = load_keys(given, os.urandom, region=region)
    mode = stat.S_IMODE(given.keys_file.stat().st_mode)
    version = f"root version {keys.current}" if "root" in keys else "no root key"
    return f"{given.keys_file} (mode {mode:04o}, {version})"


def _key_service(given: RegionSettings, region: Region) -> Iterator[Finding]:
    check, name = "key service", region.name
    with ExitStack() as stack:
        try:
            keys = remote_keys(stack, given, region)
            says = f"{given.key_service} holds root version {keys.current}."
            _try_key(keys)
            yield Finding(check, name, "ok", says)
            yield _approvers(name, keys)
        except DomicileError as error:
            yield failed(check, name, error)


def _try_key(keys: KeyService) -> None:
    """Wrap a new key, and unwrap it: KMS may refuse one or both while its key service answers."""
    context = key_context(UUID(bytes=os.urandom(16)))
    keys.unwrap(keys.create(context), context)


def _kms(region: OpenRegion) -> str:
    _try_key(region.roots)
    return "It wraps keys, and unwraps them."


def _approvers(region: str, keys: KeyService) -> Finding:
    try:
        pinned = len(keys.approvers())
    except InvalidRequest:
        says = "The key service is of an older version, and does not say whose key is pinned."
        return Finding("approvers", region, "warn", says, "Restart it with this version.")
    if pinned:
        return Finding("approvers", region, "ok", f"{plural(pinned, 'key')} pinned.")
    return _nobody_pinned(region, "the key service")


def _approvers_here(region: OpenRegion, given: RegionSettings) -> Iterator[Finding]:
    """Check the file of approvers, if there is one, or somebody whose grants nobody can sign."""
    keys, problem = pinned_keys(given.approvers_file)
    if problem is not None:
        says = f"{problem.message} People open nothing."
        yield Finding("approvers", region.name, "warn", says, problem.advice)
    elif keys:
        assert given.approvers_file is not None
        yield _pinned_here(region.name, given.approvers_file, len(keys))
    elif _has_people(region):
        yield _nobody_pinned(region.name, "the region")


def _pinned_here(region: str, file: Path, count: int) -> Finding:
    who = other_writers(file)
    if who is None:
        return Finding("approvers", region, "ok", f"{plural(count, 'key')} pinned.")
    return Finding(
        "approvers",
        region,
        "fail" if who == "everybody" else "warn",
        f"{file} can be written or replaced by {who}, so it proves nothing.",
        "Run chmod go-w on it and on its directory, and check whose keys are in it.",
    )


def _has_people(region: OpenRegion) -> bool:
    with region.catalog.begin() as connection:
        return roster.staff_in_force(connection, region.clock.now().date()) > 0


def _nobody_pinned(region: str, whose: str) -> Finding:
    return Finding(
        "approvers",
        region,
        "warn",
        "No approver's key is pinned: people open nothing.",
        "Make keys (domicile grant keygen), put the public ones into the file of approvers of "
        f"{whose}, and restart what reads it.",
    )


def _catalog(topology: Topology, name: str, given: RegionSettings) -> Iterator[Finding]:
    try:
        url = given.catalog_url.get_secret_value()
        catalog = make_catalog(topology.regions[name], url, 2)
    except DomicileError as error:
        yield failed("catalog", name, error)
        return
    yield Finding("catalog", name, "ok", f"The connection is protected by {catalog.protection}.")
    try:
        with catalog.begin() as connection:
            yield _server(name, connection)
        catalog.check()
        yield Finding("catalog", name, "ok", "Region, durability and supported code are right.")
        with catalog.begin() as connection:
            yield _revision(name, catalog, connection)
            yield _horizon(topology, name, connection)
    except DomicileError as error:
        yield failed("catalog", name, error)
    finally:
        catalog.close()


def _server(name: str, connection: Connection) -> Finding:
    version = server.version(connection)
    says, major = f"PostgreSQL {version}", int(version.partition(".")[0])
    if major < OLDEST_SERVER:
        return Finding(
            "catalog", name, "fail", says, f"Domicile needs PostgreSQL {OLDEST_SERVER} or later."
        )
    if major != TESTED:
        return Finding("catalog", name, "warn", says, f"Domicile is tested on PostgreSQL {TESTED}.")
    return Finding("catalog", name, "ok", says)


def _revision(name: str, catalog: Catalog, connection: Connection) -> Finding:
    here, code = revision(connection), catalog.code
    says = f"The schema is {here}; this code is {code.revision}."
    waiting = code.waiting(here)
    if waiting is not None:
        advice = f"When no code before {waiting} runs: domicile init --through {waiting}"
        return Finding("catalog", name, "warn", says, advice)
    return Finding("catalog", name, "ok", says)


def _horizon(topology: Topology, name: str, connection: Connection) -> Finding:
    until, today = days.horizon(connection), server.today(connection)
    if horizon_alarm(topology, today, until):
        says = f"Partitions exist until {until}: too few days ahead."
        return Finding("catalog", name, "warn", says, "Run a worker: domicile worker")
    return Finding("catalog", name, "ok", f"Partitions exist until {until}.")


def _log(region: OpenRegion) -> Finding:
    with region.catalog.begin() as connection:
        oldest = checkpoints.oldest_waiting(connection, region.log_trust)
        late = oldest is not None and server.now(connection) - oldest > LOG_WAIT
    if not late:
        return Finding("log", region.name, "ok", "No line waits too long for a checkpoint.")
    return Finding(
        "log",
        region.name,
        "warn",
        f"Lines wait for a checkpoint since {format_time(oldest)}: people open nothing.",
        "Run a worker: domicile worker. If one runs, its log says why: log_postponed",
    )


def _backends(region: OpenRegion) -> Iterator[Finding]:
    """Check each backend alone, so that one failure does not hide another."""
    usable: set[str] = set()
    standings, closed = region.standings(), region.postures.closed()
    for name, backend in region.backends.items():
        if standings[name] is not Standing.OPEN:
            says = f"Takes no writes ({standings[name].replace('_', ' ')}), so it was not tried."
            yield Finding("backends", name, "warn", says, "See: domicile status")
            continue
        if name in closed:
            says = f"Nothing new goes there: {reason_text(closed[name])}."
            yield Finding("backends", name, "fail", says, "See: domicile backend posture")
            continue
        one = replace(region, backends=Backends({name: backend}))
        finding = tried("backends", name, lambda: _rights(one))  # noqa: B023 - called at once
        if finding.state == "ok":
            usable.add(name)
        yield finding
    yield from _too_few(region, usable)


def _too_few(region: OpenRegion, usable: Collection[str]) -> Iterator[Finding]:
    """Tell where fewer backends can be used than a write needs."""
    needs = plural(region.region.required, "backend")
    for tenant, group in region.region.groups().items():
        fit = sum(spec.name in usable for spec in group)
        if fit < region.region.required:
            whose = f" of {tenant}" if tenant else ""
            says = f"A write{whose} needs {needs}; {fit} can be used."
            fails = f"Writes{whose} fail until more backends can be used."
            yield Finding("backends", region.name, "fail", says, fails)


def _rights(region: OpenRegion) -> str:
    for error in try_rights(region):
        raise error
    return "All rights granted, in the declared location."

"""One region that does not open, or fails in a worker, takes no other along."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from io import StringIO

import pytest
import structlog
from sqlalchemy import text

from storage.bootstrap import open_homes, open_restored, open_store, worker_of
from storage.catalog import schema
from storage.cli.exit_codes import Exit
from storage.client.regions import ServedRegion, ServedRegions
from storage.client.store import Store
from storage.errors import (
    BackendUnavailable,
    CatalogRestored,
    CatalogUnavailable,
    CatalogUnsupported,
    DomicileError,
    InvalidRequest,
    SettingsError,
    Unavailable,
    UnknownTenant,
    WrongRegion,
)
from storage.logs import make_logger
from storage.model import Purpose, Reason, Scope
from storage.settings import Settings
from storage.testing import SERVICE, Domicile
from storage.testing.harness import take_any_time
from storage.workers.loop import Duty, Worker
from tests.support.catalogs.databases import catalog_of, with_urls
from tests.support.cli_harness import CommandLine, ensure_tenant
from tests.support.refusals import BODY, HOME, PROMPT

AWAY = "us-east-1"
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"

Fault = Callable[[Domicile], AbstractContextManager[Settings]]


@contextmanager
def unreachable(domicile: Domicile) -> Iterator[Settings]:
    """Nothing listens at the address of the region's catalog."""
    here = domicile.settings.regions[HOME].catalog_url.get_secret_value()
    yield with_urls(domicile.settings, {HOME: here, AWAY: NOWHERE})


@contextmanager
def without_keys(domicile: Domicile) -> Iterator[Settings]:
    """The region's key file is gone."""
    keys = domicile.settings.regions[AWAY].keys_file
    aside = keys.rename(keys.with_suffix(".aside"))
    try:
        yield domicile.settings
    finally:
        aside.rename(keys)


@contextmanager
def changed(domicile: Domicile, column: str, value: str) -> Iterator[Settings]:
    """Change what the region's catalog says of itself."""
    update = text(f"UPDATE catalog_info SET {column} = :value")  # noqa: S608
    with catalog_of(domicile.settings, AWAY) as connection:
        before = connection.scalar(text(f"SELECT {column} FROM catalog_info"))  # noqa: S608
        connection.execute(update, {"value": value})
    try:
        yield domicile.settings
    finally:
        with catalog_of(domicile.settings, AWAY) as connection:
            connection.execute(update, {"value": before})


def restored(domicile: Domicile) -> AbstractContextManager[Settings]:
    """The catalog stands on another server than it says."""
    return changed(domicile, "identity", "1/1/1/1")


def unsupported(domicile: Domicile) -> AbstractContextManager[Settings]:
    """The catalog is of another region."""
    return changed(domicile, "region", "eu-west-1")


@contextmanager
def older(domicile: Domicile) -> Iterator[Settings]:
    """The region's schema lacks the newest migration, which this code needs."""
    with catalog_of(domicile.settings, AWAY) as connection:
        schema.downgrade(connection, "-1")
    try:
        yield domicile.settings
    finally:
        with catalog_of(domicile.settings, AWAY) as connection:
            schema.upgrade(connection)
        take_any_time(domicile.settings)  # other tests get this catalog


FAULTS = [
    (unreachable, CatalogUnavailable),
    (without_keys, SettingsError),
    (restored, CatalogRestored),
    (unsupported, CatalogUnsupported),
    (older, CatalogUnsupported),
]


@pytest.fixture
def apart(domicile: Domicile) -> Domicile:
    """Return a Domicile with a tenant in each region."""
    domicile.tenant()
    domicile.tenant("acme-us", home=AWAY, residency="US")
    return domicile


@contextmanager
def process(domicile: Domicile, settings: Settings, *require: str) -> Iterator[Store]:
    """Open the store of a new process."""
    with open_store(settings, require=require, dependencies=domicile.dependencies) as store:
        yield store


@pytest.mark.parametrize(("fault", "error"), FAULTS)
def test_the_other_region_is_served(
    apart: Domicile, fault: Fault, error: type[DomicileError]
) -> None:
    """Tenants of the region that did not open get its error; all others notice nothing."""
    with fault(apart) as settings, process(apart, settings) as store:
        here = store.tenant("acme-eu").bind(SERVICE)
        assert here.get(here.put(PROMPT, BODY).id, purpose=Purpose.SERVE).body == BODY
        here.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)
        for call in (
            lambda: store.tenant("acme-us").bind(SERVICE),
            lambda: store.tenant("nobody").bind(SERVICE),
            lambda: store.erasures(AWAY),
        ):
            with pytest.raises(error, match=AWAY):
                call()
        assert store.erasures(HOME)
        status = store.status()
        assert [found.region for found in status.regions] == [HOME]
        assert {name: type(failed) for name, failed in status.failed.items()} == {AWAY: error}
        done = store.erase(Scope.account("acme"), reason=Reason.CONTRACT_END)
        assert ([e.region for e in done.erasures], done.not_reached) == ([HOME], (AWAY,))


@pytest.mark.parametrize(("fault", "error"), FAULTS[1:])
def test_a_region_opens_when_its_fault_is_over(
    apart: Domicile, fault: Fault, error: type[DomicileError]
) -> None:
    """Its next use opens it: the process goes on."""
    with ExitStack() as stack:
        with fault(apart) as settings:
            store = stack.enter_context(process(apart, settings))
            with pytest.raises(error):
                store.tenant("acme-us").bind(SERVICE)
        assert store.tenant("acme-us").put(PROMPT, BODY).stored
        with pytest.raises(UnknownTenant):
            store.tenant("nobody").bind(SERVICE)
        status = store.status()
        assert [found.region for found in status.regions] == [HOME, AWAY]
        assert status.failed == {}


@pytest.mark.parametrize(("fault", "error"), FAULTS)
def test_a_process_may_require_a_region(
    apart: Domicile, fault: Fault, error: type[DomicileError]
) -> None:
    """It does not start without it, and does not mind the others."""
    with fault(apart) as settings:
        with pytest.raises(error, match=AWAY), process(apart, settings, AWAY):
            pass
        with process(apart, settings, HOME):
            pass
    with pytest.raises(WrongRegion, match="eu-west-9"), process(apart, settings, "eu-west-9"):
        pass


def test_no_region_opens(apart: Domicile) -> None:
    """The first error is raised."""
    settings = with_urls(apart.settings, {HOME: NOWHERE, AWAY: NOWHERE})
    with pytest.raises(CatalogUnavailable, match=HOME), process(apart, settings):
        pass


def test_an_unexpected_error_of_an_opening(apart: Domicile) -> None:
    """It is of its region alone too, and its frames are in the log."""
    out = StringIO()
    make = apart.dependencies.backend
    assert make is not None

    def broken(spec: object, settings: Settings) -> object:
        if getattr(spec, "name", "").startswith("us"):
            raise ZeroDivisionError
        return make(spec, settings)  # type: ignore[arg-type]

    dependencies = replace(apart.dependencies, backend=broken)  # type: ignore[arg-type]
    with open_store(apart.settings, dependencies=dependencies, log=make_logger(out)) as store:
        assert store.tenant("acme-eu").put(PROMPT, BODY).stored
        with pytest.raises(Unavailable, match=AWAY):
            store.tenant("acme-us").bind(SERVICE)
    assert '"region_not_opened"' in out.getvalue()
    assert "ZeroDivisionError" in out.getvalue()


@pytest.mark.parametrize(("fault", "error"), FAULTS)
def test_another_region_can_be_recovered(
    apart: Domicile, fault: Fault, error: type[DomicileError]
) -> None:
    """Opening one region for its recovery does not open the others."""
    assert issubclass(error, DomicileError)
    with (
        fault(apart) as settings,
        open_restored(settings, dependencies=apart.dependencies, only=HOME) as regions,
    ):
        assert [region.name for region in regions] == [HOME]


def test_a_known_tenant_does_not_wait_for_another_region(
    apart: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its home is asked first: a catalog elsewhere may take its time not to answer."""
    monkeypatch.setattr("storage.client.homes._CACHED", -1.0)  # seconds
    t = apart.store.tenant("acme-us").bind(SERVICE)
    with apart.catalog_faults(HOME) as faults:
        t.list()
        assert faults.statements == 0


def test_an_open_region_that_fails_hides_no_tenant_of_the_next(apart: Domicile) -> None:
    """Though it is asked first."""
    apart.homes.invalidate("acme-us")
    with apart.catalog_faults(HOME) as faults:
        faults.down = True
        faults.engine.dispose()
        assert apart.store.tenant("acme-us").put(PROMPT, BODY).stored


def test_a_region_is_opened_again_after_a_pause(domicile: Domicile) -> None:
    """Not sooner, however often it is used; and the one who tries does not hold up the others."""
    tried: list[float] = []
    now = [100.0]
    served = domicile.homes.served(HOME)

    def opener(_stack: ExitStack) -> ServedRegion:
        tried.append(now[0])
        if len(tried) == 2:
            with pytest.raises(CatalogUnavailable):
                regions.get(HOME)
        if len(tried) < 3:
            raise CatalogUnavailable
        return served

    with ExitStack() as stack:
        regions = ServedRegions({HOME: opener}, stack, clock=lambda: now[0], seconds=5.0)
        for seconds in range(12):
            now[0] = 100.0 + seconds
            try:
                assert regions.get(HOME) is served
            except CatalogUnavailable:
                assert not regions.open
    assert tried == [100.0, 105.0, 110.0]


def test_a_closed_store_opens_nothing(domicile: Domicile) -> None:
    """A region that would open while the store is closed is closed again."""
    closed: list[str] = []
    served = domicile.homes.served(HOME)

    def opener(stack: ExitStack) -> ServedRegion:
        stack.callback(closed.append, HOME)
        regions.close()
        return served

    with ExitStack() as stack:
        regions = ServedRegions({HOME: opener}, stack, clock=lambda: 0.0, seconds=5.0)
        with pytest.raises(InvalidRequest):
            regions.get(HOME)
        assert closed == [HOME]


def test_a_worker_serves_the_other_region(apart: Domicile) -> None:
    """It reports the region that did not open, and works there too when it opens."""
    with ExitStack() as stack:
        with without_keys(apart) as settings:
            homes = stack.enter_context(open_homes(settings, dependencies=apart.dependencies))
            worker = worker_of(homes, structlog.get_logger())
            ended = worker.run_round()
            assert ended.pieces["purge"] == 1  # the canary of the region that opened
            assert [*ended.failed] == [AWAY]
            with pytest.raises(SettingsError, match=AWAY):
                worker.run_once()
        ended = worker.run_round()
        assert (ended.failed, ended.pieces["purge"]) == ({}, 1)


@pytest.mark.parametrize("error", [ZeroDivisionError(), BackendUnavailable("eu-a")])
def test_a_duty_that_raises_anything(error: Exception) -> None:
    """It ends itself alone, is in the log with its region and backend, and is tried again."""
    ran: list[str] = []
    out = StringIO()

    def failing() -> int:
        ran.append("failing")
        if ran.count("failing") == 1:
            raise error
        worker.stop()
        return 0

    def working(name: str) -> Callable[[], int]:
        def piece() -> int:
            ran.append(name)
            return 0

        return piece

    todo = {
        HOME: lambda: [Duty(HOME, "one", failing), Duty(HOME, "two", working("two"))],
        AWAY: lambda: [Duty(AWAY, "three", working("three"))],
    }
    worker = Worker(todo, make_logger(out))
    with pytest.raises(type(error)):
        worker.run_once()
    assert ran == ["failing", "two", "three"]
    (line,) = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (line["event"], line["region"], line["duty"]) == ("duty_failed", HOME, "one")
    assert line["error"] == type(error).__name__
    assert line.get("backend") == getattr(error, "backend", None)
    worker.run_once()
    assert ran.count("failing") == 2


def test_a_worker_goes_on_after_an_unexpected_error() -> None:
    """Its process does not end."""
    rounds: list[int] = []

    def failing() -> int:
        rounds.append(len(rounds))
        if len(rounds) == 3:
            worker.stop()
        raise ZeroDivisionError

    worker = Worker({HOME: lambda: [Duty(HOME, "one", failing)]}, structlog.get_logger())
    worker.run_forever(pause=0.0)
    assert len(rounds) == 3


@contextmanager
def keys_away(line: CommandLine) -> Iterator[None]:
    """Take the key file of the other region of a command line away."""
    keys = line.home / "keys" / f"{AWAY}.toml"
    aside = keys.rename(keys.with_suffix(".aside"))
    try:
        yield
    finally:
        aside.rename(keys)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (("status",), "regions"),
        (("worker", "--once"), "pieces"),
        (("worker", "--dry-run"), "due"),
        (("tenant", "list"), "tenants"),
        (("erasure", "list"), "erasures"),
        (("hold", "list"), "holds"),
        (("processor", "list"), "processors"),
        (("processor", "copies"), "copies"),
        (("scrub", "--rate", "1000"), "backends"),
        (("recover",), "regions"),
    ],
)
def test_a_command_reports_the_region_that_failed(
    line: CommandLine, command: tuple[str, ...], field: str
) -> None:
    """The other region's part is shown, and the exit code is that of the error."""
    with keys_away(line):
        shown = line(*command)
        result = line(*command, "--json")
        told = json.loads(result.stdout)
        (failed,) = told["failed"]

    assert result.exit_code == shown.exit_code == Exit.CONFIGURATION
    assert (failed["region"], failed["code"]) == (AWAY, "SettingsError")
    assert field in told
    assert f"Failed: {AWAY}" in shown.stderr
    assert line.told(*command)["failed"] == []


def test_a_command_about_a_tenant_of_the_other_region(line: CommandLine) -> None:
    """It does not notice."""
    ensure_tenant(line, "acme-us", AWAY, "US")
    with keys_away(line):
        record = line.put("mine")
        assert [one["id"] for one in line.told("list", "acme-eu")["records"]] == [record]
        code, error = line.error("list", "acme-us")
    assert (code, error["code"]) == (Exit.CONFIGURATION, "SettingsError")
    assert AWAY in error["message"]

"""Many days: customers write and erase, backends fail for hours to weeks, workers are killed.

After each round of the worker, what the backends have is compared with the bound that the
configuration promises, and some records are read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from random import Random

from regions.model import Topology
from storage.cli.commands.status import late
from storage.errors import (
    DomicileError,
    Erased,
    Expired,
    LedgerUnwritten,
    NotFound,
    Unavailable,
)
from storage.logs import make_logger
from storage.model import (
    DataClass,
    ErasureState,
    NewRecord,
    Purpose,
    PutFailure,
    Reason,
    RecordId,
    Scope,
)
from storage.policy import (
    Pace,
    erasure_lateness,
    expiry_lateness,
    shortened_lateness,
    term_now,
)
from storage.region import Limits
from storage.testing import SERVICE, Domicile, FakeClock, FaultyBackend
from storage.testing.harness import Server
from tests.support.inspect.stored import ciphertexts, contents

HOME = "eu-central-1"
TENANTS = {"month": 30, "week": 7, "short": 2}  # days for which each keeps its records
LONGEST, SHORTENED = "month", 7  # the tenant that sometimes keeps them for fewer
SUBJECTS = 12
_ROUND = timedelta(hours=2)
_BOUND_OF_ROUND = _ROUND + timedelta(seconds=30)  # the clock moves a little by itself
_LONGEST_OUTAGE = timedelta(days=20)
_GONE = (Erased, Expired, NotFound)


START = datetime(2027, 12, 1, tzinfo=UTC)  # 2028 has a 29th of February


@contextmanager
def one_region(server: Server) -> Iterator[Domicile]:
    """Open a new Domicile of the home region alone, in memory, on a day of 2027."""
    settings = server.make()
    alone = settings.model_copy(update={"regions": {HOME: settings.regions[HOME]}})
    made = Domicile(
        alone, limits=Limits(linger=0), clock=FakeClock(START), log=make_logger(StringIO())
    )
    made.open()
    yield made
    made.close()


class Killed(BaseException):
    """Ends a worker at once. No handler catches it."""


@dataclass(slots=True)
class Kept:
    """A record that was acknowledged."""

    tenant: str
    id: RecordId
    body: bytes
    subject: str
    readable_until: datetime | None


@dataclass(slots=True)
class Early:
    """What a shortened retention ends before the day of its id: its bytes, and when it ends."""

    kept: Kept
    sealed: bytes
    ends: datetime


@dataclass(slots=True)
class Tally:
    """Counts what happened, and how late the latest was."""

    counts: Counter[str] = field(default_factory=Counter)
    latest_expiry: timedelta = timedelta()  # with every backend up since the day began
    latest_return: timedelta = timedelta()  # after a backend came back
    latest_erasure: timedelta = timedelta()
    latest_shortened: timedelta = timedelta()
    violations: list[str] = field(default_factory=list)


class Life:
    """One region, from its first day on."""

    def __init__(self, domicile: Domicile, seed: int) -> None:
        self.domicile, self.random = domicile, Random(seed)
        self.tally = Tally()
        topology: Topology = domicile.homes.served(HOME).region.topology
        region, pauses = topology.regions[HOME], Pace.with_pause(_BOUND_OF_ROUND.total_seconds())
        self.expiry = expiry_lateness(region, topology.bounds, pauses)
        self.erasure = erasure_lateness(region, topology.bounds, pauses)
        self.shortened = shortened_lateness(region, topology.bounds, pauses)
        self.topology = topology
        self.backends = {spec.name: domicile.backends[spec.name] for spec in region.backends}
        self.since = dict.fromkeys(self.backends, self.now)  # up, with a worker that may destroy
        self.returns = dict.fromkeys(self.backends, self.now)
        self.stopped_until = self.now
        self.kept: list[Kept] = []
        self.early: list[Early] = []
        self.erased: dict[str, datetime] = {}
        for tenant, days in TENANTS.items():
            retention = {DataClass.PROMPT: days, DataClass.COMPLETION: days}
            domicile.tenant(tenant, retention=retention)

    @property
    def now(self) -> datetime:
        """Return the time."""
        return self.domicile.clock.now()

    def live(self, days: int) -> Tally:
        """Live so many days, bring all backends up, finish all work, and return the tally."""
        end = self.now + timedelta(days=days)
        while self.now < end:
            self._round(quiet=False)
        for name in self.backends:
            self._bring_back(name)
        self.domicile.clock.machine_ahead = timedelta()
        for _ in range(timedelta(days=5) // _ROUND):
            self._round(quiet=True)
        self._all_complete()
        return self.tally

    def _round(self, *, quiet: bool) -> None:
        self.domicile.clock.advance(_ROUND)
        self._trouble(quiet=quiet)
        if not quiet:
            self._customers()
        self._work()
        self._look_at_bytes()
        self._look_at_erasures()
        self._look_at_shortened()
        self._read()

    def _customers(self) -> None:
        for tenant in TENANTS:
            if self.random.random() < 0.3:
                self._write(tenant)
        if self.random.random() < 0.06:
            self._erase(self.random.choice(list(TENANTS)))
        if self.random.random() < 0.02 and not any(b.down for b in self.backends.values()):
            self._change_retention()

    def _change_retention(self) -> None:
        """Let the tenant that keeps its prompts for longest keep them for a week, or as before."""
        tenants = self.domicile.store.admin.tenants
        known = tenants.get(LONGEST)
        days = SHORTENED if known.retention[DataClass.PROMPT] != SHORTENED else TENANTS[LONGEST]
        own = {**known.retention, DataClass.PROMPT: days}  # its packs have completions, too
        tenants.ensure(replace(known, retention=own))
        some = [kept for kept in self.kept if kept.tenant == LONGEST]
        if days == SHORTENED:
            self.tally.counts["retentions shortened"] += 1
            for kept in some:
                self._end_earlier(kept, own)
            return
        # what has ended is there again if no worker has acted yet: nothing is asked of it
        over = [early.kept for early in self.early if early.ends <= self.now]
        self.kept = [kept for kept in self.kept if kept not in over]
        self.early = []
        for kept in some:
            kept.readable_until = None if kept.id.day is None else midnight(kept.id.day)

    def _end_earlier(self, kept: Kept, own: Mapping[DataClass, int]) -> None:
        """Note when a record ends by the retention of now, and what its bytes are."""
        term = term_now(self.topology, own, kept.id)
        if term.readable_until is None or term.readable_until == kept.readable_until:
            return
        kept.readable_until = term.readable_until
        (sealed,) = ciphertexts(self.domicile, kept.id)
        self.early.append(Early(kept, sealed, max(term.readable_until, self.now)))

    def _write(self, tenant: str) -> None:
        t = self.domicile.store.tenant(tenant).bind(SERVICE)
        wishes = [
            NewRecord(
                self.random.choice([DataClass.PROMPT, DataClass.COMPLETION]),
                self.random.randbytes(self.random.randrange(1, 200)),
                subject=f"u{self.random.randrange(SUBJECTS)}",
            )
            for _ in range(self.random.randrange(1, 6))
        ]
        for wish, result in zip(wishes, t.put_many(wishes), strict=True):
            if isinstance(result, PutFailure):
                self.tally.counts["writes refused"] += 1
                continue
            self.tally.counts["records"] += 1
            until = None if result.id.day is None else midnight(result.id.day)
            self.kept.append(Kept(tenant, result.id, wish.body, wish.subject or "", until))

    def _erase(self, tenant: str) -> None:
        t, subject = (
            self.domicile.store.tenant(tenant).bind(SERVICE),
            f"u{self.random.randrange(SUBJECTS)}",
        )
        try:
            erasure = t.erase(Scope.subject(subject), reason=Reason.SUBJECT_REQUEST)
        except LedgerUnwritten:
            self.tally.counts["erasures refused"] += 1
            return
        self.tally.counts["erasures"] += 1
        self.erased[str(erasure.id)] = self.now
        self.kept = [k for k in self.kept if (k.tenant, k.subject) != (tenant, subject)]

    def _trouble(self, *, quiet: bool) -> None:
        for name, backend in self.backends.items():
            if backend.down and self.now >= self.returns[name]:
                self._bring_back(name)
            elif not quiet and not backend.down and self.random.random() < 0.008:
                backend.down = True
                outage = _LONGEST_OUTAGE * self.random.random() ** 4 + timedelta(minutes=30)
                self.returns[name] = self.now + outage
                self.tally.counts["outages"] += 1
        clock = self.domicile.clock
        if clock.machine_ahead and self.now >= self.stopped_until:
            clock.machine_ahead = timedelta()
            self.since = dict.fromkeys(self.since, self.now)
        elif not quiet and not clock.machine_ahead and self.random.random() < 0.002:
            clock.machine_ahead = timedelta(hours=self.random.choice([-30, 2, 700]))
            self.stopped_until = self.now + timedelta(hours=self.random.randrange(1, 60))
            self.tally.counts["clocks apart"] += 1

    def _bring_back(self, name: str) -> None:
        self.backends[name].down = False
        self.since[name] = self.now

    def _work(self) -> None:
        """Run a round of the worker, which may be killed in the middle of a purge."""
        if self.random.random() < 0.02:
            after = self.random.randrange(1, 4)
            for backend in self.backends.values():
                backend.fail_before["purge"] = killing(after)
        try:
            self.domicile.run_worker()
        except Killed:
            self.tally.counts["workers killed"] += 1
        except DomicileError:
            self.tally.counts["rounds that failed"] += 1
        for backend in self.backends.values():
            backend.fail_before.pop("purge", None)

    def _look_at_bytes(self) -> None:
        overdue = False
        for name, backend in self.backends.items():
            if self.domicile.clock.machine_ahead:
                overdue = False
                break
            for day in days_held(backend):
                over = self.now - midnight(day)
                overdue |= over > self.expiry.at_most
                if backend.down or over <= timedelta():
                    continue
                since_up = self.now - self.since[name]
                waited = min(over, since_up)
                if waited > self.expiry.at_most:
                    self._blame(f"{name} holds bytes of {day}, {waited} after they had to go")
                elif over <= since_up:
                    self.tally.latest_expiry = max(self.tally.latest_expiry, waited)
                else:
                    self.tally.latest_return = max(self.tally.latest_return, waited)
        if overdue and not late(self.domicile.store.status().regions[0]):
            self._blame(f"at {self.now} bytes are overdue, and the status does not say so")

    def _look_at_erasures(self) -> None:
        up_since = max(self.since.values())
        trouble = any(b.down for b in self.backends.values()) or self.domicile.clock.machine_ahead
        for erasure, asked in list(self.erased.items()):
            if self.domicile.store.erasure(erasure).state is ErasureState.COMPLETE:
                took = self.now - asked
                if up_since <= asked:
                    self.tally.latest_erasure = max(self.tally.latest_erasure, took)
                del self.erased[erasure]
            elif not trouble and self.now - max(asked, up_since) > self.erasure.at_most:
                self._blame(f"erasure {erasure} is open {self.now - max(asked, up_since)} later")

    def _look_at_shortened(self) -> None:
        """Look for the bytes of what a shortened retention has ended."""
        up_since = max(self.since.values())
        trouble = any(b.down for b in self.backends.values()) or self.domicile.clock.machine_ahead
        over = [early for early in self.early if early.ends <= self.now]
        every = (contents(backend.inner) for backend in self.backends.values() if over)
        held = b"".join(data for some in every for data in some)
        for early in over:
            took = self.now - max(early.ends, up_since)
            if early.sealed not in held:
                self.early.remove(early)
                self.tally.counts["records that ended early"] += 1
                if up_since <= early.ends:
                    self.tally.latest_shortened = max(self.tally.latest_shortened, took)
            elif not trouble and took > self.shortened.at_most:
                self.early.remove(early)
                self._blame(f"bytes of {early.kept.id} are there {took} after it had ended")

    def _all_complete(self) -> None:
        if self.erased:
            self._blame(f"{len(self.erased)} erasures are not complete at the end")

    def _read(self) -> None:
        """Require that expired records are unreadable at once, and others readable."""
        over = [k for k in self.kept if k.readable_until and k.readable_until <= self.now]
        for kept in over:
            self._expect(kept, gone=True)
        self.kept = [k for k in self.kept if k not in over]
        for kept in self.random.sample(self.kept, min(2, len(self.kept))):
            self._expect(kept, gone=False)

    def _expect(self, kept: Kept, *, gone: bool) -> None:
        self.tally.counts["reads"] += 1
        try:
            body = (
                self.domicile.store.tenant(kept.tenant)
                .bind(SERVICE)
                .get(kept.id, purpose=Purpose.SERVE)
                .body
            )
        except _GONE as error:
            if not gone:
                self._blame(f"{kept.id} is lost: {error.code}")
            return
        except Unavailable:
            if gone or not any(b.down for b in self.backends.values()):
                self._blame(f"{kept.id} cannot be read, though nothing is down")
            return
        if gone:
            self._blame(f"{kept.id} is readable at {self.now}, until {kept.readable_until}")
        elif body != kept.body:
            self._blame(f"{kept.id} has another body")

    def _blame(self, what: str) -> None:
        if len(self.tally.violations) < 20:
            self.tally.violations.append(what)


def killing(after: int) -> "_Killing":
    """Return a fault that kills the worker at the n-th call."""
    return _Killing(after)


@dataclass(slots=True)
class _Killing:
    left: int

    def __call__(self, key: str) -> None:
        """Raise what is no BackendError, which would be handled."""
        self.left -= 1
        if self.left <= 0:
            raise Killed


def midnight(day: date) -> datetime:
    """Return the begin of a UTC day."""
    return datetime.combine(day, time.min, UTC)


def days_held(backend: FaultyBackend) -> Iterator[date]:
    """Return the expiry days of what the backend has, from its keys."""
    days = {trace.key.split("/")[1] for trace in backend.inner.scan("")}
    return (date.fromisoformat(day) for day in sorted(days - {"kept"}) if day[:2] == "20")

"""``Tenant``: the records of one tenant. No method takes a tenant id."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import chain
from uuid import UUID

from storage.catalog import objects, records, training
from storage.client.explaining import explain_purpose
from storage.client.files import OpenFile
from storage.client.grants import approve_for_customer
from storage.client.homes import Homes
from storage.client.lines import check_login, facts_of
from storage.client.listings import Listings
from storage.client.objections import history, object_to, withdraw
from storage.client.recorded import RecordedRead
from storage.client.regions import ServedRegion
from storage.client.screening import check_screening, moments_of
from storage.client.training import Models, check_tuning
from storage.client.validate import (
    Id,
    as_id,
    as_uuid,
    check_bound,
    check_day,
    check_erasure,
    check_objection,
    check_processor,
    check_purpose,
)
from storage.errors import DomicileError, InvalidRequest, NotFound
from storage.ledger.fence import Sleep, fence
from storage.ledger.handover import hand_over
from storage.meters import Timed
from storage.model import (
    Actor,
    Classifier,
    DataClass,
    Erasure,
    Explanation,
    FineTuning,
    Flag,
    GetFailure,
    Grant,
    HandedOver,
    Objection,
    ObjectionEffect,
    Purpose,
    PurposeExplanation,
    Reason,
    Record,
    RecordId,
    Replica,
    ReplicaState,
    Scope,
    Screened,
    ScreenFailure,
)
from storage.packs.openings import for_flags, term_of_found
from storage.packs.reader import Reader
from storage.packs.screen import Screener, Screening
from storage.policy import decide_placement
from storage.training.tuning import note_tuning


class Tenant(Listings):
    """Writes, lists and erases the records of one tenant. Thread-safe; see ``Store.tenant``.

    Arguments that several methods share:

    - ``id``: a RecordId, or its text form.
    - ``subject``, ``group``: the end user and the conversation that a record is about; a string of
      one character or more. The catalog stores pseudonyms of them.
    - ``metadata``: a JSON object of at most 4 KiB, encrypted like the body and returned with it.
    - ``derived_from``: ids of records of this tenant. The new record inherits their subject and
      group, and is erased with them where the topology says so. A record that was not stored, as
      under zero retention, cannot be a parent (LineageConflict): pass ``subject`` and ``group``
      instead.
    - ``origin``: where data from before Domicile comes from. Its retention and the ceiling of its
      epoch count from that date; OriginRefused if it is past its end by then.

    Every method may raise InvalidRequest or a subclass (MalformedId, UnknownClass, ...) for a
    malformed argument, WrongRegion if the tenant's home is elsewhere, and CatalogUnavailable.

    Writes also raise Refused (``reasons`` says why), Erased, Unavailable (nothing was stored: try
    again) or OutcomeUnknown (repeat the call with the same id).

    Nothing here opens a record: that needs an actor. See ``bind``.
    """

    def erase(self, scope: Scope, *, reason: Reason, ticket: str | None = None) -> Erasure:
        """Erase a record, a subject, a group, or the whole tenant.

        On return, nothing of it can be read. Workers then delete the rows and the bytes; follow
        that with ``Store.erasure``. ``ticket`` is your own reference of at most 200 characters,
        which the catalog keeps: put no personal data in it.

        The region's ledger records the erasure first, so that a restored catalog knows it. Raises
        LedgerUnwritten or Abandoned (nothing is erased: try again), and CatalogUnavailable if the
        answer was lost (repeat the call, or look at ``Store.erasures``).
        """
        check_erasure(scope, reason, ticket)
        region = self._homes.find(self.id)[0].region
        with Timed(region.meters, region.name, "erase"):
            return fence(region, self.id, scope, reason=reason, ticket=ticket, sleep=self._sleep)

    def delete(
        self, id: Id, *, reason: Reason = Reason.CUSTOMER_REQUEST, ticket: str | None = None
    ) -> Erasure:
        """Erase a record, and what derives from it: ``erase`` for one id.

        A record that is not there, or was erased before, is erased all the same.
        """
        return self.erase(Scope.record(as_id(id)), reason=reason, ticket=ticket)

    def explain(self, id: Id) -> Explanation:
        """Return where a record is stored, why there, for how long, and for what it was used.

        Raises NotFound.
        """
        record_id = as_id(id)
        served, terms = self._homes.find(self.id)
        region = served.region
        with region.catalog.begin() as connection:
            found = records.find(connection, self.id, record_id)
            if found is None or found.fenced:
                raise NotFound(advice="Check the id and the tenant.")
            stored = objects.replicas_of(connection, [found.row.object_id], list(ReplicaState))
            uses = training.uses_of(connection, self.id, record_id)
        placement = decide_placement(
            region.topology,
            terms.spec,
            record_id.data_class,
            region.clock.now().date(),
            region.postures.unfit(),
            objections=terms.objections,
        )
        term = term_of_found(region, found)
        replicas = [Replica(r.backend, r.state) for r in stored.get(found.row.object_id, [])]
        return Explanation(
            found.row.id,
            placement.verdicts,
            tuple(replicas),
            term.readable_until,
            term.deadline,
            tuple(uses),
            found.row.taken_from,
        )

    def explain_purpose(
        self, id: Id, *, purpose: Purpose, at: date | None = None
    ) -> PurposeExplanation:
        """Return whether a record may be used for a purpose on a UTC day, and every reason.

        ``at``: None for today. Nothing is opened, and no actor is asked for: ``openers`` of the
        answer says who could. Raises NotFound or Erased if nothing is left of it.
        """
        record_id = as_id(id)
        check_purpose(purpose)
        check_day(at)
        served, terms = self._homes.find(self.id)
        return explain_purpose(served.region, terms, record_id, purpose, at)

    def object(self, company: str, *, by: str, ticket: str) -> ObjectionEffect:
        """Object to a sub-processor: nothing of the tenant goes there any more.

        Return what that means. What is stored there is moved elsewhere, and copies there are asked
        back: follow that with ``objections``. ``by`` is the opaque id of who decided it for the
        customer, and ``ticket`` your own reference; each has at most 200 characters. A repetition
        changes nothing.

        Raises ObjectionRefused, before anything is changed, if the company is unknown, if too few
        places would be left, or if it runs the region's database, keys or backups: then only a
        home in another region helps, and the advice names those.
        """
        check_objection(company, by, ticket)
        served, _ = self._homes.find(self.id)
        effect = object_to(served.region, self.id, company, by=by, ticket=ticket)
        self._homes.invalidate(self.id)
        return effect

    def withdraw(self, company: str, *, by: str, ticket: str) -> None:
        """Withdraw an objection: the company may get new data of the tenant again.

        What was moved stays where it is. Raises ObjectionRefused if there is none.
        """
        check_objection(company, by, ticket)
        served, _ = self._homes.find(self.id)
        withdraw(served.region, self.id, company, by=by, ticket=ticket)
        self._homes.invalidate(self.id)

    def objections(self) -> Sequence[Objection]:
        """Return all objections of the tenant, oldest first, and what is left at the companies."""
        served, _ = self._homes.find(self.id)
        return history(served.region, self.id)

    @property
    def models(self) -> Models:
        """The models that are fine-tuned for this tenant alone."""
        return Models(self._homes, self.id)

    def approve(self, grant: UUID | str, *, by: str) -> Grant:
        """Approve a grant for the customer, which some grants need besides a second person's.

        ``by`` is the opaque id of the customer's own actor. Raises GrantRefused, or NotFound if the
        tenant has no such grant.
        """
        served, _ = self._homes.find(self.id)
        return approve_for_customer(served.region, self.id, grant, by)

    def bind(self, actor: Actor, *, grant: UUID | str | None = None) -> "BoundTenant":
        """Return the same tenant for an actor, who may then open records.

        A service binds it once, to itself. A person needs a ``grant`` for it. Raises
        InvalidRequest if these are not an Actor and the id of a grant.
        """
        number = None if grant is None else as_uuid(grant, "a grant")
        return BoundTenant(self._homes, self.id, self._sleep, check_bound(actor), number)


class BoundTenant(Tenant):
    """A tenant, and the actor that opens its records. Thread-safe; get one from ``Tenant.bind``.

    What a person opens is in the region's log before it is returned, and so is a refusal.

    Opening also raises NotFound, Erased, Expired, PurposeRefused, Unavailable, KeyUnavailable or
    Corrupt. The id of another tenant's record raises NotFound.
    """

    def __init__(
        self, homes: Homes, tenant: str, sleep: Sleep, actor: Actor, grant: UUID | None
    ) -> None:
        """Use ``Tenant.bind`` instead."""
        super().__init__(homes, tenant, sleep)
        self.actor = actor
        self.grant = grant

    def get(self, id: Id, *, purpose: Purpose, tuning: FineTuning | None = None) -> Record:
        """Return a record with its body and metadata.

        For ``fine_tune``, ``tuning`` names the job and the model, which must be the tenant's own
        (ModelRefused). What was used for which model is noted first, and ``explain`` shows it.
        """
        record_id = as_id(id)
        return self._reader(record_id, purpose, tuning).get(self.id, record_id)

    def get_many(self, ids: Iterable[Id], *, purpose: Purpose) -> Iterator[Record | GetFailure]:
        """Return many records, in the order of their ids. Each is decided and noted as by ``get``.

        Each is read when it is asked for: what was read ahead could be erased by then. One that may
        not be opened, or fails, yields a GetFailure and does not stop the others.
        """
        for one in ids:
            try:
                found: Record | GetFailure = self.get(one, purpose=purpose)
            except DomicileError as error:
                found = GetFailure(one, error)
            yield found

    def open(self, id: Id, *, purpose: Purpose, tuning: FineTuning | None = None) -> OpenFile:
        """Open a record of any size, to read it in ranges. ``tuning``: as for ``get``."""
        record_id = as_id(id)
        reader = self._reader(record_id, purpose, tuning)
        return OpenFile(reader, self.id, reader.metadata(self.id, record_id))

    def screen(
        self,
        classifier: Classifier,
        *,
        data_class: DataClass = DataClass.PROMPT,
        day: date | None = None,
        after: Id | None = None,
        limit: int | None = None,
    ) -> Iterator[Screened | ScreenFailure]:
        """Show records to a classifier, oldest first, and keep its flags. Yield those, no content.

        For machines of the roster alone. ``day``: those minted on that UTC day. ``limit``: at most
        so many. To go on, pass the last id as ``after``. A record of more than 16 MiB, or one that
        cannot be read, yields a ScreenFailure and does not stop the others.

        Flags are written some records at a time, before their results are yielded. What one version
        of a classifier said of a record first, stands: to repeat a screening changes nothing. If
        the classifier raises, the records before are done, and the error is raised.

        In one process it is a rule, and no wall, that content goes to the classifier alone.
        """
        batches = self.screen_batches(
            classifier, data_class=data_class, day=day, after=after, limit=limit
        )
        return chain.from_iterable(batches)

    def screen_batches(
        self,
        classifier: Classifier,
        *,
        data_class: DataClass = DataClass.PROMPT,
        day: date | None = None,
        after: Id | None = None,
        limit: int | None = None,
    ) -> Iterator[Sequence[Screened | ScreenFailure]]:
        """Return the batches whose results ``screen`` yields."""
        check_screening(classifier, data_class, day, limit)
        last = None if after is None else as_id(after)
        minted = (None, None) if day is None else moments_of(day)
        served = self._homes.find(self.id)[0]
        self._check_login(served, None, Purpose.ABUSE_SCREENING)
        screening = Screening(self.actor, self.id, classifier, data_class, minted)
        return Screener(served.region, served.keys, screening).batches(last, limit)

    def flags(self, id: Id, *, purpose: Purpose) -> Sequence[Flag]:
        """Return what classifiers say of a record.

        For whoever may open the record for that purpose, if ``classes.toml`` names the purpose for
        the class ``flag``: in the example not for ``serve``.
        """
        record_id = as_id(id)
        check_purpose(purpose)
        served = self._homes.find(self.id)[0]
        self._check_login(served, record_id, purpose)
        if self.actor.staff:
            read = RecordedRead(served, self.id, self.actor, purpose, self.grant, flags=True)
            return read.reader(record_id).flags(self.id, record_id)
        find = for_flags(served.region, self.actor, purpose)
        return Reader(served.region, served.keys, find).flags(self.id, record_id)

    def hand_over(self, id: Id, processor: str) -> HandedOver:
        """Give a processor a copy of a record's body, of at most 16 MiB.

        The topology says which class may go to which service. The processor receives an id of the
        copy and the content, and learns nothing of the tenant, the subject or the record. Each
        call makes another copy. A copy lives for 30 days at most, and never longer than its
        record; Domicile then asks the processor to delete it.

        The region's ledger records the copy first, so that a restored catalog knows it. Raises
        LedgerUnwritten or Abandoned (nothing was sent: try again), HandOverRefused, BodyTooLarge,
        and ProcessorError (the copy may have arrived, so its deletion is requested).
        """
        record_id = as_id(id)
        check_processor(processor)
        served, terms = self._homes.find(self.id)
        self._check_login(served, record_id, "hand_over")
        return hand_over(
            served.region,
            served.keys,
            self.actor,
            terms,
            record_id=record_id,
            processor=processor,
        )

    def _reader(self, record_id: RecordId, purpose: Purpose, tuning: FineTuning | None) -> Reader:
        check_purpose(purpose)
        served, _ = self._homes.find(self.id)
        self._check_login(served, record_id, purpose)
        if purpose is Purpose.FINE_TUNE and not self.actor.staff:
            self._note(record_id, check_tuning(tuning))
        elif tuning is not None and purpose is not Purpose.FINE_TUNE:
            raise InvalidRequest("tuning is for fine_tune alone.", advice="Leave it out.")
        if self.actor.staff:
            read = RecordedRead(served, self.id, self.actor, purpose, self.grant)
            return read.reader(record_id)
        return served.reader(self.actor, purpose)

    def _check_login(self, served: ServedRegion, record_id: RecordId | None, why: str) -> None:
        record = {} if record_id is None else {"record": str(record_id)}
        check_login(served.region, self.actor, {**facts_of(self.actor, self.id, why), **record})

    def _note(self, record_id: RecordId, tuning: FineTuning) -> None:
        """Note for which job and model a file is read, if it may be."""
        region = self._homes.find(self.id)[0].region
        note_tuning(region, self.actor, tuning, tenant=self.id, record_id=record_id)

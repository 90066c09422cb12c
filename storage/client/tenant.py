"""``Tenant``: the records of one tenant. No method takes a tenant id."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import chain, islice
from uuid import UUID

from storage.catalog import objects, records, training
from storage.client.explaining import explain_purpose
from storage.client.export import archive, check_export
from storage.client.files import OpenFile
from storage.client.grants import approve_for_customer
from storage.client.homes import Homes
from storage.client.lines import check_login, facts_of
from storage.client.listed import Opening
from storage.client.listings import Listings, Wanted
from storage.client.objections import history, object_to, withdraw
from storage.client.recorded import RecordedRead
from storage.client.regions import ServedRegion
from storage.client.screening import check_screening, moments_of
from storage.client.training import Models, check_tuning
from storage.client.validate import (
    PAGE,
    Id,
    as_id,
    as_uuid,
    check_bound,
    check_day,
    check_erasure,
    check_limit,
    check_metadata,
    check_objection,
    check_processor,
    check_purpose,
    check_version,
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
    Page,
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
from storage.packs.many import MOST_IDS, Answer, Many
from storage.packs.metadata import replace_metadata
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

    def list(  # noqa: PLR0913 - each narrows it
        self,
        *,
        data_class: DataClass | None = None,
        subject: str | None = None,
        group: str | None = None,
        flagged: bool | None = None,
        minted_from: datetime | None = None,
        minted_to: datetime | None = None,
        newest_first: bool = False,
        after: Id | None = None,
        limit: int = 100,
        purpose: Purpose | None = None,
    ) -> Page:
        """Return a page, as ``Tenant.list`` does; with a ``purpose``, open what is listed.

        Then ``listed`` of each row has those keys of its metadata that ``classes.toml`` declares as
        listed for its class. Each row is decided as by ``get``, and the first that may not be
        opened, or fails, raises that error. A person gets each record alone, with ``get``, and so
        does who reads for ``fine_tune``, ``legal`` or ``subject_request``: InvalidRequest.
        """
        check_limit(limit)
        wanted = Wanted(data_class, subject, group, flagged, minted_from, minted_to)
        opening = None
        if purpose is not None:
            opening = Opening(self._homes.find(self.id)[0], self.id, self.actor, purpose)
            opening.check()
        return self._page(wanted, after, limit, newest=newest_first, opening=opening)

    def get(self, id: Id, *, purpose: Purpose, tuning: FineTuning | None = None) -> Record:
        """Return a record with its body and metadata.

        For ``fine_tune``, ``tuning`` names the job and the model, which must be the tenant's own
        (ModelRefused). What was used for which model is noted first, and ``explain`` shows it.
        """
        record_id = as_id(id)
        return self._reader(record_id, purpose, tuning).get(self.id, record_id)

    def get_many(self, ids: Iterable[Id], *, purpose: Purpose) -> Sequence[Record | GetFailure]:
        """Return up to 1000 records, in the order of their ids, for ``serve``.

        All are decided at one moment, as by ``get``, and those that are near each other are read
        together. One that may not be opened, or fails, is a GetFailure and does not stop the
        others. So is one that does not fit beside those before it, which have 64 MiB together
        (AnswerFull), and one for which 30 seconds did not suffice (Unavailable): ask for it in
        another call.

        InvalidRequest for a person and for other purposes: there each read is noted.
        """
        given = list(islice(ids, MOST_IDS + 1))
        if len(given) > MOST_IDS:
            raise InvalidRequest(f"These are more than {MOST_IDS} ids.", advice="Give fewer.")
        check_purpose(purpose)
        if purpose is not Purpose.SERVE or self.actor.staff:
            raise InvalidRequest(
                "Many records are read for serve, and not by a person.",
                advice="Get each record.",
            )
        served = self._homes.find(self.id)[0]
        self._check_login(served, None, purpose)
        known = [_id_or_error(one) for one in given]
        reader = served.reader(self.actor, purpose)
        many = Many(served.region, served.keys, self.id, self.actor, purpose, reader)
        answers = iter(many.read([one for one in known if isinstance(one, RecordId)]))
        return [
            _result(i, next(answers) if isinstance(one, RecordId) else one)
            for i, one in zip(given, known, strict=True)
        ]

    def export(self, subject: str, *, purpose: Purpose) -> Iterator[bytes]:
        """Return what is kept of a subject, as a ZIP that is made while it is read.

        ``records.jsonl`` has a line for each record, with its metadata and its body; ``files`` has
        each file, and beside it what is known of it. Each record is decided and noted as by
        ``open``, for ``serve`` or ``subject_request``. One that is erased, or expires, before its
        turn is left out, and so may be one that is written meanwhile. Any other error is raised:
        what was read by then is no ZIP.
        """
        check_export(subject, purpose)

        def pages(data_class: DataClass | None, after: RecordId | None) -> Page:
            return self.list(data_class=data_class, subject=subject, after=after, limit=PAGE)

        return archive(pages, lambda record_id: self.open(record_id, purpose=purpose))

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

    def update_metadata(self, id: Id, metadata: Mapping[str, object], *, version: int) -> int:
        """Replace all metadata of a record, for ``serve``. Return the version of the new ones.

        ``version``: that of those that you replace, ``info.metadata_version``. If they were
        replaced meanwhile, it raises MetadataConflict; the same call again changes nothing. A
        retried ``put`` is compared with what was written first. Raises InvalidRequest for an event,
        Refused while the record is kept as it is, and CatalogUnavailable if the answer was lost:
        repeat the call.
        """
        record_id = as_id(id)
        check_metadata(metadata)
        check_version(version)
        reader = self._reader(record_id, Purpose.SERVE, None)
        region = self._homes.find(self.id)[0].region
        return replace_metadata(
            region, reader, self.id, record_id, metadata=metadata, version=version
        )

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


def _id_or_error(given: Id) -> RecordId | DomicileError:
    try:
        return as_id(given)
    except DomicileError as error:
        return error


def _result(given: Id, answer: Answer) -> Record | GetFailure:
    return answer if isinstance(answer, Record) else GetFailure(given, answer)

"""``store.training``, ``store.training_runs`` and ``Tenant.models``."""

from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from storage.catalog import training
from storage.client.hold_checks import check_digest
from storage.client.homes import Homes
from storage.client.lines import check_login, facts_of
from storage.client.validate import (
    check_actor,
    check_bound,
    check_class,
    check_note,
    check_tenant_id,
)
from storage.errors import InvalidRequest, NotFound
from storage.model import (
    DataClass,
    Exclusion,
    ExclusionList,
    FineTuning,
    Purpose,
    TenantModel,
    TrainingRecord,
    utc,
)
from storage.region import OpenRegion
from storage.training.admission import check_machine
from storage.training.exclusions import confirm_deleted, excluded, is_known
from storage.training.reading import Reading, Trainer
from storage.training.tuning import add_model


class Training:
    """A training read: records of one tenant or several, for a run. Get one from the store.

    Iterate over it once, in one thread, and close it, or use it as a context manager. Each record
    is decided when it is handed out: what is not consented to, erased, expired, flagged or under a
    legal hold is left out, and counted in ``skipped``; so is what no backend has any more as it was
    written (``unreadable``). What is handed out is noted first.

    Iterating raises PurposeRefused if the machine may open nothing for training, and Unavailable or
    KeyUnavailable if something may answer again in a moment: what came before stays handed out.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        """Use ``Store.training`` instead."""
        self._trainers = trainers
        self._records = self._read()
        self._manifests: list[str] = []

    def __iter__(self) -> Iterator[TrainingRecord]:
        """Yield the records, of one tenant after the other."""
        return self._records

    @property
    def manifests(self) -> Sequence[str]:
        """The signed lines of the manifest, one for each tenant of which something was read.

        Each comes after the ``entry`` of the tenant's records in the text of the manifest. The last
        one is there once everything was read, or the read was closed. There is none if the read was
        closed before anybody asked for its first record.
        """
        return tuple(self._manifests)

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many records were left out so far, by reason."""
        return dict(sum((x.skipped for x in self._trainers), Counter[str]()))

    def close(self) -> None:
        """End the read, and sign what was handed out."""
        self._records.close()

    def _drop_last(self) -> None:
        """Leave out of the manifest a record that nobody received. Before ``close``."""
        for trainer in self._trainers:
            trainer.drop_last()

    def _read(self) -> Generator[TrainingRecord, None, None]:
        for trainer in self._trainers:
            check_machine(trainer.region, trainer.reading.actor, trainer.reading.tenant)
            try:
                yield from trainer.records()
            finally:
                self._manifests.append(trainer.manifest())

    def __enter__(self) -> Self:
        """Return the read."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the read."""
        self.close()


def start_training(
    homes: Homes,
    tenants: str | Collection[str],
    *,
    run: object,
    actor: object,
    classes: Collection[DataClass],
    since: datetime | None,
    until: datetime | None,
) -> Training:
    """Return a training read. Raises InvalidRequest, UnknownClass, UnknownTenant or WrongRegion."""
    name, machine = _run(run), check_bound(actor)
    if name != name.strip():
        raise InvalidRequest("The run must not begin or end with a space.")
    _check_asked(tenants, classes, since, until)
    given = [tenants] if isinstance(tenants, str) else list(dict.fromkeys(tenants))
    trainers = []
    for tenant in given:
        served, _ = homes.find(tenant)
        region = served.region
        check_login(region, machine, facts_of(machine, tenant, Purpose.TRAIN))
        now = region.clock.now()
        reading = Reading(
            region.new_uuid(now),
            name,
            machine,
            tenant,
            tuple(dict.fromkeys(classes)),
            now,
            None if since is None else utc(since),
            None if until is None else utc(until),
        )
        trainers.append(Trainer(region, served.keys, reading))
    return Training(trainers)


def _check_asked(tenants: object, classes: object, since: object, until: object) -> None:
    named = [tenants] if isinstance(tenants, str) else tenants
    if not isinstance(named, Collection) or not named:
        raise InvalidRequest("tenants must name at least one.", advice='Pass "acme-eu".')
    for tenant in named:
        check_tenant_id(tenant)
    if not isinstance(classes, Collection) or isinstance(classes, str) or not classes:
        raise InvalidRequest("classes must name at least one.", advice="Pass [DataClass.PROMPT].")
    for data_class in classes:
        check_class(data_class)
    if not all(moment is None or isinstance(moment, datetime) for moment in (since, until)):
        raise InvalidRequest("since and until must be moments.", advice="Pass a datetime.")


class TrainingRuns:
    """What runs of training, and models that were fine-tuned, must not use any more. Thread-safe.

    A model that was trained is not undone: what is here keeps records out of its next training, and
    has exported copies deleted.
    """

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.training_runs`` instead."""
        self._homes = homes

    def exclusions(self, run: str) -> ExclusionList:
        """Return what a run was given and must not use any more: in the regions served here.

        Its records are read page by page while you iterate. What was withdrawn stays on the list if
        it is consented to again. Raises NotFound if no run of that name was given anything: what
        it was given and need not give back is forgotten after some time.
        """
        return list_excluded(self._homes, _run(run), Purpose.TRAIN, None)

    def confirm(self, run: str, *, listed: datetime, document: str, by: str) -> None:
        """Record that a run has nothing more of what was on its list, also not in a copy.

        ``listed``: that of the ExclusionList. ``document``: the SHA-256 of what shows it. ``by``:
        who confirms it. Erasures that wait for the run go on. Raises NotFound.
        """
        confirm_excluded(
            self._homes, _run(run), Purpose.TRAIN, None, listed=listed, document=document, by=by
        )


class Models:
    """The models that are fine-tuned for one tenant alone. Thread-safe; see ``Tenant.models``."""

    def __init__(self, homes: Homes, tenant: str) -> None:
        """Use ``Tenant.models`` instead."""
        self._homes = homes
        self._tenant = tenant

    def add(self, model: str, *, by: str) -> None:
        """Note a model as the tenant's own, for ever. Repeating it changes nothing.

        Raises ModelRefused if it is another tenant's, and InvalidRequest if the name begins or ends
        with a space.
        """
        check_actor(by)
        name = _model(model)
        if name != name.strip():
            raise InvalidRequest("The model must not begin or end with a space.")
        add_model(self._homes.find(self._tenant)[0].region, self._tenant, name, by=by)

    def list(self) -> Sequence[TenantModel]:
        """Return the models of the tenant, by name."""
        region = self._homes.find(self._tenant)[0].region
        with region.catalog.begin() as connection:
            found = training.models(connection, self._tenant)
        return [TenantModel(name, self._tenant, added, by) for name, added, by in found]

    def exclusions(self, model: str) -> ExclusionList:
        """Return the files that were used for a model and are erased since.

        Not those of a former tenant of the same id. Raises NotFound if the tenant has no such
        model.
        """
        return list_excluded(self._homes, _model(model), Purpose.FINE_TUNE, self._tenant)

    def confirm(self, model: str, *, listed: datetime, document: str, by: str) -> None:
        """Record that nothing is left of these files where the model is made.

        See ``TrainingRuns.confirm``.
        """
        confirm_excluded(
            self._homes,
            _model(model),
            Purpose.FINE_TUNE,
            self._tenant,
            listed=listed,
            document=document,
            by=by,
        )


def check_tuning(tuning: object) -> FineTuning:
    """Return the job and the model of a read. Raises InvalidRequest."""
    if not isinstance(tuning, FineTuning):
        raise InvalidRequest(
            "A read for fine_tune names its job and its model.",
            advice="Pass tuning=FineTuning(job, model).",
        )
    check_note("job", tuning.job)
    _model(tuning.model)
    return tuning


def _run(run: object) -> str:
    if run is None:
        raise InvalidRequest("A training read names its run.", advice="Pass run=...")
    check_note("run", run)
    return str(run)


def _model(model: object) -> str:
    check_note("model", model)
    return str(model)


def list_excluded(homes: Homes, run: str, purpose: Purpose, tenant: str | None) -> ExclusionList:
    """Return what a run or a model must not use any more, as of now. Raises NotFound."""
    regions = [homes.served(name).region for name in homes.names]
    _check_known(regions, run, purpose, tenant)
    listed = min(region.clock.now() - region.clock.error for region in regions)

    def records() -> Iterator[Exclusion]:
        for region in regions:
            yield from excluded(region, run, purpose, tenant)

    return ExclusionList(run, listed, records())


def confirm_excluded(
    homes: Homes,
    run: str,
    purpose: Purpose,
    tenant: str | None,
    *,
    listed: datetime,
    document: str,
    by: str,
) -> None:
    """Record that a run or a model has nothing of what was listed. Raises NotFound."""
    check_digest("document", document)
    check_actor(by)
    given: object = listed
    if not isinstance(given, datetime):
        raise InvalidRequest("listed must be a moment.", advice="Pass ExclusionList.listed.")
    moment = utc(listed)
    regions = [homes.served(name).region for name in homes.names]
    if any(moment > region.clock.now() for region in regions):
        raise InvalidRequest("listed is in the future.", advice="Pass ExclusionList.listed.")
    _check_known(regions, run, purpose, tenant)
    found = [
        confirm_deleted(
            region, run, purpose, tenant=tenant, listed=moment, document=document, by=by
        )
        for region in regions
    ]
    if not any(found):
        raise NotFound("Nothing was handed out for that model.", advice="There is no list of it.")


def _check_known(
    regions: Sequence[OpenRegion], run: str, purpose: Purpose, tenant: str | None
) -> None:
    """Raise NotFound unless it is a run that was given something, or a model of the tenant."""
    if any(is_known(region, run, purpose, tenant) for region in regions):
        return
    if tenant is None:
        raise NotFound(
            "No run of that name was given anything in the regions of this process.",
            advice="Check its name.",
        )
    raise NotFound(
        "The tenant has no model of that name.", advice="See: domicile model list TENANT."
    )

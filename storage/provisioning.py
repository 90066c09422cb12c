"""Carry a declared region on until services may use it.

Every step may be repeated: whoever is interrupted, or works at the same time as another, runs it
again and comes to the same end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from regions.backends import BackendSpec
from regions.fields import PostureCheck
from storage.backends.registry import provision_storage
from storage.bootstrap import open_regions
from storage.catalog import stages, sweeps
from storage.dependencies import Dependencies
from storage.errors import (
    BackendInUse,
    DomicileError,
    InvalidRequest,
    RegionNotRoutable,
)
from storage.initialize import init_each
from storage.objects import control
from storage.objects.rights import try_rights
from storage.policy import Stage, advances
from storage.ports import Backend
from storage.region import OpenRegion
from storage.settings import Settings

_LOOKED_AT = 1000  # keys of a place that exists already


@dataclass(frozen=True, slots=True)
class Done:
    """A step that is done. ``unset``: what the server of a backend could not be told to do."""

    what: str
    backend: str | None = None
    unset: frozenset[PostureCheck] = frozenset()


def provision(
    settings: Settings, name: str, *, dependencies: Dependencies | None = None
) -> Iterator[Done]:
    """Make what a region needs, check it, try it, and make it routable. Yield each step when done.

    Raises WrongRegion, InvalidRequest if no revision declares the region or it is on its way out,
    BackendInUse if a place that is to be new holds what is not ours, RegionNotRoutable if a bucket
    is not what it should be, and the errors of init, of the catalog and of backends. Then the
    region stays at the stage that it reached.
    """
    dependencies = dependencies or Dependencies()
    for _, result in init_each(settings, dependencies=dependencies, only=name):
        if isinstance(result, DomicileError):
            raise result
    with open_regions(settings, dependencies, only=name) as (region,):
        _check_declared(region)
        yield Done("catalog, roles, keys and partitions")
        for spec in region.region.backends:
            unset = _make_storage(region, spec, settings)
            yield Done("storage", spec.name, unset)
        _reach(region, Stage.PROVISIONED)
        _check_postures(region)
        _reach(region, Stage.ATTESTED)
        yield Done("posture of every backend")
        _try_out(region)
        _reach(region, Stage.ROUTABLE)
        yield Done("a canary was put, read, erased and seen absent")


def _check_declared(region: OpenRegion) -> None:
    with region.catalog.begin() as connection:
        stage = stages.latest(connection)
    if stage is None:
        raise InvalidRequest(
            f"No revision declares {region.name}, so it needs no provisioning: init is enough.",
            advice="To declare regions by revisions: domicile topology new",
        )
    advances(stage, Stage.ROUTABLE)


def _make_storage(
    region: OpenRegion, spec: BackendSpec, settings: Settings
) -> frozenset[PostureCheck]:
    """Make the place of a backend. Raises BackendInUse if it holds what no row names."""

    def refuse_foreign(backend: Backend) -> None:
        keys = {item.key for item in islice(backend.scan(), _LOOKED_AT)}
        with region.catalog.begin() as connection:
            foreign = sweeps.unnamed(connection, spec.name, keys)
        if foreign:
            raise BackendInUse(spec.name, f"it holds {len(foreign)} or more keys that are not ours")

    return provision_storage(
        spec,
        data_dir=settings.home,
        credentials=settings.backends.get(spec.name),
        refuse_foreign=refuse_foreign,
    )


def _check_postures(region: OpenRegion) -> None:
    closed = region.postures.closed()
    if closed:
        why = ", ".join(f"{name}: {reason}" for name, reason in closed.items())
        raise RegionNotRoutable(
            f"A backend of {region.name} is not what it should be ({why}).",
            advice="See: domicile backend posture. Then provision the region again.",
        )


def _try_out(region: OpenRegion) -> None:
    """Put, read and erase a canary on every backend, and see it absent by listings that work."""
    for error in try_rights(region):
        raise error
    control.leave_and_purge(region, region.lawful())


def _reach(region: OpenRegion, to: Stage) -> None:
    """Note a stage, unless another process was first."""
    with region.catalog.begin() as connection:
        stages.lock(connection)
        now = stages.latest(connection)
        assert now is not None
        if advances(now, to):
            stages.add(connection, to, stages.declared(connection))

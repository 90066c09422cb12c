"""The stages of a region, from its declaration to its end."""

from enum import StrEnum

from storage.errors import InvalidRequest, RegionNotRoutable


class Stage(StrEnum):
    """How far a region that a revision declares has come."""

    PROPOSED = "proposed"  # declared, and nothing is there yet
    PROVISIONED = "provisioned"  # its catalog, keys and buckets are there
    ATTESTED = "attested"  # its buckets were found to be what the topology says
    ROUTABLE = "routable"  # a record was put there, read, erased and seen absent
    RETIRING = "retiring"  # takes no new tenant
    RETIRED = "retired"  # nothing is left

    @property
    def opens(self) -> bool:
        """Whether a service may open the region."""
        return self in (Stage.ROUTABLE, Stage.RETIRING)


def declared_stage(now: Stage | None, *, used: bool) -> Stage:
    """Return the stage of a region that a revision declares. None: it has none yet.

    One in use loses no minute of service, one that retires goes on to do so, and one that was
    retired is to be provisioned again.
    """
    if now is None:
        return Stage.ROUTABLE if used else Stage.PROPOSED
    return Stage.PROPOSED if now is Stage.RETIRED else now


def takes_tenants(stage: Stage | None) -> bool:
    """Return whether a region takes new tenants. None: no revision declares it."""
    return stage in (None, Stage.ROUTABLE)


def check_takes_tenants(region: str, stage: Stage | None) -> None:
    """Raise RegionNotRoutable if a region takes no new tenant."""
    if stage is not Stage.RETIRING:
        check_open(region, stage)
        return
    raise RegionNotRoutable(
        f"The region {region} is retiring, and takes no new tenant.",
        advice="Choose another home. The tenants that are there can be changed as before.",
    )


_WAY = (Stage.PROPOSED, Stage.PROVISIONED, Stage.ATTESTED, Stage.ROUTABLE)


def advances(now: Stage, to: Stage) -> bool:
    """Return whether a region that is provisioned gets to a stage, or is there or beyond already.

    Raises InvalidRequest if it is on its way out.
    """
    if now not in _WAY:
        raise InvalidRequest(
            f"The region is {now}: it is not provisioned again.",
            advice="Declare a region of another name.",
        )
    return _WAY.index(now) < _WAY.index(to)


def check_open(region: str, stage: Stage | None) -> None:
    """Raise RegionNotRoutable unless services may use a region. None: no revision declares it."""
    if stage is None or stage.opens:
        return
    if stage is Stage.RETIRED:
        raise RegionNotRoutable(
            f"The region {region} is retired.",
            advice="Remove it from the topology and from the settings.",
        )
    raise RegionNotRoutable(
        f"The region {region} is {stage}, and not routable yet.",
        advice=f"Run: domicile region provision {region}",
    )

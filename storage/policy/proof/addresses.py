"""Where a topology sends what it permits, and whose signatures it believes, by name.

Which address is right no function can decide. So another one under the same name is told as
broader: a person should look at it. A new name is told by what it permits.
"""

from collections.abc import Iterator

from regions.backends import BackendSpec, DirectorySpec, S3Spec
from regions.model import SubProcessor, Topology
from storage.policy.proof.change import Change, Direction

TOPIC = "address"


def of_addresses(old: Topology, new: Topology) -> Iterator[Change]:
    """Yield where something goes that did not, and what is believed that was not."""
    before, after = dict(_addresses(old)), dict(_addresses(new))
    for says, now in after.items():
        was = before.get(says, now)
        if was != now:
            direction = Direction.BROADER if now - was else Direction.NARROWER
            yield Change(direction, TOPIC, f"{says} {_all(now)}; before: {_all(was)}.")


def _all(several: frozenset[str]) -> str:
    return ", ".join(sorted(several))


def _addresses(topology: Topology) -> Iterator[tuple[str, frozenset[str]]]:
    for company in topology.sub_processors.values():
        for says, what in _of_connector(company):
            yield says, frozenset({what})
    for region in topology.regions.values():
        hosts = frozenset(region.catalog.hosts) or frozenset({"the one host of catalog_url"})
        yield f"The catalog of {region.name} may be at", hosts
        for spec in region.backends:
            yield f"Bytes of {spec.name} may be in", frozenset({_place(spec)})
        for witness in region.witnesses:
            says = f"The log of {region.name} may be cosigned for {witness.name} with the key"
            yield says, frozenset({witness.key})


def _of_connector(company: SubProcessor) -> Iterator[tuple[str, str]]:
    match company.connector:
        case None:
            return
        case connector if connector.kind == "manual":
            yield f"Copies for {company.name} may be sent to", "people, who take them there"
        case connector:
            yield f"Copies for {company.name} may be sent to", connector.url
            key = f"Deletions at {company.name} may be acknowledged with the key"
            yield key, connector.acknowledgement_key


def _place(spec: BackendSpec) -> str:
    match spec:
        case S3Spec():
            return f"the bucket {spec.bucket} at {spec.endpoint_url or 'AWS'} in {spec.aws_region}"
        case DirectorySpec():
            return f"the directory {spec.path}"
        case _:
            return "memory"

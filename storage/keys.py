"""The keys of a region, from settings: the key service, and the file with the other keys."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from regions.errors import TopologyProblem
from regions.load import load_locations
from regions.model import Locations, Region, Topology
from storage.catalog.engine import Catalog
from storage.clock import steady
from storage.crypto.approvers import load_approvers
from storage.crypto.kms import KmsKey, open_kms
from storage.crypto.root import OF_KEY_SERVICE, OF_SERVICE, SECTIONS, LocalRootKeys, Section
from storage.errors import SettingsError, TopologyError
from storage.keyservice.address import Address, client_tls
from storage.keyservice.client import RemoteKeyService
from storage.keyservice.local import LocalKeyService
from storage.keyservice.register import CatalogRegister
from storage.model import Entropy
from storage.ports import Clock, KeyService, RootKeys
from storage.settings import KeyServiceSettings, RegionSettings


def sections(own: RegionSettings) -> tuple[Section, ...]:
    """Return what the key file of a service must have."""
    return SECTIONS if own.key_service is None and own.kms is None else OF_SERVICE


def load_keys(own: RegionSettings, entropy: Entropy, *, region: str) -> LocalRootKeys:
    """Read the key file of a service. Raises SettingsError.

    It is refused if it has root keys, and a key service holds them.
    """
    away = () if own.key_service is None else OF_KEY_SERVICE
    return LocalRootKeys.load(
        own.keys_file, entropy, region=region, needs=sections(own), refuses=away
    )


def open_keys(
    stack: ExitStack,
    own: RegionSettings,
    file: LocalRootKeys,
    region: Region,
    catalog: Catalog,
    *,
    clock: Clock,
    topology: Topology,
    directory: Path | None,
) -> KeyService:
    """Return the key service that a service uses; the stack closes it. Raises SettingsError.

    ``directory``: that of the topology, whose ``locations.toml`` says where KMS is.
    """
    if own.key_service is not None:
        return remote_keys(stack, own, region)
    older = file if "root" in file else None
    roots = _roots(stack, older, own.kms, region, directory)
    return _local(
        roots,
        own.approvers_file,
        CatalogRegister(catalog),
        region=region,
        topology=topology,
        clock=clock,
    )


def remote_keys(stack: ExitStack, own: RegionSettings, region: Region) -> RemoteKeyService:
    """Return the key service in another process. Raises SettingsError; sends nothing."""
    tls = None if own.key_service_tls is None else client_tls(own.key_service_tls)
    address = Address.parse(own.key_service or "")
    remote = RemoteKeyService(address, region=region.name, clock=steady, tls=tls)
    stack.callback(remote.close)
    return remote


def open_key_service(
    stack: ExitStack,
    given: KeyServiceSettings,
    region: Region,
    catalog: Catalog,
    *,
    clock: Clock,
    topology: Topology,
    directory: Path | None,
) -> LocalKeyService:
    """Return what ``domicile keyservice`` serves. Raises SettingsError.

    ``directory``: that of the topology, as for ``open_keys``.
    """
    file = None
    if given.keys_file is not None:
        file = LocalRootKeys.load(
            given.keys_file,
            os.urandom,
            region=region.name,
            needs=OF_KEY_SERVICE,
            refuses=OF_SERVICE,
        )
    begun = steady()
    return _local(
        _roots(stack, file, given.kms, region, directory),
        given.approvers_file,
        CatalogRegister(catalog, own_login=True),
        region=region,
        topology=topology,
        clock=clock,
        uptime=lambda: timedelta(seconds=steady() - begun),
    )


def pinned_keys(
    path: Path | None,
) -> tuple[Mapping[str, Ed25519PublicKey], SettingsError | None]:
    """Return the keys of those who may approve grants, and what is wrong with their file.

    A file that cannot be used pins nobody: people open nothing, and customers' data is served.
    """
    if path is None:
        return {}, None
    try:
        return load_approvers(path), None
    except SettingsError as error:
        return {}, error


def _local(
    roots: RootKeys,
    approvers: Path | None,
    register: CatalogRegister,
    *,
    region: Region,
    topology: Topology,
    clock: Clock,
    uptime: Callable[[], timedelta] | None = None,
) -> LocalKeyService:
    pinned, problem = pinned_keys(approvers)
    return LocalKeyService(
        roots,
        register,
        problem or pinned,
        region=region.name,
        topology=topology,
        clock=clock,
        entropy=os.urandom,
        uptime=uptime,
    )


def _roots(
    stack: ExitStack,
    file: LocalRootKeys | None,
    kms: KmsKey | None,
    region: Region,
    directory: Path | None,
) -> RootKeys:
    if kms is not None:
        made = open_kms(kms, region, _locations(directory), older=file)
        stack.callback(made.close)
        return made
    assert file is not None  # the settings have one or the other
    return file


def _locations(directory: Path | None) -> Locations:
    try:
        return load_locations(directory)
    except TopologyProblem as problem:
        advice = problem.advice
        raise TopologyError(problem.file, problem.key, problem.reason, advice=advice) from problem

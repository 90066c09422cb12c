"""``keyservice``: the process that holds the root keys of a region."""

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from regions.model import Region, Topology
from storage.catalog import logins
from storage.catalog.log import note_root_key
from storage.cli.options import AsJson
from storage.cli.output import print_json, print_note, print_text
from storage.clock import CatalogClock, steady
from storage.crypto import root
from storage.crypto.approvers import other_writers
from storage.dependencies import make_catalog
from storage.errors import CatalogUnavailable, SettingsError, WrongRegion
from storage.keys import open_key_service, pinned_keys
from storage.keyservice.address import Address, server_tls
from storage.keyservice.server import KeyServer, listening
from storage.logs import make_logger
from storage.settings import KeyServiceSettings, Settings, load_settings, topology_of

_CONNECTIONS = 4


def init(as_json: AsJson = False) -> None:
    """Create the key file of a new region's key service, with a root key.

    Never overwrites. For a region that exists, move its root keys there: domicile key split
    """
    _, given, _, region = _given()
    file = _key_file(given)
    root.create(file, os.urandom, region=region.name, sections=root.OF_KEY_SERVICE)
    if as_json:
        print_json({"region": region.name, "created": str(file)})
        return
    print_text(f"{file} has the root key of {region.name}.")
    print_note("Back it up in the region's jurisdiction. Without it the content is lost.")


def serve(as_json: AsJson = False) -> None:
    """Hold the root keys of a region for its services, and check the permits of people.

    Settings come from DOMICILE_KEYSERVICE__*. The first SIGTERM or SIGINT ends it after the answers
    that are being made, the second at once. The log is on stderr. While the catalog does not
    respond, it opens nothing for people.
    """
    settings, given, topology, region = _given()
    log = make_logger()
    with ExitStack() as stack:
        catalog = make_catalog(region, given.catalog_url.get_secret_value(), _CONNECTIONS)
        stack.callback(catalog.close)
        try:
            catalog.check()
            with catalog.begin() as connection:
                logins.check_looks_up_only(connection)
        except CatalogUnavailable as error:  # services need it for no read of their own
            log.warning("key_service_without_catalog", error=error.code, reason=error.message)
        keys = open_key_service(
            stack,
            given,
            region,
            catalog,
            clock=CatalogClock(catalog),
            topology=topology,
            directory=settings.topology,
        )
        _, problem = pinned_keys(given.approvers_file)
        if problem is not None:  # services go on: they need no approver
            log.warning("key_service_without_approvers", reason=problem.message)
        elif (who := other_writers(given.approvers_file)) is not None:
            log.warning("key_service_approvers_writable", by=who, file=str(given.approvers_file))
        address = Address.parse(given.listen)
        listener = stack.enter_context(listening(address))
        tls = None if address.path is not None or given.tls is None else server_tls(given.tls)
        server = KeyServer(listener, keys, log, region=region.name, clock=steady, tls=tls)
        _stop_on_signals(server)
        log.info("key_service_started", region=region.name, address=str(address), keys=repr(keys))
        server.serve_forever()
        log.info("key_service_stopped")
    if as_json:
        print_json({"stopped": True})


def rotate(as_json: AsJson = False) -> None:
    """Add a version of the root key to the key file of the key service. Older versions stay.

    The region's log gets a line about it first, so the catalog has to respond.
    """
    _, given, _, region = _given()
    file = _key_file(given)
    catalog = make_catalog(region, given.catalog_url.get_secret_value(), _CONNECTIONS)

    def announce(version: int) -> None:
        with catalog.begin() as connection:
            note_root_key(connection, version)

    try:
        catalog.check()
        version = root.rotate(
            file, os.urandom, region=region.name, section="root", announce=announce
        )
    finally:
        catalog.close()
    if as_json:
        print_json({"region": region.name, "section": "root", "version": version})
        return
    print_text(f"root key version {version}")
    print_note("Restart the key service, and back up its key file.")


def _given() -> tuple[Settings, KeyServiceSettings, Topology, Region]:
    settings = load_settings()
    if settings.keyservice is None:
        raise SettingsError(
            "This process has no settings of a key service.",
            advice="Set DOMICILE_KEYSERVICE__REGION, __LISTEN, __CATALOG_URL, __APPROVERS_FILE and "
            "__KEYS_FILE.",
        )
    topology = topology_of(settings)
    known, name = topology.regions, settings.keyservice.region
    if name not in known:
        raise WrongRegion(
            "The topology does not have the region of the key service.",
            home=name,
            advice=f"It has: {', '.join(known)}.",
        )
    return settings, settings.keyservice, topology, known[name]


def _key_file(given: KeyServiceSettings) -> Path:
    if given.keys_file is None:
        raise SettingsError(
            "The root keys are in KMS alone, which rotates them itself.",
            advice="Set DOMICILE_KEYSERVICE__KEYS_FILE for a key file.",
        )
    return given.keys_file


def _stop_on_signals(server: KeyServer) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.default_int_handler)
        server.stop()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)

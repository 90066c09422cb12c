"""A key service with KMS behind it: what KMS says reaches callers, the log, and who examines it."""

import json
import os
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from regions.load import load_locations
from storage.cli.examine import regions
from storage.crypto.keyobject import key_context
from storage.crypto.kms import open_kms
from storage.errors import KeyUnavailable, Unavailable
from storage.model import DataClass, LineKind, Purpose, RecordId
from storage.objects.keyring import opens
from storage.settings import topology_of
from storage.testing import INVESTIGATOR, SERVICE, Domicile
from storage.testing.s3 import Answer, Request
from tests.integration.test_recorded_reads import LOOK, spec
from tests.support.inspect.stored import home
from tests.support.keyservice.apart import HOME, Apart, apart
from tests.support.keyservice.kms_server import KmsServer, refusing
from tests.support.transparency import lines

SERVE = Purpose.SERVE
SHUT = ["AccessDeniedException", "DisabledException", "ExpiredTokenException"]
BUSY = ["ThrottlingException", "KMSInternalException"]


@pytest.fixture
def kms() -> Iterator[KmsServer]:
    """The KMS of moto, over HTTP."""
    with KmsServer() as server:
        yield server


@pytest.fixture
def away(domicile: Domicile, kms: KmsServer) -> Iterator[Apart]:
    """A key service that answers, whose new keys KMS wraps."""
    with apart(domicile) as made:
        region = topology_of(domicile.settings).regions[HOME]
        roots = open_kms(kms.key(), region, load_locations(), older=made.root_keys())
        with made.serving(roots=roots):
            yield made
            domicile.stack.close()
        roots.close()


@pytest.fixture
def record(away: Apart) -> RecordId:
    """A record of the subject ``u``."""
    away.domicile.open()
    away.domicile.tenant()
    return away.domicile.tenant().put(DataClass.PROMPT, b"mine", subject="u").id


@pytest.mark.parametrize("code", SHUT)
def test_a_service_is_told_what_a_person_must_mend(
    away: Apart, kms: KmsServer, record: RecordId, code: str
) -> None:
    """And that no retry helps. The log of the key service has it too, for who runs it."""
    away.domicile.open()  # no key is in memory
    tenant = away.domicile.store.tenant("acme-eu").bind(SERVICE)
    kms.instead = refusing(code)
    with pytest.raises(KeyUnavailable, match=code) as caught:
        tenant.get(record, purpose=SERVE)
    assert not caught.value.retryable
    assert "policy, or the credentials" in caught.value.advice
    (said,) = {line["message"] for line in map(json.loads, away.log.getvalue().splitlines())}
    assert code in said

    kms.instead = lambda _: None
    assert tenant.get(record, purpose=SERVE).body == b"mine"


@pytest.mark.parametrize("code", SHUT)
def test_a_person_is_told_too(away: Apart, kms: KmsServer, record: RecordId, code: str) -> None:
    """It is no refusal, so the log of the region has none."""
    granted = away.domicile.grant(spec(hours=24))
    away.domicile.open()
    tenant = away.domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=granted.id)
    refused = refusing(code)  # from the day key on: the line about the opening is written
    kms.instead = lambda asked: refused(asked) if b"domicile key object" in asked.body else None
    with pytest.raises(KeyUnavailable, match=code) as caught:
        tenant.get(record, purpose=LOOK)
    assert not caught.value.retryable
    told = [json.loads(line) for line in away.log.getvalue().splitlines()]
    assert {line["event"] for line in told} == {"record_key_refused"}
    assert all(code in line["message"] for line in told)
    assert lines(away.domicile, LineKind.REFUSAL) == []


@pytest.mark.parametrize("code", BUSY)
def test_a_kms_that_has_no_time_may_be_asked_again(
    away: Apart, kms: KmsServer, record: RecordId, code: str
) -> None:
    """It says so, and that it is KMS."""
    away.domicile.open()
    tenant = away.domicile.store.tenant("acme-eu").bind(SERVICE)
    kms.instead = refusing(code, 500)
    with pytest.raises(Unavailable, match=code) as caught:
        tenant.get(record, purpose=SERVE)
    assert caught.value.retryable


def examined(domicile: Domicile, check: str) -> tuple[str, str]:
    """Return what doctor says of a part of the region."""
    listed = regions(domicile.settings, topology_of(domicile.settings))
    return next((one.state, one.says) for one in listed if one.check == check)


def refusing_to(call: str, code: str) -> Callable[[Request], Answer | None]:
    """Return what answers one call of KMS with an error."""
    refused = refusing(code)
    return lambda asked: (
        refused(asked) if asked.headers["X-Amz-Target"] == f"TrentService.{call}" else None
    )


@pytest.mark.parametrize("call", ["Encrypt", "Decrypt"])
@pytest.mark.parametrize("code", [*SHUT, *BUSY])
def test_doctor_finds_it(away: Apart, kms: KmsServer, code: str, call: str) -> None:
    """The key service answers, and can wrap or open nothing."""
    assert examined(away.domicile, "key service")[0] == "ok"
    kms.instead = refusing_to(call, code)
    state, says = examined(away.domicile, "key service")
    assert state == "fail"
    assert code in says


def test_doctor_finds_it_without_a_key_service(domicile: Domicile, kms: KmsServer) -> None:
    """If the process of the service asks KMS itself."""
    original = domicile.settings
    own = original.regions[HOME].model_copy(update={"kms": kms.key()})
    domicile.settings = original.model_copy(update={"regions": {HOME: own}})
    assert examined(domicile, "kms")[0] == "ok"
    kms.instead = refusing("AccessDeniedException")
    state, says = examined(domicile, "kms")
    domicile.settings = original
    assert state == "fail"
    assert "AccessDeniedException" in says


def test_a_key_that_kms_does_not_open_now_is_not_taken_for_a_false_one(
    away: Apart, kms: KmsServer, record: RecordId
) -> None:
    """A recovery would leave out what a hold keeps."""
    region, key_id = home(away.domicile), UUID(bytes=os.urandom(16))
    sealed = region.roots.create(key_context(key_id, hold=True))
    assert opens(region, key_id, sealed)
    assert not opens(region, UUID(int=1), sealed)
    kms.instead = refusing("AccessDeniedException")
    with pytest.raises(KeyUnavailable, match="AccessDenied"):
        opens(region, key_id, sealed)

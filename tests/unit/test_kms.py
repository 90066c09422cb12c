"""Root keys in AWS KMS: in the right place, with a context, and each failure told apart.

The KMS is moto's, over HTTP on loopback. It checks keys, contexts and blobs. It enforces neither
key policies nor the state of a key: that a disabled key, or one that waits for its deletion, opens
nothing is not shown here. What KMS documents that it answers then is answered by hand instead, and
shown is what we make of it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from regions.load import load_locations, load_topology
from regions.model import Locations
from storage.crypto.envelope import open_object, seal_object
from storage.crypto.keyobject import key_context
from storage.crypto.kms import KmsKey, check_place, open_kms
from storage.crypto.kms.root import KmsRootKeys
from storage.crypto.root import LocalRootKeys
from storage.errors import Corrupt, DomicileError, KeyUnavailable, SettingsError, Unavailable
from storage.testing.s3 import Answer
from tests.support.keyservice.kms_server import KmsServer, refusing

HOME = load_topology().regions["eu-central-1"]
KNOWN = load_locations()
CONTEXT, OTHER = (key_context(UUID(int=n)) for n in (5, 6))
KEY = b"d" * 32
ID = "key/00000000-0000-0000-0000-000000000000"


@pytest.fixture
def server() -> Iterator[KmsServer]:
    """KMS over HTTP."""
    with KmsServer() as running:
        yield running


@pytest.fixture
def keys(server: KmsServer) -> Iterator[KmsRootKeys]:
    """The root keys of a region in it."""
    made = open_kms(server.key(), HOME, KNOWN)
    yield made
    made.close()


def arn(region: str, key: str = ID, partition: str = "aws") -> str:
    """Return the ARN of a key."""
    return f"arn:{partition}:kms:{region}:123456789012:{key}"


class TestPlace:
    @pytest.mark.parametrize(
        ("given", "found"),
        [
            (arn("eu-central-1"), "eu-central-1"),
            (arn("eu-west-1"), "eu-west-1"),  # another region of the same jurisdiction
            (arn("eusc-de-east-1", partition="aws-eusc"), "eusc-de-east-1"),
        ],
    )
    def test_is_in_the_jurisdiction(self, given: str, found: str) -> None:
        """A key in the region's jurisdiction is taken."""
        assert check_place(KmsKey(key=given), HOME, KNOWN) == found

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            (arn("us-east-1"), "in US, not in EU"),
            (arn("eu-west-2"), "in GB, not in EU"),
            (arn("mars-1"), "not in locations.toml"),
            (arn("eu-central-1", "key/mrk-00000000000000000000000000000000"), "not the ARN"),
            (arn("eu-central-1", "alias/root"), "not the ARN"),
            ("00000000-0000-0000-0000-000000000000", "not the ARN"),
            ("", "not the ARN"),
        ],
    )
    def test_nothing_else_is_taken(self, given: str, why: str) -> None:
        """Not from elsewhere, not one that may have copies elsewhere, and none that names none."""
        with pytest.raises(SettingsError, match=why):
            check_place(KmsKey(key=given), HOME, KNOWN)

    def test_an_own_list_of_locations_counts(self) -> None:
        """Who trusts a provider's region less says so once, for buckets and keys."""
        with pytest.raises(SettingsError, match="not in locations"):
            check_place(KmsKey(key=arn("eu-central-1")), HOME, Locations(aws={}))

    @pytest.mark.parametrize(
        "url",
        [
            "https://kms.eu-central-1.amazonaws.com",
            "https://kms-fips.eu-central-1.amazonaws.com",
            "https://kms.eu-central-1.api.aws",
            "https://vpce-0a1-xyz.kms.eu-central-1.vpce.amazonaws.com",
            "http://127.0.0.1:4566",
        ],
    )
    def test_the_endpoint_says_the_region(self, url: str) -> None:
        """An endpoint of the key's region is taken, or this machine."""
        check_place(KmsKey(key=arn("eu-central-1"), endpoint_url=url), HOME, KNOWN)

    @pytest.mark.parametrize(
        "url",
        [
            "https://kms.eu-west-1.amazonaws.com",
            "https://kms.amazonaws.com",
            "https://s3.eu-central-1.amazonaws.com",
            "http://kms.eu-central-1.amazonaws.com",
            "https://kms.eu-central-1.amazonaws.com.example",
            "https://kms.example",
            "https://user:password@kms.eu-central-1.amazonaws.com",
        ],
    )
    def test_another_endpoint_does_not(self, url: str) -> None:
        """Day keys go to no host that may be elsewhere."""
        with pytest.raises(SettingsError, match="does not say that it is in") as caught:
            check_place(KmsKey(key=arn("eu-central-1"), endpoint_url=url), HOME, KNOWN)
        assert "password" not in str(caught.value)

    @pytest.mark.parametrize("name", ["eu-north-1", "us-gov-west-1", "cn-north-1"])
    def test_the_endpoint_of_botocore_is_checked_too(self, name: str) -> None:
        """Without an endpoint the one that botocore knows is taken; no request is sent."""
        region = HOME.model_copy(update={"jurisdiction": KNOWN.aws[name]})
        open_kms(KmsKey(key=arn(name)), region, KNOWN).close()


class TestRequests:
    def test_bind_the_region_and_the_object(self, keys: KmsRootKeys, server: KmsServer) -> None:
        """The encryption context names both; it is what CloudTrail shows."""
        keys.wrap(KEY, CONTEXT)
        (request,) = server.requests

        assert json.loads(request.body)["EncryptionContext"] == {
            "region": "eu-central-1",
            "use": "domicile key object",
            "id": UUID(int=5).hex,
        }

    def test_another_region_does_not_open_it(self, keys: KmsRootKeys, server: KmsServer) -> None:
        """One KMS key for two regions would not mix them up."""
        other = KmsRootKeys(server.key(), region="eu-west-1", aws_region="eu-central-1")
        with pytest.raises(KeyUnavailable):
            other.unwrap(keys.wrap(KEY, CONTEXT), CONTEXT)
        other.close()

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_follow_no_redirect(self, keys: KmsRootKeys, server: KmsServer, status: int) -> None:
        """A key goes to no other host, whoever says that it is there."""
        with KmsServer() as elsewhere:
            server.instead = lambda _: Answer(status, {"Location": elsewhere.url})
            with pytest.raises(Unavailable):
                keys.wrap(KEY, CONTEXT)
            assert elsewhere.requests == []

    def test_heed_no_configuration_of_other_programs(
        self, server: KmsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Neither an endpoint nor a proxy of the environment gets a key."""
        with KmsServer() as elsewhere:
            config = tmp_path / "config"
            config.write_text(f"[default]\nendpoint_url = {elsewhere.url}\n")
            monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
            for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "HTTP_PROXY", "http_proxy"):
                monkeypatch.setenv(name, elsewhere.url)
            keys = open_kms(server.key(), HOME, KNOWN)
            keys.wrap(KEY, CONTEXT)
            keys.close()

            assert elsewhere.requests == []
        assert len(server.requests) == 1

    def test_go_to_aws_unless_our_own_settings_say_otherwise(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An endpoint for other programs is not taken for ours. No request is sent."""
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        keys = open_kms(KmsKey(key=arn("eu-central-1")), HOME, KNOWN)
        keys.close()

        assert keys._client.meta.endpoint_url == "https://kms.eu-central-1.amazonaws.com"


class TestErrors:
    @pytest.mark.parametrize(
        "code",
        [
            "DisabledException",
            "KMSInvalidStateException",
            "AccessDeniedException",
            "ExpiredTokenException",
        ],
    )
    def test_a_key_that_cannot_be_used(
        self, keys: KmsRootKeys, server: KmsServer, code: str
    ) -> None:
        """Disabled, about to be deleted, denied, credentials over: a person must act."""
        server.instead = refusing(code)
        with pytest.raises(KeyUnavailable, match=code) as caught:
            keys.wrap(KEY, CONTEXT)

        assert not caught.value.retryable
        assert "text of KMS" not in str(caught.value)

    @pytest.mark.parametrize(
        ("code", "status"),
        [("ThrottlingException", 400), ("KMSInternalException", 500), ("<script>", 500)],
    )
    def test_a_service_that_has_no_time(
        self, keys: KmsRootKeys, server: KmsServer, code: str, status: int
    ) -> None:
        """Throttled or failing: try again; it was tried twice already."""
        server.instead = refusing(code, status)
        with pytest.raises(Unavailable) as caught:
            keys.unwrap(b"\0" + b"x" * 100, CONTEXT)

        assert caught.value.retryable
        assert "<" not in caught.value.message
        assert len(server.requests) == (2 if "<" not in code else len(server.requests))

    @pytest.mark.parametrize(
        "body",
        [
            b"{}",
            b"[]",
            b"x",
            b'{"Plaintext": ""}',
            b'{"Plaintext": "eHg=", "KeyId": "k"}',
            b'{"Plaintext": 7}',
        ],
    )
    def test_an_answer_that_is_none(
        self, keys: KmsRootKeys, server: KmsServer, body: bytes
    ) -> None:
        """What is no key of this KMS key is not taken for one."""
        server.instead = lambda _: Answer(200, {}, body)
        with pytest.raises((KeyUnavailable, Unavailable)):
            keys.unwrap(b"\0" + b"x" * 100, CONTEXT)

    def test_the_answer_of_another_key(self, keys: KmsRootKeys, server: KmsServer) -> None:
        """A blob that another KMS key opened is not ours."""
        answer = {"Plaintext": "ZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGQ=", "KeyId": arn("x-1")}
        server.instead = lambda _: Answer(200, {}, json.dumps(answer).encode())
        with pytest.raises(KeyUnavailable):
            keys.unwrap(b"\0" + b"x" * 100, CONTEXT)

    def test_no_server(self, server: KmsServer) -> None:
        """A KMS that is down is unavailable, and no text shows the key."""
        keys = open_kms(server.key(), HOME, KNOWN)
        server.instead = _close
        with pytest.raises(DomicileError) as caught:
            keys.wrap(KEY, CONTEXT)
        keys.close()

        assert isinstance(caught.value, Unavailable)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    def test_secrets_are_not_shown(self, server: KmsServer) -> None:
        """Neither settings nor root keys show the secret key."""
        keys = open_kms(server.key(), HOME, KNOWN)
        keys.close()
        assert "moto ignores" not in repr(keys) + repr(server.key())
        assert SecretStr("x") != server.key().secret_key


def _close(_: object) -> Answer:
    raise ConnectionError


class TestBesideAKeyFile:
    def test_an_older_file_opens_what_it_wrapped(
        self, keys: KmsRootKeys, server: KmsServer
    ) -> None:
        """A region moves to KMS: new keys go there, the older ones stay readable."""
        file = LocalRootKeys(HOME.name, {"root": {1: b"0" * 32}}, os.urandom)
        both = open_kms(server.key(), HOME, KNOWN, older=file)
        old, new = file.wrap(KEY, CONTEXT), both.wrap(KEY, CONTEXT)

        assert [both.unwrap(sealed, CONTEXT) for sealed in (old, new)] == [KEY, KEY]
        with pytest.raises(KeyUnavailable):
            keys.unwrap(old, CONTEXT)
        with pytest.raises(KeyUnavailable):
            file.unwrap(new, CONTEXT)
        both.close()

    def test_objects_are_sealed_with_either(self, keys: KmsRootKeys) -> None:
        """An object whose key KMS wrapped opens, and shows every truncation."""
        given = {"what": "entry", "context": CONTEXT}
        sealed = seal_object(b"plain", roots=keys, entropy=os.urandom, **given)  # type: ignore[arg-type]

        assert open_object(sealed, roots=keys, **given) == b"plain"  # type: ignore[arg-type]
        for size in (0, 1, 4, 5, 60, len(sealed) - 1):
            with pytest.raises((Corrupt, KeyUnavailable)):
                open_object(sealed[:size], roots=keys, **given)  # type: ignore[arg-type]
        with pytest.raises(KeyUnavailable):
            open_object(sealed, roots=keys, what="entry", context=OTHER)

"""The whole store on S3: versioned moto buckets over HTTP."""

import os
from collections.abc import Callable, Iterator
from io import BytesIO

import pytest

from regions.backends import S3Spec
from storage.backends import marker
from storage.backends.registry import open_backend
from storage.client.tenant import Tenant
from storage.errors import (
    BackendForbidden,
    BackendMisplaced,
    DomicileError,
    Erased,
    StreamFailed,
    TooFewReplicas,
)
from storage.evidence.receipts import verify
from storage.model import DataClass, ErasureState, NewRecord, Purpose, Reason, RecordId, Scope
from storage.testing import Domicile
from storage.testing.harness import Kind
from storage.testing.s3 import CREDENTIALS, Answer, LoopbackServer, Request, S3Server
from tests.support.inspect.stored import OF_THE_LOG, manifest_size

SERVE = Purpose.SERVE
MIB = 1024 * 1024
EU, US = ("eu-a", "eu-b"), ("us-a", "us-b")


@pytest.fixture
def domicile_backends() -> Kind:
    """Buckets with versions, two of each region."""
    return "s3"


@pytest.fixture
def s3(domicile: Domicile) -> S3Server:
    """The server that all buckets are on."""
    assert domicile._server is not None
    return domicile._server


@pytest.fixture
def elsewhere() -> Iterator[LoopbackServer]:
    """A server that must get no request. It would accept everything."""
    with LoopbackServer(lambda _: Answer(headers={"ETag": '"e"'})) as server:
        yield server
        assert server.requests == []


def of(request: Request, *backends: str) -> bool:
    """Return whether the request is for one of these backends' buckets."""
    return any(request.path.startswith(f"/{name}-home") for name in backends)


def versions(s3: S3Server, *backends: str) -> dict[str, list[bytes | None]]:
    """Return all versions that moto has, by bucket and key, but for bucket markers and the log.

    None: a delete marker.

    An unfinished upload counts as a version of its key.
    """
    found: dict[str, list[bytes | None]] = {}
    for name, bucket in s3._buckets.buckets.items():
        if not name.startswith(tuple(f"{backend}-home" for backend in backends)):
            continue
        for key, entries in bucket.keys.iterlists():
            if entries and key != marker.NAME and not key.startswith(OF_THE_LOG):
                found[f"{name}/{key}"] = [getattr(entry, "value", None) for entry in entries]
        for upload in bucket.multiparts.values():
            found.setdefault(f"{name}/{upload.key_name}", []).append(b"an upload")
    return found


def packs(s3: S3Server, *backends: str) -> dict[str, list[bytes | None]]:
    """Return the versions of packs."""
    return {key: held for key, held in versions(s3, *backends).items() if "/pack/" in key}


def two_in_one_pack(t: Tenant) -> tuple[RecordId, RecordId]:
    """Put records of u1 and u2 into one pack."""
    ids = [t.new_id(DataClass.PROMPT) for _ in range(2)]
    bodies = [
        NewRecord(DataClass.PROMPT, os.urandom(500), i, f"u{n + 1}") for n, i in enumerate(ids)
    ]
    assert [result.id for result in t.put_many(bodies)] == ids
    return ids[0], ids[1]


def work(domicile: Domicile, *hours: float) -> None:
    """Run the worker, and again after each number of hours."""
    domicile.run_worker()
    for some in hours:
        domicile.pass_time(hours=some)
        domicile.run_worker()


class TestLife:
    def test_no_version_is_left_of_what_is_erased(self, domicile: Domicile, s3: S3Server) -> None:
        """No version of another client and no marker is left; the rest of the pack survives."""
        t = domicile.tenant()
        gone, kept = two_in_one_pack(t)
        body = t.get(kept, purpose=SERVE).body
        before = packs(s3, *EU)
        sample = next(iter(before.values()))[0]
        assert sample is not None
        for name in before:
            bucket, _, key = name.partition("/")
            s3._buckets.delete_object(bucket, key)  # a marker, and what was there below it
            s3.store(bucket, key, sample)  # another version of the same

        erasure = t.erase(Scope.subject("u1"), reason=Reason.SUBJECT_REQUEST)
        with pytest.raises(Erased):
            t.get(gone, purpose=SERVE)
        work(domicile, 1, 73)
        done = domicile.store.erasure(erasure.id)

        assert done.state is ErasureState.COMPLETE
        assert not before.keys() & versions(s3, *EU).keys()
        left = [held for all_of_it in packs(s3, *EU).values() for held in all_of_it]
        bodies = [len(held) - manifest_size(held) for held in left if held is not None]
        assert bodies == [len(sample) // 2] * 2
        assert t.get(kept, purpose=SERVE).body == body
        region = domicile.homes.served("eu-central-1").region
        receipt = verify(done.receipt or "", region.signing.public_key())
        assert {(leaf.backend, leaf.how) for leaf in receipt.leaves} == {(b, "seen") for b in EU}
        assert all("marker" in leaf.looked_for for leaf in receipt.leaves)

    def test_a_tenant_is_erased_to_the_last_pack(self, domicile: Domicile, s3: S3Server) -> None:
        """Day keys stay until their day, the ledger for a while.

        The bucket of no other region was asked for more than its posture.
        """
        t = domicile.tenant()
        work(domicile, 1)
        del s3.requests[:]
        record, _ = two_in_one_pack(t)
        t.put_file(BytesIO(b"a file"), filename="train.jsonl")
        t.put(DataClass.COMPLETION, os.urandom(300 * 1024))
        t.get(record, purpose=SERVE)

        erasure = t.erase(Scope.tenant(), reason=Reason.CONTRACT_END)
        work(domicile, 1)

        assert domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE
        assert {name.split("/")[1] for name in versions(s3, *EU)} == {"day_key", "ledger"}
        others = [request for request in s3.requests if of(request, *US)]
        assert {request.method for request in others} == {"GET"}
        assert not {"versions", "uploads", "list-type"} & {q for r in others for q in r.query}
        assert all(request.path.strip("/").count("/") == 0 for request in others)
        assert versions(s3, *US) == {}

    def test_what_a_bucket_missed_it_gets(self, domicile: Domicile, s3: S3Server) -> None:
        """The worker replicates it byte for byte, and it can be read from there alone."""
        t = domicile.tenant()
        domicile.take_down("eu-a")
        record, _ = two_in_one_pack(t)
        file = t.put_file(BytesIO(bytes(MIB))).id
        body = t.get(record, purpose=SERVE).body
        domicile.bring_back("eu-a")
        assert packs(s3, "eu-a") == {}

        work(domicile, 1)
        domicile.take_down("eu-b")

        held = [sorted(str(v) for v in packs(s3, backend).values()) for backend in EU]
        assert held[0] == held[1]
        assert t.get(record, purpose=SERVE).body == body
        assert t.get(file, purpose=SERVE).body == bytes(MIB)


class TestFiles:
    def test_a_large_file_goes_in_parts_and_out_in_ranges(
        self, domicile: Domicile, s3: S3Server
    ) -> None:
        """Parts of 8 MiB to each bucket; any range comes back; erased, no part is left."""
        t = domicile.tenant()
        body = os.urandom(17 * MIB + 5)
        del s3.requests[:]
        put = t.put_file(BytesIO(body), filename="train.jsonl")
        parts = [r.query["partNumber"] for r in s3.requests if "partNumber" in r.query]

        with t.open(put.id, purpose=Purpose.SERVE) as file:
            ranges = [file.read_range(a, b) for a, b in ((0, 1), (MIB - 9, MIB + 9), (0, 99 * MIB))]
        t.erase(Scope.record(put.id), reason=Reason.CUSTOMER_REQUEST)
        work(domicile, 1)

        assert sorted(parts) == ["1", "1", "2", "2", "3", "3"]
        assert ranges == [body[:1], body[MIB - 9 : MIB + 9], body]
        assert {name.split("/")[1] for name in versions(s3, *EU)} == {"ledger"}

    def test_a_stream_that_fails_leaves_no_part(self, domicile: Domicile, s3: S3Server) -> None:
        """Its uploads are aborted at once, not by a bucket rule."""
        t = domicile.tenant()

        def stream() -> Iterator[bytes]:
            yield os.urandom(9 * MIB)
            raise OSError("the client is gone")

        del s3.requests[:]
        with pytest.raises(StreamFailed):
            t.put_file(stream())

        assert [r.query["partNumber"] for r in s3.requests if "partNumber" in r.query] == ["1", "1"]
        assert packs(s3, *EU) == {}
        work(domicile, 1)
        assert versions(s3, *EU) == {}


def answers_with_errors(code: str) -> Answer:
    """A 200 whose body says that a key was not deleted."""
    entry = f"<Error><Key>k</Key><VersionId>v</VersionId><Code>{code}</Code></Error>"
    return Answer(body=f"<DeleteResult>{entry}</DeleteResult>".encode())


LIES = {
    "forbidden": (answers_with_errors("AccessDenied"), "PurgeIncomplete"),
    "internal": (answers_with_errors("InternalError"), "PurgeIncomplete"),
    "nothing happens": (Answer(body=b"<DeleteResult></DeleteResult>"), "PurgeIncomplete"),
    "slow down": (Answer.error(503, "SlowDown"), "BackendUnavailable"),
}


def test_no_receipt_while_a_bucket_keeps_a_version(
    domicile: Domicile, s3: S3Server, subtests: pytest.Subtests
) -> None:
    """Whatever it answers to the deletion. Once it deletes, the erasure is complete."""
    t = domicile.tenant()
    for name, (answer, error) in LIES.items():
        t.put(DataClass.PROMPT, b"hello", subject="u")
        s3.instead = lambda r, answer=answer: (  # type: ignore[misc]
            answer if "delete" in r.query and of(r, "eu-b") else None
        )
        erasure = t.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)
        work(domicile, 1, 24 * 5)
        waiting = domicile.store.erasure(erasure.id)
        s3.instead = lambda _: None
        work(domicile, 2)
        done = domicile.store.erasure(erasure.id)

        with subtests.test(msg=name):
            assert (waiting.state, waiting.receipt) == (ErasureState.PURGING, None)
            assert [(left.backend, left.last_error) for left in waiting.outstanding] == [
                ("eu-b", error)
            ]
            assert done.state is ErasureState.COMPLETE
            assert packs(s3, *EU) == {}


def by_region(_: str) -> Answer:
    """The redirect that boto3 would follow with the body and report as a success."""
    return Answer.error(301, "PermanentRedirect", {"x-amz-bucket-region": "us-east-1"})


def by_location(elsewhere: str) -> Answer:
    """The redirect to another host."""
    body = f"<Error><Code>TemporaryRedirect</Code><Endpoint>{elsewhere}</Endpoint></Error>"
    return Answer(307, {"Location": f"{elsewhere}/eu-a/pack"}, body.encode())


REDIRECTS = {"region": by_region, "host": by_location}


class TestRedirects:
    def test_the_other_backend_takes_it(
        self, domicile: Domicile, s3: S3Server, elsewhere: LoopbackServer
    ) -> None:
        """One bucket redirects: put, file and read use the lawful one alone."""
        t = domicile.tenant()
        for redirect in REDIRECTS.values():
            stored = t.put(DataClass.PROMPT, b"before")
            del s3.requests[:]
            answer = redirect(elsewhere.url)
            s3.instead = lambda r, answer=answer: (  # type: ignore[misc]
                answer if of(r, "eu-a") else None
            )

            put = t.put(DataClass.PROMPT, b"hello")
            file = t.put_file(BytesIO(os.urandom(9 * MIB)))
            bodies = [t.get(i, purpose=SERVE).body for i in (stored.id, put.id)]
            assert len(t.get(file.id, purpose=SERVE).body) == 9 * MIB
            assert [r for r in s3.requests if of(r, *US)] == []
            domicile.run_worker()

            assert bodies == [b"before", b"hello"]
            sent = [r.target for r in s3.requests if of(r, "eu-a") and r.method != "GET"]
            assert len(sent) == len(set(sent)) > 0  # nothing was sent twice
            s3.instead = lambda _: None
            work(domicile, 1)

    def test_if_no_backend_is_left_nothing_is_stored(
        self, domicile: Domicile, s3: S3Server, elsewhere: LoopbackServer
    ) -> None:
        """The write fails with the reason, and never goes elsewhere."""
        t = domicile.tenant()
        t.put(DataClass.PROMPT, b"before")
        work(domicile, 1)
        before = versions(s3, *EU, *US)
        for redirect in REDIRECTS.values():
            answer = redirect(elsewhere.url)
            s3.instead = lambda r, answer=answer: (  # type: ignore[misc]
                answer if of(r, *EU) else None
            )

            with pytest.raises(TooFewReplicas) as small:
                t.put(DataClass.PROMPT, b"hello")
            with pytest.raises(TooFewReplicas) as large:
                t.put_file(BytesIO(os.urandom(9 * MIB)))

            for caught in (small, large):
                assert caught.value.failures == dict.fromkeys(EU, "BackendMisplaced")
        s3.instead = lambda _: None
        work(domicile, 1)

        assert versions(s3, *EU, *US) == before
        assert len(t.list()) == 1


class TestOpening:
    def test_a_bucket_in_another_region(self, domicile: Domicile, s3: S3Server) -> None:
        """It is refused before anything is written to it."""
        s3.make_bucket("misplaced", "us-east-1", versioned=True)
        spec = S3Spec.model_validate(
            {
                "name": "eu-a",
                "kind": "s3",
                "sub_processor": "lindenhost",
                "bucket": "misplaced",
                "aws_region": "eu-central-1",
                "endpoint_url": s3.url,
            }
        )
        domicile.backends["eu-a"].inner = open_backend(
            spec, data_dir=domicile.settings.home, credentials=CREDENTIALS
        )

        with pytest.raises(BackendMisplaced) as caught:
            domicile.open()

        asked = [r.method for r in s3.requests if r.path.startswith("/misplaced")]
        assert set(asked) == {"GET"}
        assert caught.value.message == "eu-a: its bucket is not in eu-central-1"
        assert not caught.value.retryable

    def test_credentials_without_a_right(
        self, domicile: Domicile, s3: S3Server, subtests: pytest.Subtests
    ) -> None:
        """Each right that deletion needs is probed at the start. A leftover canary is purged."""
        rights: dict[str, Callable[[Request], bool]] = {
            "put": lambda r: r.method == "PUT",
            "get": lambda r: r.method == "GET" and "/canary/" in r.path,
            "list versions": lambda r: "versions" in r.query,
            "list uploads": lambda r: r.method == "GET" and "uploads" in r.query,
            "delete": lambda r: "delete" in r.query,
            "abort": lambda r: r.method == "DELETE" and "uploadId" in r.query,
            "ask where it is": lambda r: "location" in r.query,
        }
        denied = Answer.error(403, "AccessDenied")
        for name, right in rights.items():
            s3.instead = lambda r, right=right: (  # type: ignore[misc]
                denied if of(r, "eu-b") and right(r) else None
            )
            with subtests.test(msg=name), pytest.raises(DomicileError) as caught:
                domicile.open()
            assert caught.type is BackendForbidden
            assert caught.value.message.startswith("eu-b: ")
        s3.instead = lambda _: None
        domicile.open()
        work(domicile, 1)

        assert versions(s3, *EU, *US) == {}

"""What a bucket does with its objects is read from its server, and never guessed."""

import json
from collections.abc import Callable, Iterator

import pytest

from regions.fields import PostureCheck
from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket
from storage.errors import BackendError, BackendForbidden, BackendMisplaced, BackendTimeout
from storage.model import Posture, PostureFinding
from storage.testing.s3 import CREDENTIALS, Answer, LoopbackServer, Request, S3Server
from tests.support.backends.postures import NAME, QUESTIONS, backend, read
from tests.support.backends.s3 import HOME, page

OK, BAD, UNREADABLE = PostureFinding.OK, PostureFinding.BAD, PostureFinding.UNREADABLE
LOGGING = b"""<BucketLoggingStatus><LoggingEnabled><TargetBucket>x</TargetBucket>
<TargetPrefix>y</TargetPrefix></LoggingEnabled></BucketLoggingStatus>"""
PLAIN = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}


@pytest.fixture
def server() -> Iterator[S3Server]:
    """Yield moto with one bucket, without a policy."""
    with S3Server() as running:
        running.make_bucket(NAME, HOME, versioned=True, locks=True)
        yield running


def wrong(found: Posture) -> set[PostureCheck]:
    """Return the checks that are not ok."""
    assert set(found) == set(PostureCheck)
    return {check for check, finding in found.items() if finding is not OK}


def test_a_new_bucket_is_good(server: S3Server) -> None:
    """Also one that has only the rules that Domicile knows."""
    assert wrong(read(server)) == set()


Client = Callable[..., object]


@pytest.mark.parametrize(
    ("check", "call", "given"),
    [
        (
            PostureCheck.REPLICATION,
            "put_bucket_replication",
            {
                "ReplicationConfiguration": {
                    "Role": "arn:aws:iam::123456789012:role/x",
                    "Rules": [
                        {
                            "ID": "a",
                            "Status": "Enabled",
                            "Priority": 1,
                            "Filter": {"Prefix": ""},
                            "DeleteMarkerReplication": {"Status": "Disabled"},
                            "Destination": {"Bucket": "arn:aws:s3:::in-us-east-1"},
                        }
                    ],
                }
            },
        ),
        (PostureCheck.PUBLIC_ACCESS, "put_bucket_acl", {"ACL": "public-read"}),
        (PostureCheck.PUBLIC_ACCESS, "put_bucket_policy", {"Policy": json.dumps(PLAIN)}),
        (
            PostureCheck.LIFECYCLE,
            "put_bucket_lifecycle_configuration",
            {
                "LifecycleConfiguration": {
                    "Rules": [
                        {
                            "ID": "x",
                            "Status": "Enabled",
                            "Filter": {"Prefix": ""},
                            "Expiration": {"Days": 1},
                        }
                    ]
                }
            },
        ),
        (
            PostureCheck.DEFAULT_RETENTION,
            "put_object_lock_configuration",
            {
                "ObjectLockConfiguration": {
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
                }
            },
        ),
        (
            PostureCheck.INVENTORY,
            "put_bucket_inventory_configuration",
            {
                "Id": "i",
                "InventoryConfiguration": {
                    "Destination": {
                        "S3BucketDestination": {"Bucket": "arn:aws:s3:::x", "Format": "CSV"}
                    },
                    "IsEnabled": True,
                    "Id": "i",
                    "IncludedObjectVersions": "All",
                    "Schedule": {"Frequency": "Daily"},
                },
            },
        ),
    ],
)
def test_each_setting_is_found(
    server: S3Server, check: PostureCheck, call: str, given: dict[str, object]
) -> None:
    """Set as an administrator would, with another client; the other checks stay good."""
    client = backend(server.url)._bucket._client(5)
    getattr(client, call)(Bucket=NAME, **given)

    assert {check} <= wrong(read(server)) <= {check, PostureCheck.VERSIONING}
    assert read(server)[check] is BAD


def test_a_block_of_all_public_access_is_enough(server: S3Server) -> None:
    """Whatever policy and access list say, nobody gets in by them."""
    client = backend(server.url)._bucket._client(5)
    client.put_bucket_policy(Bucket=NAME, Policy=json.dumps(PLAIN))
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True}
    every = {**block, "RestrictPublicBuckets": True}
    client.put_public_access_block(Bucket=NAME, PublicAccessBlockConfiguration=every)  # type: ignore[arg-type]
    assert wrong(read(server)) == set()

    client.put_public_access_block(Bucket=NAME, PublicAccessBlockConfiguration=block)  # type: ignore[arg-type]
    assert read(server)[PostureCheck.PUBLIC_ACCESS] is BAD


def test_versions_that_are_attested_off_but_on(server: S3Server) -> None:
    """They would be deleted by nobody."""
    assert read(server, listed=False)[PostureCheck.VERSIONING] is BAD


LIES: dict[str, Callable[[Request], Answer]] = {
    "a listing": lambda _: Answer(
        body=f"<ListBucketResult><Name>{NAME}</Name></ListBucketResult>".encode()
    ),
    "nothing": lambda _: Answer(),
    "forbidden": lambda _: Answer.error(403, "AccessDenied"),
    "not implemented": lambda _: Answer.error(501, "NotImplemented"),
    "not a method": lambda _: Answer.error(405, "MethodNotAllowed"),
    "what is that": lambda _: Answer.error(400, "InvalidRequest"),
    "no such key": lambda _: Answer.error(404, "NoSuchKey"),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_server_that_does_not_know_the_question(
    server: S3Server, question: str, lie: str
) -> None:
    """A refusal or another answer is unreadable, never good. The other checks are not affected."""
    server.instead = lambda request: LIES[lie](request) if question in request.query else None
    found = read(server)

    assert found[QUESTIONS[question]] is UNREADABLE
    assert wrong(found) == {QUESTIONS[question]}


@pytest.mark.parametrize("question", ["replication", "versioning"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer.error(500, "InternalError"), BackendError),
        (Answer.error(503, "SlowDown"), BackendError),
        (Answer(body=b"<html>welcome"), BackendError),
        (Answer.error(404, "NoSuchBucket"), BackendMisplaced),
        (Answer.error(403, "InvalidAccessKeyId"), BackendForbidden),
        (Answer.error(403, "RequestTimeTooSkewed"), BackendForbidden),
        (Answer.error(400, "ExpiredToken"), BackendForbidden),
    ],
)
def test_a_server_that_fails(
    server: S3Server, question: str, answer: Answer, error: type[BackendError]
) -> None:
    """Nothing was read then: what was known before stays, until it is too old."""
    server.instead = lambda request: answer if question in request.query else None
    with pytest.raises(error):
        read(server)


def test_a_log_of_requests_is_found(server: S3Server) -> None:
    """The names of objects lie in another bucket then."""
    server.instead = lambda r: Answer(body=LOGGING) if "logging" in r.query else None
    assert wrong(read(server)) == {PostureCheck.ACCESS_LOGS}


@pytest.mark.parametrize("target", ["Topic", "Queue", "CloudFunction"])
def test_events_are_found(server: S3Server, target: str) -> None:
    """They name objects too."""
    body = (
        f"<NotificationConfiguration><{target}Configuration><Id>i</Id><{target}>arn:x</{target}>"
        f"<Event>s3:ObjectCreated:*</Event></{target}Configuration></NotificationConfiguration>"
    )
    server.instead = lambda r: Answer(body=body.encode()) if "notification" in r.query else None
    assert wrong(read(server)) == {PostureCheck.NOTIFICATIONS}


def test_all_questions_share_one_time() -> None:
    """A server that answers each a little late cannot make it last for ever."""
    now = [0.0]

    def late(request: Request) -> Answer:
        now[0] += 3
        return page(request)

    with LoopbackServer(late) as running:
        bucket = Bucket(
            "eu-a",
            NAME,
            HOME,
            endpoint_url=running.url,
            credentials=CREDENTIALS,
            timeout=30,
            clock=lambda: now[0],
        )
        with pytest.raises(BackendTimeout):
            S3Backend(bucket).posture(timeout=5)
        assert len(running.requests) == 2


def test_a_bad_answer_stands_although_a_later_question_fails(server: S3Server) -> None:
    """It was read: what could not be asked after it is unreadable."""
    client = backend(server.url)._bucket._client(5)
    client.put_bucket_acl(Bucket=NAME, ACL="public-read")
    server.instead = lambda r: Answer.error(503, "SlowDown") if "logging" in r.query else None
    found = read(server)

    assert found[PostureCheck.PUBLIC_ACCESS] is BAD
    assert found[PostureCheck.ACCESS_LOGS] is UNREADABLE
    assert set(found) == set(PostureCheck)

"""An answer about a bucket is believed only if all of it is read."""

from collections.abc import Iterator

import pytest

from regions.fields import PostureCheck
from storage.model import PostureFinding
from storage.testing.s3 import Answer, S3Server
from tests.support.backends.postures import NAME, QUESTIONS, read
from tests.support.backends.s3 import HOME

OK, BAD, UNREADABLE = PostureFinding.OK, PostureFinding.BAD, PostureFinding.UNREADABLE

ROOTS = {
    "replication": "ReplicationConfiguration",
    "policyStatus": "PolicyStatus",
    "acl": "AccessControlPolicy",
    "lifecycle": "LifecycleConfiguration",
    "object-lock": "ObjectLockConfiguration",
    "inventory": "ListInventoryConfigurationsResult",
    "logging": "BucketLoggingStatus",
    "notification": "NotificationConfiguration",
    "versioning": "VersioningConfiguration",
}
RULE = "<Rule><ID>x</ID><Filter/><Status>Enabled</Status>{}</Rule>"
OURS = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>{}</Expiration>"
INVENTORY = "<InventoryConfiguration><Id>i</Id><IsEnabled>{}</IsEnabled></InventoryConfiguration>"
GRANT = (
    '<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group">'
    "<URI>{}</URI></Grantee><Permission>READ</Permission></Grant>"
)
MORE = "<IsTruncated>{}</IsTruncated>"
GROUPS = "http://acs.amazonaws.com/groups/"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """Yield moto with one good bucket."""
    with S3Server() as running:
        running.make_bucket(NAME, HOME, versioned=True, locks=True)
        yield running


def finding(server: S3Server, question: str, inner: str) -> PostureFinding:
    """Return the finding if the server answers one question like this."""
    root = ROOTS[question]
    body = f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{root}>'.encode()
    server.instead = lambda request: Answer(body=body) if question in request.query else None
    return read(server)[QUESTIONS[question]]


@pytest.mark.parametrize(
    ("question", "inner"),
    [
        ("policyStatus", ""),
        ("policyStatus", "<IsPublic>TRUE</IsPublic>"),
        ("policyStatus", "<IsPublic>false</IsPublic><IsPublic>true</IsPublic>"),
        ("inventory", INVENTORY.format("TRUE") + MORE.format("false")),
        ("inventory", INVENTORY.format("false") + MORE.format("TRUE")),
        ("inventory", f"<Configurations>{INVENTORY.format('true')}</Configurations>"),
        ("lifecycle", f"<Rules>{RULE.format('<Expiration><Days>1</Days></Expiration>')}</Rules>"),
        # actions that only some servers have
        ("lifecycle", RULE.format("<AllVersionsExpiration><Days>1</Days></AllVersionsExpiration>")),
        ("lifecycle", RULE.format(OURS.format("<DaysAfterAccess>1</DaysAfterAccess>"))),
        ("lifecycle", RULE.format(OURS.format("") + "<Expiration><Days>1</Days></Expiration>")),
        ("replication", "<Rules><Rule><Status>Enabled</Status></Rule></Rules>"),
        ("notification", "<WebhookConfiguration><Url>x</Url></WebhookConfiguration>"),
        ("logging", "<loggingEnabled><TargetBucket>x</TargetBucket></loggingEnabled>"),
        ("object-lock", "<DefaultRetention><Days>1</Days></DefaultRetention>"),
        ("versioning", "<Status>Enabled</Status><MFADelete>Enabled</MFADelete>"),
        ("acl", "<AccessControlList><Entry><Scope>AllUsers</Scope></Entry></AccessControlList>"),
    ],
)
def test_what_is_not_read_may_say_anything(server: S3Server, question: str, inner: str) -> None:
    """An element that we do not know, one that is there twice, a word that is no truth value."""
    assert finding(server, question, inner) is UNREADABLE


@pytest.mark.parametrize(
    ("question", "inner", "expected"),
    [
        ("policyStatus", "<IsPublic>false</IsPublic>", OK),
        ("policyStatus", "<IsPublic>true</IsPublic>", BAD),
        ("inventory", INVENTORY.format("false") + MORE.format("false"), OK),
        ("inventory", INVENTORY.format("true") + MORE.format("false"), BAD),
        ("lifecycle", RULE.format(OURS.format("")), OK),
        ("lifecycle", "<Rule><Prefix/><Status>Disabled</Status></Rule>" * 2, OK),
        ("lifecycle", RULE.format("<Transition><Days>1</Days></Transition>"), BAD),
        ("replication", "<Rule><Status>Enabled</Status></Rule>", BAD),
        ("acl", "<AccessControlList/>", OK),
        ("acl", f"<AccessControlList>{GRANT.format('x')}</AccessControlList>", BAD),
        (
            "acl",
            f"<AccessControlList>{GRANT.format(GROUPS + 's3/LogDelivery')}</AccessControlList>",
            OK,
        ),
    ],
)
def test_what_is_read_is_judged(
    server: S3Server, question: str, inner: str, expected: PostureFinding
) -> None:
    """These are answers as AWS gives them. Any group but the one that writes logs is anyone."""
    assert finding(server, question, inner) is expected


def test_every_question_is_tried() -> None:
    """And each check, but for the policy, which is JSON."""
    assert ROOTS.keys() == QUESTIONS.keys()
    assert set(QUESTIONS.values()) == set(PostureCheck) - {PostureCheck.TRANSPORT}

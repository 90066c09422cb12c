"""What the posture of a bucket permits, and how the answers of a server are read."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from regions.backends import PostureAttested
from regions.fields import PostureCheck
from storage.backends.s3 import posture as s3
from storage.backends.s3.responses import InvalidResponse
from storage.model import PlacementReason, PostureFinding
from storage.policy import (
    POSTURE_AGE,
    POSTURE_SKEW,
    KnownPosture,
    attested_from,
    closed,
    closed_until,
    ledger_backends,
    needs_reading,
    weigh,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = NOW.date()
CHECK = PostureCheck.INVENTORY
BAD, OK, UNREADABLE = PostureFinding.BAD, PostureFinding.OK, PostureFinding.UNREADABLE
B = "b"


def attested(on: date = DAY, *checks: PostureCheck) -> PostureAttested:
    """Return an attestation of ``checks`` (default: the one that is tested)."""
    return PostureAttested(on=on, document="5e" * 32, checks=frozenset(checks or {CHECK}))


class TestWhatItPermits:
    @pytest.mark.parametrize(
        ("found", "given", "reason"),
        [
            (OK, None, None),
            (BAD, None, PlacementReason.POSTURE_BAD),
            (BAD, attested(), PlacementReason.POSTURE_BAD),  # no document makes it good
            (UNREADABLE, None, PlacementReason.POSTURE_UNREADABLE),
            (UNREADABLE, attested(), None),
            (UNREADABLE, attested(DAY + timedelta(1)), PlacementReason.POSTURE_UNREADABLE),
            (
                UNREADABLE,
                attested(DAY, PostureCheck.LIFECYCLE),
                PlacementReason.POSTURE_UNREADABLE,
            ),
        ],
    )
    def test_each_finding(
        self,
        found: PostureFinding,
        given: PostureAttested | None,
        reason: PlacementReason | None,
    ) -> None:
        """What is bad closes a backend, and what cannot be read unless a document attests it."""
        assert closed(KnownPosture({CHECK: found}, NOW), given, NOW) is reason

    @pytest.mark.parametrize(
        ("found", "given", "begins"),
        [
            (UNREADABLE, attested(DAY + timedelta(1)), DAY + timedelta(1)),
            (UNREADABLE, attested(), None),
            (UNREADABLE, None, None),
            (UNREADABLE, attested(DAY + timedelta(1), PostureCheck.LIFECYCLE), None),
            (BAD, attested(DAY + timedelta(1)), None),
        ],
    )
    def test_a_document_that_begins_later(
        self, found: PostureFinding, given: PostureAttested | None, begins: date | None
    ) -> None:
        """It is named if it will attest what cannot be read today."""
        assert attested_from({CHECK: found}, given, DAY) == begins

    def test_the_worst_finding_counts(self) -> None:
        """A good one beside it changes nothing."""
        findings = {CHECK: UNREADABLE, PostureCheck.LIFECYCLE: BAD, PostureCheck.TRANSPORT: OK}
        assert closed(KnownPosture(findings, NOW), None, NOW) is PlacementReason.POSTURE_BAD

    def test_an_old_posture_is_not_believed(self) -> None:
        """Nor is none at all. It is read again before it is too old."""
        known = KnownPosture({CHECK: OK}, NOW)
        assert closed(None, None, NOW) is PlacementReason.POSTURE_UNKNOWN
        assert closed(known, None, NOW + POSTURE_AGE) is None
        late = NOW + POSTURE_AGE + timedelta(milliseconds=1)
        assert closed(known, None, late) is PlacementReason.POSTURE_UNKNOWN
        assert needs_reading(None, NOW)
        assert not needs_reading(known, NOW + POSTURE_AGE / 2 - timedelta(milliseconds=1))
        assert needs_reading(known, NOW + POSTURE_AGE / 2)

    def test_a_posture_of_the_future_is_not_believed(self) -> None:
        """The clock was set back. Clocks of processes differ a little."""
        known = KnownPosture({CHECK: OK}, NOW)
        early = NOW - POSTURE_SKEW
        assert closed(known, None, early) is None
        assert not needs_reading(known, early)
        early -= timedelta(milliseconds=1)
        assert closed(known, None, early) is PlacementReason.POSTURE_UNKNOWN
        assert needs_reading(known, early)

    def test_what_is_not_ok_is_told(self) -> None:
        """An attested finding says so."""
        findings = {CHECK: UNREADABLE, PostureCheck.LIFECYCLE: OK, PostureCheck.TRANSPORT: BAD}
        assert weigh(findings, attested(), DAY) == {
            CHECK: PostureFinding.ATTESTED,
            PostureCheck.TRANSPORT: BAD,
        }

    @pytest.mark.parametrize(
        ("states", "accepted", "places"),
        [
            ({"a": True, "b": True}, {"b"}, ("a", "b")),
            ({"a": False, "b": True}, {"a"}, ("b",)),  # enough are open
            ({"a": False, "b": False}, set(), ()),
            ({"a": False, "b": False}, {"b"}, ("b",)),
        ],
    )
    def test_an_accepted_place_is_the_last_resort(
        self, states: dict[str, bool], accepted: set[str], places: tuple[str, ...]
    ) -> None:
        """It gets ledger entries only while too few backends are open."""
        assert ledger_backends(states, frozenset(accepted), 1) == places


def deny(**changes: object) -> dict[str, object]:
    """Return the statement that demands TLS, with changes."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{B}", f"arn:aws:s3:::{B}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    } | changes


def demands_tls(statements: object, *, on_aws: bool = True) -> bool:
    """Return whether a policy of these statements demands TLS."""
    return s3.demands_tls({"Policy": json.dumps({"Statement": statements})}, B, on_aws=on_aws)


class TestPolicies:
    @pytest.mark.parametrize(
        "statement",
        [
            deny(),
            deny(Principal={"AWS": "*"}, Action=["s3:*"], Resource="*"),
            deny(Condition={"BoolIfExists": {"aws:SecureTransport": False}}),
            deny(Sid="tls"),
            deny(Resource=[f"arn:aws-cn:s3::tenant:{B}", f"arn:aws-cn:s3::tenant:{B}/*"]),
        ],
    )
    def test_these_demand_tls(self, statement: object) -> None:
        """Everyone is denied everything without it."""
        for statements in (statement, [{"Effect": "Allow"}, statement]):
            assert demands_tls(statements)

    @pytest.mark.parametrize(
        "statement",
        [
            deny(Effect="Allow"),
            deny(Principal={"AWS": "arn:aws:iam::1:user/somebody"}),
            deny(Action="s3:GetObject"),
            deny(Resource=f"arn:aws:s3:::{B}/*"),
            deny(Resource=["arn:aws:s3:::other", "arn:aws:s3:::other/*"]),
            deny(Resource=f"arn:aws:s3:::{B}/a:*"),
            deny(Resource="arn:aws:sqs:::*"),
            deny(NotAction="s3:GetObject"),
            deny(NotResource=f"arn:aws:s3:::{B}/*"),
            deny(NotPrincipal={"AWS": "arn:aws:iam::1:user/somebody"}),
            deny(Condition={"Bool": {"aws:SecureTransport": "true"}}),
            deny(
                Condition={
                    "Bool": {"aws:SecureTransport": "false"},
                    "StringEquals": {"aws:PrincipalOrgID": "o-1"},
                }
            ),
            deny(Condition={"Bool": {"aws:SecureTransport": "false", "aws:MultiFactor": "true"}}),
            deny(Condition={}),
            deny(Condition=None),
        ],
    )
    def test_these_do_not(self, statement: object) -> None:
        """A request without TLS gets through somewhere."""
        assert not demands_tls([statement])

    def test_no_policy_does_not(self) -> None:
        """TLS is demanded by a policy or not at all."""
        assert not s3.demands_tls({}, B, on_aws=True)

    def test_only_aws_always_knows_whether_it_was_tls(self) -> None:
        """Ceph knows it of TLS alone, and `Bool` finds nothing without. MinIO has only `Bool`."""
        if_exists = deny(Condition={"BoolIfExists": {"aws:SecureTransport": "false"}})
        assert demands_tls([deny(), if_exists], on_aws=False)
        assert not demands_tls([deny(Effect="Allow")], on_aws=False)
        with pytest.raises(InvalidResponse):
            demands_tls([deny()], on_aws=False)


ANSWERS: list[tuple[Any, Mapping[str, object], bool]] = [
    (s3.replicates, {}, False),
    (s3.replicates, {"ReplicationConfiguration": {"Rules": [{"Status": "Disabled"}]}}, False),
    (s3.replicates, {"ReplicationConfiguration": {"Rules": [{"Status": "Enabled"}]}}, True),
    (s3.replicates, {"ReplicationConfiguration": {"Rules": [{}]}}, True),
    (s3.policy_is_public, {"PolicyStatus": {"IsPublic": False}}, False),
    (s3.policy_is_public, {"PolicyStatus": {"IsPublic": True}}, True),
    (s3.acl_is_public, {"Grants": [{"Grantee": {"ID": "own"}}]}, False),
    *(
        (
            s3.acl_is_public,
            {"Grants": [{"Grantee": {"URI": f"http://acs.amazonaws.com/groups/global/{group}"}}]},
            True,
        )
        for group in ("AllUsers", "AuthenticatedUsers")
    ),
    (s3.expires, {}, False),
    (s3.expires, {"Rules": [{"Status": "Enabled", "Expiration": {"Days": 1}}]}, True),
    (s3.expires, {"Rules": [{"Status": "Disabled", "Expiration": {"Days": 1}}]}, False),
    (s3.expires, {"Rules": [{"Status": "Enabled", "Transitions": [{"Days": 1}]}]}, True),
    (
        s3.expires,
        {
            "Rules": [
                {
                    "ID": "ours",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
                    "Expiration": {"ExpiredObjectDeleteMarker": True},
                }
            ]
        },
        False,
    ),
    (s3.retains, {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}, False),
    (s3.retains, {"ObjectLockConfiguration": {"Rule": {"DefaultRetention": {"Days": 1}}}}, True),
    (s3.inventories, {"IsTruncated": False}, False),
    (s3.inventories, {"InventoryConfigurationList": [{"IsEnabled": False}]}, False),
    (s3.inventories, {"InventoryConfigurationList": [{"IsEnabled": True}]}, True),
    (s3.logs, {}, False),
    (s3.logs, {"LoggingEnabled": {"TargetBucket": "x"}}, True),
    (s3.notifies, {}, False),
    (s3.notifies, {"EventBridgeConfiguration": {}}, True),
    (s3.notifies, {"QueueConfigurations": [{"QueueArn": "x"}]}, True),
]


@pytest.mark.parametrize(("judge", "answer", "bad"), ANSWERS)
def test_an_answer_is_judged(judge: Any, answer: Mapping[str, object], bad: bool) -> None:  # noqa: ANN401, FBT001
    """Only what does nothing with the objects is good."""
    assert judge(answer) is bad


@pytest.mark.parametrize(
    ("answer", "seen", "bad"),
    [
        ({}, False, False),
        ({"Status": "Enabled"}, True, False),
        ({"Status": "Enabled"}, False, True),  # attested to be off
        ({"Status": "Suspended"}, False, True),  # older versions are there still
        ({"Status": "Enabled", "MFADelete": "Enabled"}, True, True),
    ],
)
def test_versions_must_be_listed_and_deletable(
    answer: Mapping[str, object],
    seen: bool,  # noqa: FBT001
    bad: bool,  # noqa: FBT001
) -> None:
    """Otherwise a version stays that no receipt looks for."""
    assert s3.keeps_versions(answer, seen=seen) is bad


@pytest.mark.parametrize("age", [-1, 0, 60, 149, 150, 299])
@pytest.mark.parametrize("hour", [12, 23])
@pytest.mark.parametrize("found", [OK, BAD, UNREADABLE])
@pytest.mark.parametrize("given", [None, attested(), attested(DAY + timedelta(1))])
def test_what_is_closed_stands_until_then(
    age: int, hour: int, found: PostureFinding, given: PostureAttested | None
) -> None:
    """Nothing changes before, not even whether it is to be read again."""
    now = NOW.replace(hour=hour, minute=58)
    known = KnownPosture({CHECK: found}, now - timedelta(seconds=age))
    until, at = closed_until(known, now), now
    while at < until:
        assert closed(known, given, at) is closed(known, given, now)
        assert not needs_reading(known, at)
        at += timedelta(seconds=0.5)
    assert until > now or needs_reading(known, now)

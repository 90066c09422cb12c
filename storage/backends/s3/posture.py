"""What a bucket does with its objects apart from us: each question is one request.

A question that the server refuses or does not know is unreadable, and so is an answer that is not
one to the question: some gateways ignore what they do not know, and send a listing.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from regions.fields import PostureCheck
from storage.backends.s3.bucket import Bucket
from storage.backends.s3.failures import is_refusal
from storage.backends.s3.responses import InvalidResponse
from storage.errors import BackendError
from storage.model import Posture
from storage.model import PostureFinding as Finding

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Answer = Mapping[str, Any]
Ask = Callable[["S3Client"], Answer]
Judge = Callable[[Answer], bool]

_LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
"""What a bucket must block so that nothing in it can be public."""
_EVENTS = (
    "TopicConfigurations",
    "QueueConfigurations",
    "LambdaFunctionConfigurations",
    "EventBridgeConfiguration",
)
_OURS = {"AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"}
_NAMES = {"ID", "Filter", "Prefix", "Status"}
_STATEMENT = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
_ARN = 6  # parts
_NOT_SET = frozenset(
    {
        "NoSuchBucketPolicy",
        "NoSuchConfiguration",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "ReplicationConfigurationNotFoundError",
    }
)


def read_posture(
    bucket: Bucket, *, sees_versions: bool, crosses_network: bool, timeout: float
) -> Posture:
    """Ask every question. ``timeout``: seconds for all. Raises BackendError.

    ``sees_versions``: versions are listed. ``crosses_network``: TLS is needed on the way.
    """
    name, left = bucket.name, bucket.countdown(timeout)

    def ask(question: Ask, wrong: Judge) -> Finding:
        return bucket.ask(lambda s3: _finding(s3, question, wrong), timeout=left())

    questions: dict[PostureCheck, Callable[[], Finding]] = {
        PostureCheck.REPLICATION: lambda: ask(
            lambda s3: s3.get_bucket_replication(Bucket=name), replicates
        ),
        PostureCheck.PUBLIC_ACCESS: lambda: _public_access(name, ask),
        PostureCheck.TRANSPORT: lambda: (
            ask(
                lambda s3: s3.get_bucket_policy(Bucket=name),
                lambda a: not demands_tls(a, name, on_aws=bucket.is_aws),
            )
            if crosses_network
            else Finding.OK
        ),
        PostureCheck.LIFECYCLE: lambda: ask(
            lambda s3: s3.get_bucket_lifecycle_configuration(Bucket=name), expires
        ),
        PostureCheck.DEFAULT_RETENTION: lambda: ask(
            lambda s3: s3.get_object_lock_configuration(Bucket=name), retains
        ),
        PostureCheck.INVENTORY: lambda: ask(
            lambda s3: s3.list_bucket_inventory_configurations(Bucket=name), inventories
        ),
        PostureCheck.ACCESS_LOGS: lambda: ask(lambda s3: s3.get_bucket_logging(Bucket=name), logs),
        PostureCheck.NOTIFICATIONS: lambda: ask(
            lambda s3: s3.get_bucket_notification_configuration(Bucket=name), notifies
        ),
        PostureCheck.VERSIONING: lambda: ask(
            lambda s3: s3.get_bucket_versioning(Bucket=name),
            lambda a: keeps_versions(a, seen=sees_versions),
        ),
    }
    return _answers(questions)


def _answers(questions: Mapping[PostureCheck, Callable[[], Finding]]) -> Posture:
    """Ask. If the server fails after a bad answer, that answer stands; the rest is unreadable."""
    found: dict[PostureCheck, Finding] = {}
    for check, question in questions.items():
        try:
            found[check] = question()
        except BackendError:
            if Finding.BAD not in found.values():
                raise
            return {**dict.fromkeys(questions, Finding.UNREADABLE), **found}
    return found


def _public_access(name: str, ask: Callable[[Ask, Judge], Finding]) -> Finding:
    """A block of all public access is enough. Without it, policy and access list are read."""
    blocked = ask(lambda s3: s3.get_public_access_block(Bucket=name), lambda a: not blocks_all(a))
    if blocked is Finding.OK:
        return Finding.OK
    found = {
        ask(lambda s3: s3.get_bucket_policy_status(Bucket=name), policy_is_public),
        ask(lambda s3: s3.get_bucket_acl(Bucket=name), acl_is_public),
    }
    return next(each for each in (Finding.BAD, Finding.UNREADABLE, Finding.OK) if each in found)


def _finding(s3: "S3Client", question: Ask, wrong: Judge) -> Finding:
    """Ask one question. An error that is not an answer to it is raised."""
    try:
        answer = question(s3)
    except ClientError as error:
        if error.response["Error"].get("Code") in _NOT_SET:
            answer = {}
        elif is_refusal(error):
            return Finding.UNREADABLE
        else:
            raise
    except (InvalidResponse, ResponseParserError):
        return Finding.UNREADABLE
    try:
        return Finding.BAD if wrong(answer) else Finding.OK
    except (InvalidResponse, LookupError):
        return Finding.UNREADABLE


def replicates(answer: Answer) -> bool:
    """Whether a rule copies objects to another bucket."""
    rules = answer.get("ReplicationConfiguration", {}).get("Rules", ())
    return any(rule.get("Status") != "Disabled" for rule in rules)


def blocks_all(answer: Answer) -> bool:
    """Whether the bucket lets no policy or access list make anything public."""
    blocked = answer.get("PublicAccessBlockConfiguration", {})
    return all(blocked.get(name) is True for name in BLOCKS)


def policy_is_public(answer: Answer) -> bool:
    """Whether the bucket's policy gives rights to anyone."""
    status = answer.get("PolicyStatus")
    return status is not None and status["IsPublic"] is not False


def acl_is_public(answer: Answer) -> bool:
    """Whether the bucket's access list gives rights to anyone: to a group that is not ours."""
    groups = {grant.get("Grantee", {}).get("URI") for grant in answer["Grants"]}
    return bool(groups - {None, _LOG_DELIVERY})


def demands_tls(answer: Answer, bucket: str, *, on_aws: bool) -> bool:
    """Whether a policy denies everyone everything in this bucket without TLS.

    Raises InvalidResponse if it only does so on some servers: Ceph knows of a request with TLS that
    it is one, and of any other nothing, so that ``Bool`` never denies.
    """
    if "Policy" not in answer:
        return False
    tests = {_test_for_plain(each, bucket) for each in _statements(answer["Policy"])}
    if "Bool" in tests and "BoolIfExists" not in tests and not on_aws:
        raise InvalidResponse("a condition that is not the same on all servers")
    return bool({"Bool", "BoolIfExists"} & tests)


def _statements(text: str) -> list[Answer]:
    try:
        found = json.loads(text)["Statement"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidResponse("not a policy") from None
    return [each for each in _listed(found) if isinstance(each, dict)]


def _test_for_plain(statement: Answer, bucket: str) -> str | None:
    """Return the test for TLS of a statement that denies every action on bucket and objects."""
    conditions = statement.get("Condition")
    if statement.get("Effect") != "Deny" or not isinstance(conditions, dict):
        return None
    resources = {_named(str(each)) for each in _listed(statement.get("Resource", ()))}
    denies = (
        statement.keys() <= _STATEMENT  # none with Not before it
        and statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and bool({"s3:*", "*"} & set(map(str, _listed(statement.get("Action", ())))))
        and (resources >= {bucket, f"{bucket}/*"} or bool(resources & {"*", f"{bucket}*"}))
    )
    if not denies or len(conditions) != 1:
        return None
    test, condition = next(iter(conditions.items()))
    return str(test) if _only_plain(condition) else None


def _named(resource: str) -> str:
    """Return what an ARN of S3 names. An object may have colons in its name."""
    parts = resource.split(":", 5)
    return parts[5] if len(parts) == _ARN and parts[2] == "s3" else resource


def _only_plain(condition: object) -> bool:
    if not isinstance(condition, dict) or set(condition) != {"aws:SecureTransport"}:
        return False
    value = condition["aws:SecureTransport"]
    return [str(each).lower() for each in _listed(value)] == ["false"]


def expires(answer: Answer) -> bool:
    """Whether a rule does more than abort uploads and remove noncurrent versions and markers."""
    rules = answer.get("Rules", ())
    return any(rule.get("Status") != "Disabled" and not _is_ours(rule) for rule in rules)


def _is_ours(rule: Answer) -> bool:
    only_markers = set(rule.get("Expiration", {})) <= {"ExpiredObjectDeleteMarker"}
    return only_markers and set(rule) <= _OURS | _NAMES | {"Expiration"}


def retains(answer: Answer) -> bool:
    """Whether new objects get a retention period that nobody asked for."""
    return "DefaultRetention" in answer.get("ObjectLockConfiguration", {}).get("Rule", {})


def inventories(answer: Answer) -> bool:
    """Whether the names of objects are written elsewhere."""
    found = answer.get("InventoryConfigurationList", ())
    if any(each.get("IsEnabled") is not False for each in found):
        return True
    if answer.get("IsTruncated"):  # a hundred that are off, and more
        raise InvalidResponse("too many inventories")
    return False


def logs(answer: Answer) -> bool:
    """Whether requests are logged to a bucket."""
    return "LoggingEnabled" in answer


def notifies(answer: Answer) -> bool:
    """Whether events are sent anywhere."""
    return any(name in answer and answer[name] is not None for name in _EVENTS)


def keeps_versions(answer: Answer, *, seen: bool) -> bool:
    """Whether versions exist that we do not list, or that cannot be deleted without a code."""
    return ("Status" in answer and not seen) or answer.get("MFADelete") == "Enabled"


def _listed(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else (value,)

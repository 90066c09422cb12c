"""What the URL of an endpoint says: whether it is safe, and where its host is."""

import ipaddress
import re
from urllib.parse import urlsplit

_AWS = re.compile(
    r"(?:.*\.)?(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws"
    r"|api\.amazonwebservices\.com\.cn)"
)
# A bucket or an access point, the service, and its region. The region of every other host of AWS
# is unknown: s3.amazonaws.com, s3-accelerate and the global access points choose one themselves.
_REGIONAL = re.compile(
    r"(?:[a-z0-9.-]+\.)?"
    r"(?:s3(?:-accesspoint)?(?:-fips)?(?:\.dualstack)?[.]|s3(?:-fips)?-(?=[a-z]+-))"
    r"(?P<region>[a-z0-9-]+)(?:\.vpce)?\.(?:amazonaws|api)\.[a-z.]+"
)


def host_of(url: str) -> str:
    """Return the host of a URL in lower case, empty without one."""
    try:
        return (urlsplit(url).hostname or "").removesuffix(".")
    except ValueError:
        return ""


def is_loopback(url: str) -> bool:
    """Return whether the host of a URL is this machine."""
    host = host_of(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def safe_url(url: str) -> bool:
    """Return whether content may be sent to the URL: over TLS, or to this machine itself."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # raises if the port is not a number
    except ValueError:
        return False
    plain = bool(host) and url.isascii() and not re.search(r"[\s?#@\\]", url)
    return plain and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))


def is_aws(url: str) -> bool:
    """Return whether the host belongs to AWS."""
    return _AWS.fullmatch(host_of(url)) is not None


def aws_region_of(url: str) -> str | None:
    """Return the region in the name of an S3 host of AWS. None: the name does not say it."""
    found = _REGIONAL.fullmatch(host_of(url))
    return found["region"] if found else None


_KMS_KEY = re.compile(
    r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):\d{12}:"
    r"key/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_KMS_HOST = re.compile(
    r"(?:(?:vpce-[a-z0-9-]+\.)?kms\.(?P<private>[a-z0-9-]+)\.vpce|kms(?:-fips)?\.(?P<public>[a-z0-9-]+))"
    r"\.(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws)"
)


def aws_region_of_kms_key(arn: str) -> str | None:
    """Return the region of a KMS key. None: it is no ARN of a key, or the key is in several.

    The id of a multi-Region key begins with ``mrk-``: copies of it may be in any region.
    """
    found = _KMS_KEY.fullmatch(arn)
    return found["region"] if found else None


def is_kms_endpoint(url: str, region: str) -> bool:
    """Return whether the URL is an endpoint of KMS in that region, or this machine itself."""
    if not safe_url(url):
        return False
    found = _KMS_HOST.fullmatch(host_of(url))
    return is_loopback(url) or (found is not None and region in (found["private"], found["public"]))

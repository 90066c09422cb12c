"""Which kinds of backend there are. To add one: a module, and a line in ``_KINDS``."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from regions.model import BackendKind, BackendSpec
from storage.backends.credentials import Credentials
from storage.backends.directory import DirectoryBackend
from storage.backends.memory import MemoryBackend
from storage.backends.root import create_root
from storage.errors import ConfigurationError
from storage.model import Entropy
from storage.ports import Backend


@dataclass(frozen=True, slots=True)
class _Means:
    """What this process brings along, besides what the topology says."""

    data_dir: Path
    credentials: Credentials | None
    timeout: float
    clock: Callable[[], float]
    entropy: Entropy


def open_backend(
    spec: BackendSpec,
    *,
    data_dir: Path,
    credentials: Credentials | None = None,
    timeout: float = 30,
    clock: Callable[[], float] = time.monotonic,
    entropy: Entropy = os.urandom,
) -> Backend:
    """The backend that the topology describes. Nothing is asked of it yet: see ``Backend.probe``.

    ``timeout`` (seconds) is for requests that are not writes; ``clock`` is monotonic. ``s3``
    without credentials uses those that boto3 finds. Raises ConfigurationError if the description
    cannot be used.
    """
    return _KINDS[spec.kind](spec, _Means(data_dir, credentials, timeout, clock, entropy))


def create_storage(spec: BackendSpec, *, data_dir: Path) -> None:
    """Make what a backend needs before its first use, if we can; else it is there or it is not.

    Only ``domicile init`` calls this. What is made already stays as it is. Raises BackendError.
    """
    if spec.kind == "directory":
        create_root(spec.name, data_dir / _given(spec, "path"))


def _s3(spec: BackendSpec, means: _Means) -> Backend:
    from storage.backends.s3 import Bucket, S3Backend  # noqa: PLC0415 - boto3 takes long to import

    bucket = Bucket(
        spec.name,
        _given(spec, "bucket"),
        _given(spec, "aws_region"),
        endpoint_url=spec.endpoint_url,
        credentials=means.credentials,
        timeout=means.timeout,
        clock=means.clock,
    )
    return S3Backend(bucket, attested_off=spec.attested_off, longest_request=spec.longest_request)


def _directory(spec: BackendSpec, means: _Means) -> Backend:
    return DirectoryBackend(
        spec.name,
        means.data_dir / _given(spec, "path"),
        clock=means.clock,
        entropy=means.entropy,
        reserve=spec.reserve_mib * 1024 * 1024,
        longest_request=spec.longest_request,
    )


def _memory(spec: BackendSpec, _: _Means) -> Backend:
    return MemoryBackend(spec.name, longest_request=spec.longest_request)


def _given(spec: BackendSpec, field: str) -> str:
    value = getattr(spec, field)
    if not value:
        raise ConfigurationError(f"{spec.name}: a backend of kind {spec.kind} needs {field}")
    return str(value)


_KINDS: Mapping[BackendKind, Callable[[BackendSpec, _Means], Backend]] = {
    "directory": _directory,
    "memory": _memory,
    "s3": _s3,
}

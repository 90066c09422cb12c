"""The kinds of backend. To add one: a module in this package, and a case in ``open_backend``."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import assert_never
from uuid import UUID

from regions.backends import BackendSpec, DirectorySpec, MemorySpec, S3Spec
from regions.fields import PostureCheck
from storage.backends.directory import check_directory, create_directory, open_directory
from storage.backends.memory import MemoryBackend
from storage.backends.s3 import S3Credentials, make_bucket, open_s3
from storage.model import Entropy
from storage.ports import Backend


def open_backend(
    spec: BackendSpec,
    *,
    data_dir: Path,
    credentials: S3Credentials | None = None,
    timeout: float = 30,
    clock: Callable[[], float] = time.monotonic,
    entropy: Entropy = os.urandom,
) -> Backend:
    """Return the backend that the topology describes. Sends no request: see ``Backend.probe``.

    ``timeout`` (seconds) is for requests that are not writes; ``clock`` is monotonic. Raises
    ConfigurationError if the description cannot be used.
    """
    match spec:
        case S3Spec():
            return open_s3(spec, credentials=credentials, timeout=timeout, clock=clock)
        case DirectorySpec():
            return open_directory(spec, data_dir=data_dir, clock=clock, entropy=entropy)
        case MemorySpec():
            return MemoryBackend(spec.name, longest_request=spec.longest_request)
        case _:
            assert_never(spec)


def create_storage(
    spec: BackendSpec,
    *,
    data_dir: Path,
    identity: UUID | None = None,
    entropy: Entropy = os.urandom,
) -> None:
    """Create what a backend needs before its first use, where Domicile can: a directory.

    Only ``domicile init`` calls this. What exists already stays as it is. Nothing is created if the
    catalog knows the ``identity`` of the storage: it must be there. Raises BackendError.
    """
    if not isinstance(spec, DirectorySpec):
        return
    if identity is None:
        create_directory(spec, data_dir=data_dir, entropy=entropy)
    else:
        check_directory(spec, identity, data_dir=data_dir)


def provision_storage(
    spec: BackendSpec,
    *,
    data_dir: Path,
    credentials: S3Credentials | None = None,
    timeout: float = 30,
    clock: Callable[[], float] = time.monotonic,
    refuse_foreign: Callable[[Backend], None],
) -> frozenset[PostureCheck]:
    """Make the place of a backend: a bucket or a directory that keeps bytes, and nothing else.

    Return what the server cannot set. ``refuse_foreign`` raises if the place exists already and
    holds what is not ours: nothing is changed then. Raises BackendError.
    """
    create_storage(spec, data_dir=data_dir)
    backend = open_backend(spec, data_dir=data_dir, credentials=credentials, timeout=timeout)
    try:
        if isinstance(spec, S3Spec):
            return make_bucket(
                spec,
                credentials=credentials,
                timeout=timeout,
                clock=clock,
                refuse_foreign=lambda: refuse_foreign(backend),
            )
        refuse_foreign(backend)
        return frozenset()
    finally:
        backend.close()

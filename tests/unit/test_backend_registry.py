"""Backends are opened from what the topology says of them."""

from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from regions.backends import BackendSpec, DirectorySpec, MemorySpec, S3Spec
from storage.backends.directory import DirectoryBackend
from storage.backends.memory import MemoryBackend
from storage.backends.registry import create_storage, open_backend
from storage.backends.s3 import S3Credentials
from storage.backends.s3.backend import S3Backend
from storage.errors import BackendFull, BackendUnavailable

S3 = S3Spec(
    name="eu-a",
    sub_processor="x",
    bucket="bucket",
    aws_region="eu-central-1",
    attested_off=frozenset({"uploads"}),
    longest_request_minutes=20,
)
DIRECTORY = DirectorySpec(name="eu-a", sub_processor="x", path="backends/eu-a")
MEMORY = MemorySpec(name="eu-a", sub_processor="x")
CREDENTIALS = S3Credentials(access_key=SecretStr("key"), secret_key=SecretStr("secret"))


def test_every_kind_is_tried_here() -> None:
    """A kind that the topology may name can be opened: the type checker knows, and this test."""
    assert {type(spec) for spec in (S3, DIRECTORY, MEMORY)} == set(
        get_args(get_args(BackendSpec)[0])
    )


@pytest.mark.parametrize(
    ("spec", "kind"), [(S3, S3Backend), (DIRECTORY, DirectoryBackend), (MEMORY, MemoryBackend)]
)
def test_a_backend_is_opened_without_asking_it(
    tmp_path: Path, spec: BackendSpec, kind: type
) -> None:
    """One that is down does not keep a process from starting."""
    backend = open_backend(spec, data_dir=tmp_path, credentials=CREDENTIALS)

    assert isinstance(backend, kind)
    assert backend.name == "eu-a"
    assert backend.longest_request == timedelta(minutes=spec.longest_request_minutes)
    assert list(tmp_path.iterdir()) == []
    backend.close()


def test_what_is_attested_is_passed_on(tmp_path: Path) -> None:
    """A server that cannot list uploads is not asked for them."""
    assert open_backend(S3, data_dir=tmp_path).listable == {"object", "version", "marker"}


def test_a_directory_is_made_by_init_alone(tmp_path: Path) -> None:
    """Opening and writing do not make it; ``create_storage`` does, below the data directory."""
    backend = open_backend(DIRECTORY, data_dir=tmp_path)
    with pytest.raises(BackendUnavailable):
        backend.put("a", b"data", timeout=10)
    create_storage(DIRECTORY, data_dir=tmp_path)
    backend.put("a", b"data", timeout=10)

    assert (tmp_path / "backends" / "eu-a" / "a").read_bytes() == b"data"


def test_a_path_may_be_absolute(tmp_path: Path) -> None:
    """A disk of its own."""
    spec = DIRECTORY.model_copy(update={"path": str(tmp_path / "disk")})
    create_storage(spec, data_dir=Path("/nowhere"))
    open_backend(spec, data_dir=Path("/nowhere")).probe("canary/1")

    assert (tmp_path / "disk" / ".domicile").exists()


def test_the_reserve_is_passed_on(tmp_path: Path) -> None:
    """In MiB in the topology."""
    spec = DIRECTORY.model_copy(update={"reserve_mib": 2**40})
    create_storage(spec, data_dir=tmp_path)

    with pytest.raises(BackendFull):
        open_backend(spec, data_dir=tmp_path).put("a", b"data", timeout=10)


@pytest.mark.parametrize("spec", [S3, MEMORY], ids=["s3", "memory"])
def test_only_directories_are_made(tmp_path: Path, spec: BackendSpec) -> None:
    """The operator of a bucket creates it."""
    create_storage(spec, data_dir=tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "field"), [(S3, "bucket"), (S3, "aws_region"), (DIRECTORY, "path")]
)
def test_a_spec_that_lacks_a_field_cannot_be_made(spec: BackendSpec, field: str) -> None:
    """Also when it does not come through the loader: the error names the field."""
    given = spec.model_dump(exclude={field})

    with pytest.raises(ValidationError, match=field):
        TypeAdapter[BackendSpec](BackendSpec).validate_python(given)

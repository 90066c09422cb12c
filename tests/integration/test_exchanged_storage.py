"""Storage that is exchanged, or comes late, while a process runs: nothing is written to it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.backends.memory import MemoryBackend
from storage.backends.root import create_root
from storage.catalog import tables as t
from storage.errors import BackendReplaced, DomicileError
from storage.evidence.receipts import verify
from storage.model import DataClass
from storage.objects.recognition import attest_loss
from storage.testing import SERVICE, Domicile
from storage.testing.harness import Kind
from tests.support.actions import erase, get, is_complete, put_prompt, work
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

NAMES = ("eu-a", "eu-b")


@pytest.fixture
def domicile_backends() -> Kind:
    """Directories, which tell with every call what storage they have."""
    return "directory"


@contextmanager
def mount_point(domicile: Domicile, name: str) -> Iterator[Path]:
    """Unmount the disk of a backend. What is left in its place was made before it was mounted."""
    root = domicile.settings.home / "backends" / name
    disk = root.rename(root.parent / "unmounted")
    create_root(name, root, os.urandom)
    yield root
    root.rename(root.parent / f"mount-point-{name}")
    disk.rename(root)


def files(root: Path) -> list[str]:
    """Return the files of a directory, but for its marker."""
    return [path.name for path in root.rglob("*") if path.is_file() and path.name != ".domicile"]


@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_is_unmounted_while_a_process_runs(domicile: Domicile, name: str) -> None:
    """Nothing goes to the directory below it, so an erasure misses nothing there."""
    tenant = domicile.tenant()
    before = put_prompt(domicile, "u")
    with mount_point(domicile, name) as root:
        with suppress(DomicileError):
            tenant.put(DataClass.PROMPT, b"later", subject="u")
        with suppress(DomicileError):
            tenant.put_file(BytesIO(b"a file"), subject="u")
        assert get(tenant, before) == b"mine"
        work(domicile, hours=1)

        assert files(root) == []

        backend = domicile.backends[name].inner
        calls: list[Callable[[], object]] = [
            lambda: backend.put("a/b", b"data", timeout=1),
            lambda: backend.upload("a/b", timeout=1),
            lambda: backend.get("a/b"),
            lambda: backend.list_key("a/b"),
            lambda: backend.purge("a/b"),
            lambda: list(backend.scan()),
        ]
        for call in calls:
            with pytest.raises(BackendReplaced):
                call()

    erasure = erase(tenant)
    for _ in range(4):
        work(domicile, hours=1)
    assert is_complete(domicile, erasure)


@pytest.mark.parametrize("what", ["prompt", "file"])
def test_a_backend_that_comes_later_is_recognized_before_a_write(
    domicile: Domicile, what: str
) -> None:
    """It was away when the process began. Otherwise another directory could pass for it later."""
    with home(domicile).catalog.begin() as connection:
        connection.execute(t.backend_storage.delete())
    faulty = domicile.backends["eu-b"]
    faulty.inner = MemoryBackend("eu-b")
    domicile.take_down("eu-b")
    domicile.open()
    domicile.bring_back("eu-b")
    del faulty.calls[:]
    tenant = domicile.tenant()
    if what == "prompt":
        tenant.put(DataClass.PROMPT, b"mine")
    else:
        tenant.put_file(BytesIO(b"a file"))

    methods = [method for method, _ in faulty.calls]
    assert methods.index("identify") < min(
        methods.index(method) for method in ("put", "upload") if method in methods
    )
    assert methods.count("identify") == 1
    with home(domicile).catalog.begin() as connection:
        known = set(connection.scalars(select(t.backend_storage.c.identity)))
    assert faulty.identity(timeout=1) in known


def test_a_backend_that_comes_back_with_other_storage(domicile: Domicile) -> None:
    """Nothing is written to it; the record has its other replica."""
    tenant = domicile.tenant()
    domicile.take_down("eu-b")
    domicile.open()
    faulty = domicile.backends["eu-b"]
    faulty.inner = other = MemoryBackend("eu-b")
    domicile.bring_back("eu-b")
    tenant = domicile.store.tenant(tenant.id).bind(SERVICE)
    record = tenant.put(DataClass.PROMPT, b"mine").id
    work(domicile, hours=1)

    assert get(tenant, record) == b"mine"
    assert list(other.scan()) == []
    assert other.identity(timeout=1) is None


@pytest.mark.parametrize("what", ["prompt", "file", "copy"])
def test_a_process_that_runs_does_not_write_to_what_is_lost(domicile: Domicile, what: str) -> None:
    """A disk was said to be lost, and is back. Nothing new goes there, without a restart too."""
    tenant = domicile.tenant()
    if what == "copy":
        domicile.take_down("eu-a")
    tenant.put(DataClass.PROMPT, b"first", subject="v")
    domicile.bring_back("eu-a")
    root = domicile.settings.home / "backends" / "eu-a"
    away = root.rename(root.parent / "away")
    attest_loss(home(domicile), "eu-a", actor="ops-7", document="0" * 64)
    away.rename(root)
    before = files(root)
    if what == "prompt":
        tenant.put(DataClass.PROMPT, b"mine", subject="u")
    elif what == "file":
        tenant.put_file(BytesIO(b"a file"), subject="u")
    for _ in range(3):
        work(domicile, hours=1)

    assert set(files(root)) <= set(before)


def test_what_began_around_the_loss_is_attested(domicile: Domicile) -> None:
    """A write that was announced just before may have gone to the former storage."""
    domicile.tenant()
    domicile.take_down("eu-a")
    attest_loss(home(domicile), "eu-a", actor="ops-7", document="0" * 64)
    domicile.bring_back("eu-a")
    domicile.backends["eu-a"].inner = MemoryBackend("eu-a", versioned=True)
    domicile.open()
    domicile.pass_time(seconds=30)
    put_prompt(domicile, "u")
    erasure = erase(domicile.store.tenant("acme-eu").bind(SERVICE))
    for _ in range(6):
        work(domicile, hours=1)

    receipt = verify(
        domicile.store.erasure(erasure.id).receipt or "", home(domicile).signing.public_key()
    )
    assert {leaf.how for leaf in receipt.leaves if leaf.backend == "eu-a"} == {"attested"}

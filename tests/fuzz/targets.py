"""The parsers, each with valid samples and the errors that it documents."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from regions.errors import TopologyProblem
from regions.load import load_topology
from storage.backends.memory import MemoryBackend
from storage.backends.s3.pages import OBJECTS, UPLOADS, VERSIONS, read
from storage.backends.s3.responses import InvalidResponse
from storage.crypto.envelope import seal_object
from storage.crypto.ledger import open_entry
from storage.crypto.root import LocalRootKeys
from storage.crypto.stream import Sealer, open_range
from storage.errors import Corrupt, InvalidRequest, MalformedId, ReceiptInvalid
from storage.evidence.receipts import verify
from storage.model import RecordId
from storage.packs.manifest import read_manifest
from tests.fuzz import logs
from tests.fuzz.samples import EVENTS, IDS, LISTINGS, MANIFESTS
from tests.support.receipt_tokens import KEY, PUBLIC, TOKENS, b64, unb64

Run = Callable[[bytes], object]
_OBJECT = UUID(int=7)
_KEYS: dict[int, bytes] = {1: bytes(32)}
_ROOTS = LocalRootKeys("eu-central-1", {"root": _KEYS, "pseudonym": _KEYS, "signing": _KEYS}, bytes)


@dataclass(frozen=True)
class Target:
    """A parser: ``parse`` may raise ``errors`` and nothing else."""

    name: str
    samples: tuple[bytes, ...]
    parse: Run
    errors: tuple[type[Exception], ...]


@contextmanager
def targets() -> Iterator[list[Target]]:
    """Yield all parsers. They use a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="dom-fuzz-") as scratch:
        yield [
            _topology(Path(scratch) / "topology"),
            _record_ids(),
            Target("ledger", EVENTS, _ledger, (Corrupt,)),
            Target("manifest", MANIFESTS, _manifest, (Corrupt,)),
            _stream(),
            Target("receipt", tuple(t.encode() for t in TOKENS), _receipt, (ReceiptInvalid,)),
            Target("signed receipt", tuple(map(_parts, TOKENS)), _signed, (ReceiptInvalid,)),
            Target("listing", LISTINGS, _listing, (InvalidResponse,)),
            *(Target(*each) for each in logs.TARGETS),
        ]


def _topology(folder: Path) -> Target:
    """Change one file of the shipped topology: a sample is its name, a line end and its text."""
    with as_file(files("regions") / "data") as shipped:
        shutil.copytree(shipped, folder)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.toml"))
    originals = {name.encode(): (folder / name).read_bytes() for name in names}

    def parse(data: bytes) -> object:
        name, _, text = data.partition(b"\n")
        name = name if name in originals else next(iter(originals))
        file = folder / name.decode()
        file.write_bytes(text)
        try:
            return load_topology(folder)
        finally:
            file.write_bytes(originals[name])

    samples = tuple(name + b"\n" + text for name, text in originals.items())
    return Target("topology", samples, parse, (TopologyProblem,))


def _record_ids() -> Target:
    def parse(data: bytes) -> None:
        text = data.decode(errors="surrogateescape")
        assert str(RecordId.parse(text)) == text

    return Target("record id", IDS, parse, (MalformedId,))


def _sealed(plain: bytes, what: str, context: bytes) -> bytes:
    context += _OBJECT.bytes
    return seal_object(plain, what=what, context=context, roots=_ROOTS, entropy=bytes)


def _ledger(data: bytes) -> object:
    """Under a valid seal: another program may have used the root key."""
    sealed = _sealed(data, "ledger", b"domicile ledger entry ")
    return open_entry(sealed, _OBJECT, _ROOTS)


def _manifest(data: bytes) -> None:
    """Under a valid seal."""
    sealed = _sealed(data, "manifest", b"domicile manifest ")
    whole = sealed + len(sealed).to_bytes(8) + b"domicile"
    backend = MemoryBackend("eu-a")
    backend.put("key", whole, timeout=1)
    backend.put("raw", data, timeout=1)
    region = cast("Any", SimpleNamespace(roots=_ROOTS, backends={"eu-a": backend}))
    read_manifest(region, _OBJECT, {"raw": "eu-a"}, len(data))
    if read_manifest(region, _OBJECT, {"key": "eu-a"}, len(whole)) is None:
        raise Corrupt("no manifest")


def _stream() -> Target:
    """A sample is three numbers of 4 bytes (start, stop and size), and the sealed bytes."""
    key, chunk = bytes(32), 64

    def sample(size: int) -> bytes:
        sealer = Sealer(key, b"aad", chunk=chunk)
        sealed = sealer.update(bytes(size)) + sealer.finish()
        return b"".join(n.to_bytes(4) for n in (0, size, size)) + sealed

    def parse(data: bytes) -> None:
        start, stop, size = (int.from_bytes(data[n : n + 4]) for n in (0, 4, 8))
        found = open_range(key, b"aad", data[12:], start=start, stop=stop, size=size, chunk=chunk)
        assert found == bytes(stop - start)

    samples = tuple(map(sample, (0, 1, 64, 65, 200)))
    return Target("stream", samples, parse, (Corrupt, InvalidRequest))


def _receipt(data: bytes) -> object:
    return verify(data.decode(errors="surrogateescape"), PUBLIC)


def _parts(token: str) -> bytes:
    """Return the parts of a receipt in plain text, to be changed and signed again."""
    jws, leaf, proof = token.split("~")
    head, root, _ = jws.split(".")
    return b"~".join(map(unb64, (head, root, leaf, proof)))


def _signed(data: bytes) -> object:
    """Under a valid signature: whoever signs may err too."""
    head, root, leaf, proof = (data.split(b"~") + [b""] * 4)[:4]
    signed = f"{b64(head)}.{b64(root)}"
    jws = f"{signed}.{b64(KEY.sign(signed.encode()))}"
    return verify("~".join((jws, b64(leaf), b64(proof))), PUBLIC)


def _listing(data: bytes) -> None:
    """A sample is the operation, a line end and the body."""
    operation, _, body = data.partition(b"\n")
    for form in (OBJECTS, UPLOADS, VERSIONS):
        if form.operation == operation.decode(errors="replace"):
            read(form, body, "bucket")

"""``domicile://tenant/...``: the files of a tenant for all that reads and writes through fsspec.

Needs the extra ``fsspec``. Files can be read, and written once. See ``DomicileFileSystem``.
"""

import errno
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, NoReturn
from weakref import finalize

from fsspec import AbstractFileSystem

from storage import (
    Actor,
    ActorKind,
    BoundTenant,
    Corrupt,
    DataClass,
    Erased,
    Expired,
    FineTuning,
    IdConflict,
    InvalidRequest,
    KeyUnavailable,
    MalformedId,
    NotFound,
    OpenFile,
    Purpose,
    PurposeRefused,
    PutResult,
    RecordId,
    RecordInfo,
    Store,
    UnknownTenant,
    open_store,
)
from storage.contrib.uploads import PIECE, Put, Upload

MOST = 10_000  # files of a tenant whose names are looked for
_PAGE = 1000
_FILE = DataClass.FINE_TUNING_FILE
_READ_ONLY = "A file is written once: {what}. Use the API: {instead}."
_NO_TRANSACTION = "Files are stored one by one: there is no transaction."

Entry = dict[str, Any]


class DomicileFileSystem(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """The files of tenants: ``domicile://tenant/name``, or ``domicile://tenant/id`` for any record.

    A file has the name with which it was stored. If several have it, the first keeps it. The others
    are listed by their ids, and so are files without a name, and with one that is no path. Names
    are sealed in the files, so the first listing of a tenant opens each; an id is found at once.
    Directories are what names have before a slash.

    A file that is written is a fine-tuning file, stored when it is closed. Nothing is overwritten,
    appended to, copied, renamed or removed: a copy would not be erased with its original, and an
    erasure has a reason.

    Raises FileNotFoundError also for what was erased or has expired, FileExistsError, and
    PermissionError if the purpose does not open it. No error names a file. All else raises what the
    API raises.
    """

    protocol = "domicile"
    cachable = False  # an instance can hold an open store

    def __init__(
        self,
        *,
        purpose: Purpose | str,
        actor: Actor | Mapping[str, str],
        tuning: FineTuning | Mapping[str, str] | None = None,
        store: Store | None = None,
    ) -> None:
        """``purpose`` and ``actor``: what the files are opened for, and who opens them.

        ``tuning``: the job and the model, for the purpose ``fine_tune``. Opening notes then what
        the model was tuned with, so files are listed by their ids. ``store``: an open store, to
        share; without it one is opened from ``DOMICILE_*``, and closed when this and its files are
        no longer used. Raises InvalidRequest, and what ``open_store`` raises.
        """
        super().__init__()
        self._purpose = _purpose(purpose)
        self._actor = _actor(actor)
        self._tuning = None if tuning is None else _tuning(tuning)
        self._store = self._open_store() if store is None else store
        self._names: dict[str, dict[RecordId, str]] = {}  # by tenant

    def ls(  # the signature is fsspec's
        self,
        path: str,
        detail: bool = True,  # noqa: FBT001, FBT002
        **options: object,
    ) -> list[Any]:
        """Return what is directly below a path: its entries, or their names."""
        tenant, name = self._split(path)
        found = self._entries(tenant, name)
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **options: object) -> Entry:
        """Return the entry of a path."""
        tenant, name = self._split(path)
        if not name:
            self._tenant(tenant)
            return _directory(tenant)
        entries = self._entries(tenant, name)
        path = f"{tenant}/{name}"
        return next((one for one in entries if one["name"] == path), _directory(path))

    def exists(self, path: str, **options: object) -> bool:
        """Return whether there is something. Raises what the API raises: fsspec would say no."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def created(self, path: str) -> datetime:
        """Return when the file was written."""
        written: datetime = self.info(path)["created"]
        return written

    modified = created

    def rm(self, path: object, *args: object, **options: object) -> NoReturn:
        """Refuse, as fsspec expects: erasing is a call of its own."""
        raise NotImplementedError(
            _READ_ONLY.format(what="nothing is removed by its name", instead="Tenant.delete")
        )

    rm_file = _rm = rm

    def cp_file(self, path1: str, path2: str, **options: object) -> NoReturn:
        """Refuse, as fsspec expects: a copy would outlive its original."""
        raise NotImplementedError(
            _READ_ONLY.format(
                what="a copy would not be erased with its original", instead="Tenant.put_file"
            )
        )

    def mv(self, path1: str, path2: str, **options: object) -> NoReturn:
        """Refuse, as fsspec expects: the name is sealed in the file."""
        raise NotImplementedError(
            _READ_ONLY.format(what="its name is sealed in it", instead="Tenant.put_file")
        )

    def start_transaction(self) -> NoReturn:
        """Refuse, as fsspec expects: each file is stored by itself."""
        raise NotImplementedError(_NO_TRANSACTION)

    @property
    def transaction(self) -> NoReturn:
        """Refuse, as fsspec expects: each file is stored by itself."""
        raise NotImplementedError(_NO_TRANSACTION)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        *,
        autocommit: bool = True,
        **options: object,
    ) -> io.BufferedIOBase:
        tenant, name = self._split(path)
        if not autocommit:
            raise NotImplementedError(_NO_TRANSACTION)
        if mode == "rb":
            return self._reading(tenant, name, block_size or PIECE)
        if mode in {"wb", "xb"}:
            return self._writing(tenant, name)
        raise NotImplementedError(
            _READ_ONLY.format(what='open it with "rb", "wb" or "xb"', instead="Tenant.put_file")
        )

    def _reading(self, tenant: str, name: str, size: int) -> io.BufferedReader:
        found = _id_in(name) or self._files(tenant).get(name)
        if found is None:
            _not_found()
        with _as_file():
            opened = self._tenant(tenant).open(
                found if isinstance(found, RecordId) else found.id,
                purpose=self._purpose,
                tuning=self._tuning,
            )
        return _Reader(self, opened, size)

    def _writing(self, tenant: str, name: str) -> Upload:
        if not is_path(name):
            raise InvalidRequest("A new file needs a name that is a path, and no id.")
        if name in self._files(tenant):
            raise FileExistsError(errno.EEXIST, "The tenant has a file of this name.")
        own = self._tenant(tenant)
        record_id = own.new_id(_FILE, key=name)  # of two that write it at once, one wins

        def put(pieces: Iterable[bytes]) -> PutResult:
            with _as_new_file():
                result = own.put_file(pieces, filename=name, id=record_id)
            if not result.stored:
                raise PermissionError(errno.EPERM, "Under zero retention nothing is stored.")
            return result

        return _Writer(self, put)

    def _entries(self, tenant: str, name: str) -> list[Entry]:
        """Return the file of a path and what is directly below it. Raises FileNotFoundError."""
        record_id = _id_in(name)
        if record_id is not None:
            with _as_file():
                return [_file(f"{tenant}/{name}", self._tenant(tenant).head(record_id))]
        files = self._files(tenant)
        below: dict[str, Entry] = {}
        start = f"{name}/" if name else ""
        for one, found in files.items():
            if one == name:
                below[one] = _file(f"{tenant}/{one}", found)
            elif one.startswith(start):
                child, slash, _ = one.removeprefix(start).partition("/")
                path = f"{tenant}/{start}{child}"
                below.setdefault(path + slash, _directory(path) if slash else _file(path, found))
        if name and not below:
            _not_found()
        return [below[path] for path in sorted(below)]

    def _files(self, tenant: str) -> dict[str, RecordInfo]:
        """Return the files of a tenant by their names, or by their ids. Raises InvalidRequest."""
        own = self._tenant(tenant)
        known, seen = self._names.get(tenant, {}), dict[RecordId, str]()
        files: dict[str, RecordInfo] = {}
        for found in _all_files(own):
            try:
                name = known[found.id] if found.id in known else self._open_name(own, found.id)
            except FileNotFoundError:
                continue  # erased since it was listed
            seen[found.id] = name
            files[name if is_path(name) and name not in files else str(found.id)] = found
        self._names[tenant] = seen  # without those of erased files
        return files

    def _open_name(self, own: BoundTenant, record_id: RecordId) -> str:
        """Return the name that is sealed in a file; empty if there is none that can be opened."""
        if self._purpose is Purpose.FINE_TUNE:
            return ""
        try:
            with _as_file(), own.open(record_id, purpose=self._purpose) as opened:
                given = opened.metadata.get("filename")
        except (Corrupt, KeyUnavailable):
            return ""
        return given if isinstance(given, str) else ""

    def _tenant(self, tenant: str) -> BoundTenant:
        try:
            return self._store.tenant(tenant).bind(self._actor)
        except UnknownTenant as error:
            raise FileNotFoundError(errno.ENOENT, error.message) from error

    def _open_store(self) -> Store:
        opening = ExitStack()
        finalize(self, opening.close)
        return opening.enter_context(open_store())

    def _split(self, path: str) -> tuple[str, str]:
        """Return the tenant of a path, and the name in it. Raises InvalidRequest."""
        tenant, _, name = self._strip_protocol(path).partition("/")
        if not tenant:
            raise InvalidRequest("The path names no tenant.", advice="Use domicile://tenant/name.")
        return tenant, name


class _Reader(io.BufferedReader):
    """A file that is read in blocks. It keeps the store open."""

    def __init__(self, fs: DomicileFileSystem, opened: OpenFile, block: int) -> None:
        super().__init__(opened, block)
        self.fs, self.size = fs, opened.size


class _Writer(Upload):
    """A new file. It keeps the store open."""

    def __init__(self, fs: DomicileFileSystem, put: Put) -> None:
        super().__init__(put)
        self.fs = fs


def is_path(name: str) -> bool:
    """Return whether a name can be a path: no empty part, no ``.`` or ``..``, and no id.

    Whoever downloads a directory writes to what the names in it say.
    """
    parts = name.split("/")
    plain = all(part not in {"", ".", ".."} for part in parts)
    return plain and "\\" not in name and "\0" not in name and _id_in(name) is None


def _all_files(own: BoundTenant) -> Iterator[RecordInfo]:
    after = None
    for _ in range(MOST // _PAGE):
        page = own.list(data_class=_FILE, after=after, limit=_PAGE)
        yield from page
        if not page.has_more:
            return
        after = page.cursor
    raise InvalidRequest(
        f"The tenant has more than {MOST} files, which are too many to look for a name.",
        advice="Open domicile://tenant/id.",
    )


def _id_in(name: str) -> RecordId | None:
    try:
        return RecordId.parse(name)
    except MalformedId:
        return None


def _file(path: str, found: RecordInfo) -> Entry:
    return {
        "name": path,
        "size": found.size,
        "type": "file",
        "created": found.written,
        "id": str(found.id),
    }


def _directory(path: str) -> Entry:
    return {"name": path, "size": 0, "type": "directory"}


def _not_found() -> NoReturn:
    raise FileNotFoundError(errno.ENOENT, "The tenant has no such file.")


@contextmanager
def _as_file() -> Iterator[None]:
    """Raise what code that reads files expects."""
    try:
        yield
    except (NotFound, Erased, Expired) as error:
        raise FileNotFoundError(errno.ENOENT, error.message) from error
    except PurposeRefused as error:
        raise PermissionError(errno.EACCES, f"{error.message} {error.advice}") from error


@contextmanager
def _as_new_file() -> Iterator[None]:
    """Raise what code that writes files expects."""
    try:
        yield
    except IdConflict as error:
        raise FileExistsError(errno.EEXIST, "Somebody wrote a file of this name.") from error
    except Erased as error:
        raise FileExistsError(
            errno.EEXIST, "A file of this name was erased today. Take another name."
        ) from error


def _purpose(given: Purpose | str) -> Purpose:
    try:
        return Purpose(given)
    except ValueError:
        raise InvalidRequest(
            "The purpose is unknown.", advice=f"Name one of: {', '.join(Purpose)}."
        ) from None


def _actor(given: Actor | Mapping[str, str]) -> Actor:
    if isinstance(given, Actor):
        return given
    try:
        return Actor(**{**given, "kind": ActorKind(given["kind"])})  # type: ignore[arg-type]
    except (TypeError, KeyError, ValueError):
        raise InvalidRequest(
            "The actor is none.", advice="Give its id, kind, employer and location."
        ) from None


def _tuning(given: FineTuning | Mapping[str, str]) -> FineTuning:
    if isinstance(given, FineTuning):
        return given
    try:
        return FineTuning(**given)
    except TypeError:
        raise InvalidRequest("The tuning is none.", advice="Give its job and model.") from None

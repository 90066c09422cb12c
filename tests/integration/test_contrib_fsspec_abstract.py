"""fsspec's own tests of file systems, on ours, and each of them that it does not pass.

Files are written once, and nothing is removed by its name:

- ``AbstractCopyTests`` are not run: nothing is copied (``test_contrib_fsspec.py`` shows it).
- The others clean up with ``rm``, and write the same names again. Here that is an erasure through
  the API, and a day that passes: from then on a name is free.
- Two tests also overwrite a file. They fail there, and the file is what it was.
"""

import os
from collections.abc import Callable

import pytest
from fsspec.tests import abstract

from storage import Purpose
from storage.contrib.fsspec import DomicileFileSystem
from storage.testing import SERVICE, Domicile

pytestmark = pytest.mark.one_region


class Erasing(DomicileFileSystem):
    """Erases what is removed."""

    def __init__(self, domicile: Domicile) -> None:
        self._own, self._domicile = domicile.tenant(), domicile
        super().__init__(purpose=Purpose.SERVE, actor=SERVICE, store=domicile.store)

    def rm(  # type: ignore[override] # ours refuses it
        self,
        path: str | list[str],
        recursive: bool = False,  # noqa: FBT001, FBT002 - fsspec's
        maxdepth: int | None = None,
    ) -> None:
        for found in self.expand_path(path, recursive=recursive, maxdepth=maxdepth):
            if self.isfile(found):
                self._own.delete(self.info(found)["id"])
        self._domicile.pass_time(days=1)


class Fixtures(abstract.AbstractFixtures):  # type: ignore[misc] # fsspec has no types
    """What fsspec's tests ask for."""

    @pytest.fixture
    def fs(self, domicile: Domicile) -> DomicileFileSystem:
        return Erasing(domicile)

    @pytest.fixture
    def fs_path(self) -> str:
        return "acme-eu/tests"

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestGet(Fixtures, abstract.AbstractGetTests):  # type: ignore[misc]
    """All of them."""

    test_get_glob_edge_cases = pytest.mark.deep(abstract.AbstractGetTests.test_get_glob_edge_cases)


class TestOpen(Fixtures, abstract.AbstractOpenTests):  # type: ignore[misc]
    """All of them."""


class TestPipe(Fixtures, abstract.AbstractPipeTests):  # type: ignore[misc]
    """Up to where it overwrites."""

    def test_pipe_exclusive(self, fs: DomicileFileSystem, fs_target: str) -> None:
        with pytest.raises(FileExistsError):
            super().test_pipe_exclusive(fs, fs_target)
        assert fs.cat_file(fs_target) == b"data"


class TestPut(Fixtures, abstract.AbstractPutTests):  # type: ignore[misc]
    """Up to where one puts a directory where it is already."""

    test_put_glob_edge_cases = pytest.mark.deep(abstract.AbstractPutTests.test_put_glob_edge_cases)

    def test_put_directory_recursive(  # noqa: PLR0917 - as fsspec's
        self,
        fs: DomicileFileSystem,
        fs_join: Callable[..., str],
        fs_target: str,
        local_fs: object,
        local_join: Callable[..., str],
        local_path: os.PathLike[str],
    ) -> None:
        with pytest.raises(FileExistsError):
            super().test_put_directory_recursive(
                fs, fs_join, fs_target, local_fs, local_join, local_path
            )
        assert fs.find(fs_target) == [fs_join(fs_target, "file")]

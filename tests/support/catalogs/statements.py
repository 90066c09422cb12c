"""Compile each SQL statement once per test process, not once per store."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Compiled, Engine, create_engine

from storage.catalog import connections

Key = tuple[Any, ...]


class SharedStatements(dict[Key, Compiled]):
    """A cache of compiled statements that engines share.

    SQLAlchemy's key begins with the engine's own dialect object. All engines here have the same
    dialect, so the rest of the key is enough.
    """

    def get(self, key: Key, default: Any = None) -> Any:  # noqa: ANN401 - as in dict
        return super().get(key[1:], default)

    def __setitem__(self, key: Key, value: Compiled) -> None:
        super().__setitem__(key[1:], value)


@contextmanager
def shared_statements() -> Iterator[None]:
    """Make all catalogs share one cache. It saves a quarter of a test run's CPU time."""
    shared = SharedStatements()

    def create(*args: Any, **options: Any) -> Engine:  # noqa: ANN401 - whatever it is given
        return create_engine(*args, execution_options={"compiled_cache": shared}, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "create_engine", create)
        yield

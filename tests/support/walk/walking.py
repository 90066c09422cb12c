"""Walk from an object to all that its public names lead to. What no call is given for is found."""

import dataclasses
import inspect
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, cast

from storage.errors import DomicileError

SECRETS = b"a secret that nobody may see", b"a secret of its metadata"

_LAST = ("abort", "end", "close", "shut")
_MANAGED = {"__init__", "__repr__", "__enter__", "__exit__", "__aenter__", "__aexit__"}
_GENERATED = {"__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__"}
_PICKLED = {"__getstate__", "__setstate__"}
_DEEPEST = 8


class Given:
    """Arguments of a call, and the error that refuses it, if one must."""

    def __init__(
        self, *args: object, refused: type[DomicileError] | None = None, **kwargs: object
    ) -> None:
        self.args = args
        self.kwargs = kwargs
        self.refused = refused


class Never:
    """Why a callable is not called."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


Calls = Mapping[str, Sequence[Given] | Never]
"""What each callable is called with: by class, without ``Async``, and name."""


def public(thing: object) -> set[str]:
    """Return the public names of a thing, and the special methods that our own classes give it."""
    names = {name for name in dir(thing) if not name.startswith("_")}
    for kind in type(thing).__mro__:
        if kind.__module__.startswith("storage."):
            own = {name for name, it in vars(kind).items() if inspect.isfunction(it)}
            names |= (
                {name for name in own if name.startswith("__")} - _MANAGED - _GENERATED - _PICKLED
            )
    return names


def pieces(value: object, depth: int = 0) -> Iterator[bytes]:
    """Yield every text and every bytes in a value."""
    if depth > _DEEPEST:
        return
    if isinstance(value, bytes | bytearray):
        yield bytes(value)
    elif isinstance(value, str):
        yield value.encode()
    elif isinstance(value, Mapping):
        yield from pieces([*value.keys(), *value.values()], depth + 1)
    elif isinstance(value, list | tuple | set | frozenset) or hasattr(value, "__next__"):
        for one in cast("Iterable[object]", value):
            yield from pieces(one, depth + 1)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from _parts(value, depth)
    yield repr(value).encode()


def _parts(value: object, depth: int) -> Iterator[bytes]:
    """Yield from the fields and the properties of a value."""
    for name in dir(value):
        if not name.startswith("_") and not callable(part := getattr(value, name)):
            yield from () if isinstance(value, Enum) else pieces(part, depth + 1)


def shows(value: object) -> bool:
    """Return whether a value has a secret in it."""
    return any(secret in piece for piece in pieces(value) for secret in SECRETS)


def shown_in(folder: Path) -> list[Path]:
    """Return the files below a folder that have a secret in them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if any(secret in path.read_bytes() for secret in SECRETS)]


@dataclass
class Walk:
    """A walk over objects of some modules.

    ``walked``: the names that were called or looked at. ``found``: those that showed a secret.
    ``unknown``: those that no call is given for. ``wrong``: calls that did not end as said.
    """

    calls: Calls
    modules: str
    walked: set[str] = field(default_factory=set)
    classes: set[type] = field(default_factory=set)
    found: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def over(self, thing: object) -> None:
        """Walk over an object, and over what it leads to. A class is walked over once."""
        kind = type(thing)
        if kind in self.classes or not kind.__module__.startswith(self.modules):
            return
        self.classes.add(kind)
        async with _entered(thing):
            for name in sorted(public(thing), key=lambda name: (name in _LAST, name)):
                await self._name(thing, f"{kind.__name__}.{name}", name)

    async def _name(self, thing: object, path: str, name: str) -> None:
        self.walked.add(path)
        key = path.removeprefix("Async")
        given = self.calls.get(key)
        if isinstance(given, Never):
            return
        value = getattr(thing, name)
        if not callable(value):
            await self.look(path, value)
        elif given is None:
            self.unknown.append(path)
        else:
            for one in given:
                await self.call(path, value, one)

    async def call(self, path: str, function: Any, given: Given) -> None:  # noqa: ANN401
        """Call with what is given, and look at what comes of it."""
        try:
            await self.look(path, function(*given.args, **given.kwargs))
        except DomicileError as error:
            if shows((str(error), vars(error))):
                self.found.append(path)
            if given.refused is None or not isinstance(error, given.refused):
                self.wrong.append(f"{path}: {error!r}")
        else:
            if given.refused is not None:
                self.wrong.append(f"{path}: not refused with {given.refused.__name__}")

    async def look(self, path: str, value: object) -> None:
        """Look for secrets in what a name stands for, and walk on from there."""
        async with settled(value) as result:
            several = result if isinstance(result, list | tuple) else [result]
            for one in several:
                await self.over(one)
            if shows(result):
                self.found.append(path)


@asynccontextmanager
async def _entered(thing: object) -> AsyncIterator[None]:
    """Enter a thing that is a context manager."""
    async with AsyncExitStack() as stack:
        if hasattr(thing, "__aenter__"):
            await stack.enter_async_context(cast("Any", thing))
        elif hasattr(thing, "__enter__"):
            stack.enter_context(cast("AbstractContextManager[object]", thing))
        yield


@asynccontextmanager
async def settled(value: object) -> AsyncIterator[object]:
    """Yield what a call leads to: awaited, entered, or read to its end."""
    async with AsyncExitStack() as stack:
        if isinstance(value, Awaitable):
            value = await value
        if isinstance(value, Future):
            value = value.result()
        if type(value).__name__.endswith("GeneratorContextManager"):
            yield await _enter(stack, value)
        elif hasattr(value, "__anext__"):
            yield [one async for one in cast("AsyncIterator[object]", value)]
        elif hasattr(value, "__next__"):
            yield list(cast("Iterator[object]", value))
        else:
            yield value


async def _enter(stack: AsyncExitStack, value: Any) -> object:  # noqa: ANN401
    if hasattr(value, "__aenter__"):
        return await stack.enter_async_context(value)
    return stack.enter_context(value)

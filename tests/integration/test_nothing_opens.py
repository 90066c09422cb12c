"""A walk over the whole interface: without a permit nothing gives content back.

What is public is found: a callable that is new and that no call is given for fails the tests.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.fixtures import FixtureFunctionDefinition

import storage
import storage.testing
from storage import open_async_store, open_store
from storage.model import Actor, ActorKind
from storage.testing import INVESTIGATOR, Domicile, Server
from tests.support.cli_harness import CommandLine
from tests.support.walk import api, commands, kit
from tests.support.walk.walking import Never, Walk, shown_in, shows

STRANGERS = {
    "a contractor": Actor("carl", ActorKind.CONTRACTOR, "reviewers", "EU"),
    "a machine": Actor("mill", ActorKind.MACHINE, "operator", "EU"),
}
ENTRIES = {"open_store": open_store, "open_async_store": open_async_store}
WITH_A_PERMIT = {"OpenFile", "AsyncOpenFile"}  # what ``open`` returns
PLAIN = (
    *("regions.", "storage.errors", "storage.model", "storage.settings", "storage.backends.s3"),
    *("typing", "collections.abc"),  # names of types
)


def check(walk: Walk) -> None:
    """Check that all was called, ended as expected, and showed nothing."""
    assert walk.unknown == [], "say in tests/support/walk what these are called with"
    assert not walk.wrong, "\n".join(walk.wrong)
    assert walk.found == []


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_interface(domicile: Domicile, tmp_path: Path, entry: str) -> None:
    """From the function that opens a store to all that is reached from there, by a person."""
    world = api.build(domicile, INVESTIGATOR, tmp_path)
    walk = Walk(api.calls(world), "storage.client")
    opening = ENTRIES[entry](
        domicile.settings, dependencies=domicile.dependencies, log=domicile.log
    )
    asyncio.run(walk.look(entry, opening))

    check(walk)
    assert shown_in(tmp_path) == []
    assert not shows(world.seen.shown)
    walked = {kind.__name__ for kind in walk.classes}
    kinds = {name for name, it in live().items() if isinstance(it, type)} - WITH_A_PERMIT
    mine = {name for name in kinds if name.startswith("Async") == (entry == "open_async_store")}
    assert mine <= walked


def live() -> dict[str, object]:
    """Return the public names of what may reach a store."""
    public = {name: getattr(storage, name) for name in storage.__all__}
    return {name: it for name, it in public.items() if not it.__module__.startswith(PLAIN)}


def test_every_public_function_is_an_entry() -> None:
    """All other public names are classes, or values that reach no store."""
    assert {name for name, it in live().items() if not isinstance(it, type)} == ENTRIES.keys()


@pytest.mark.parametrize("who", STRANGERS)
def test_a_tenant_that_is_bound(domicile: Domicile, tmp_path: Path, who: str) -> None:
    """To somebody else than a person."""
    world = api.build(domicile, STRANGERS[who], tmp_path)
    walk = Walk(api.calls(world), "storage.client")
    asyncio.run(walk.over(domicile.store.tenant("acme-eu").bind(STRANGERS[who])))

    check(walk)
    assert "BoundTenant.get" in walk.walked
    assert not shows(world.seen.shown)


@pytest.fixture
def tools(domicile: Domicile, domicile_server: Server, tmp_path: Path) -> Iterator[kit.Kit]:
    """The kit for tests, with a record that nobody may open."""
    api.build(domicile, INVESTIGATOR, tmp_path)
    call = kit.reading_call(domicile.backends["eu-a"])
    with domicile.catalog_faults() as faults, faults.other.connect() as connection:
        yield kit.Kit(domicile, domicile_server, faults, connection, call)


def test_the_kit_for_tests(tools: kit.Kit, request: pytest.FixtureRequest) -> None:
    """Every public name of ``storage.testing``: classes, functions, fixtures and values."""
    walk = Walk(kit.calls(tools), "storage.testing")
    asyncio.run(over_kit(walk, tools, request))

    check(walk)
    assert not shows([one.copies for one in tools.domicile.processors.values()])


async def over_kit(walk: Walk, tools: kit.Kit, request: pytest.FixtureRequest) -> None:
    """Walk over what each public name stands for."""
    known = kit.functions(tools)
    for thing in tools.things:
        await walk.over(thing)
    for name in storage.testing.__all__:
        value = getattr(storage.testing, name)
        if isinstance(value, type):
            assert value in walk.classes, name
        elif isinstance(value, FixtureFunctionDefinition):
            await walk.look(name, request.getfixturevalue(name))
        elif name in known:
            await walk.call(name, *known[name])
        elif callable(value) and name != "Fault":  # the type of the functions
            walk.unknown.append(name)
        else:
            await walk.look(name, value)


def test_the_command_line(line: CommandLine, tmp_path: Path) -> None:
    """Every command, with its output and the files that it writes."""
    place = commands.build(line, tmp_path)
    known = commands.commands(place)
    assert sorted(known) == sorted(commands.leaves()), "say in tests/support/walk what is new"
    wrong, found = [], []
    for name, given in known.items():
        for one in () if isinstance(given, Never) else given:
            result = line(*name.split(), *one.args, stdin=one.stdin)
            if result.exit_code != one.ends:
                wrong.append(f"{name}: {result.exit_code} {result.output} {result.exception}")
            if shows(result.output) or shown_in(tmp_path):
                found.append(name)

    assert not wrong, "\n".join(wrong)
    assert found == []

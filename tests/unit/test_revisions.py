"""Which code works with which schema: every chain of migrations, against the meaning of kinds."""

import re
from itertools import product
from pathlib import Path

import pytest

from storage.catalog.shipped import read
from storage.errors import CatalogUnsupported
from storage.policy import Code, Kind, Migration, check_schema

LONGEST = 4
CHAINS = [
    Code(tuple(Migration(f"{10 + n:04}", kind) for n, kind in enumerate(kinds)))
    for length in range(1, LONGEST + 1)
    for kinds in product(Kind, repeat=length)
]


def version(chain: Code, number: int) -> Code:
    """Return the code that has the first migrations of a chain."""
    return Code(chain.migrations[: number + 1])


def fits(chain: Code, code: int, schema: int) -> bool:
    """Tell by the meaning of the kinds whether code works with a schema."""
    kinds = [m.kind for m in chain.migrations]
    lacks, gained = kinds[schema + 1 : code + 1], kinds[code + 1 : schema + 1]
    return set(lacks) <= {Kind.POST} and set(gained) <= {Kind.PRE}


def refusal(chain: Code, code: int, schema: int) -> CatalogUnsupported | None:
    """Return the error for code on a schema that the newest code of the chain has migrated."""
    at = chain.migrations[schema].revision
    try:
        check_schema("eu-central-1", version(chain, code), at, chain.supported(at))
    except CatalogUnsupported as error:
        return error
    return None


def pairs(chain: Code) -> list[tuple[int, int]]:
    """Return all pairs of code and schema of a chain."""
    numbers = range(len(chain.migrations))
    return list(product(numbers, numbers))


def test_code_works_or_is_refused_by_name() -> None:
    """What the code needs and what the catalog states lead to what the kinds mean."""
    for chain in CHAINS:
        for code, schema in pairs(chain):
            error = refusal(chain, code, schema)
            assert (error is None) == fits(chain, code, schema), (chain_kinds(chain), code, schema)
            if error is not None:
                here = version(chain, code)
                named = here.needs if schema < code else here.revision
                assert "eu-central-1" in error.message
                assert named in error.message
                assert error.advice


def chain_kinds(chain: Code) -> list[str]:
    """Return the kinds of a chain."""
    return [m.kind.value for m in chain.migrations]


def test_init_takes_no_catalog_from_code_that_works_with_it() -> None:
    """However many migrations it runs, unless one is named with ``through``."""
    for chain in CHAINS:
        for schema, new in pairs(chain):
            at = chain.migrations[schema].revision
            reached = int(version(chain, new).reach(at)) - 10
            for old in range(len(chain.migrations)):
                if fits(chain, old, schema):
                    assert fits(chain, old, reached), (chain_kinds(chain), schema, new, old)


def test_the_advice_leads_to_a_schema_that_the_code_works_with() -> None:
    """Older code does not fit any more only if the advice says which."""
    for chain in CHAINS:
        for code, schema in pairs(chain):
            error = refusal(chain, code, schema)
            if error is None or code < schema:
                continue
            named = re.search(r"domicile init(?: --through (\d{4}))?$", error.advice)
            assert named is not None
            at = chain.migrations[schema].revision
            reached = int(version(chain, code).reach(at, named[1])) - 10
            assert fits(chain, code, reached)
            between = range(schema, code + 1)
            together = any(fits(chain, schema, s) and fits(chain, code, s) for s in between)
            assert (named[1] is None) == together
            if named[1]:
                assert f"code before {named[1]}" in error.advice
                assert fits(chain, int(named[1]) - 10, reached)


def test_a_migration_waits_if_the_catalog_lacks_it() -> None:
    """Not for code that does not know the schema: newer code has migrated it."""
    for chain in CHAINS:
        for code, schema in pairs(chain):
            here = version(chain, code)
            waits = here.waiting(chain.migrations[schema].revision)
            assert waits == (here.revision if schema < code else None)


def test_without_another_kind_all_code_is_supported() -> None:
    """Also code from before there were revisions of code."""
    chain = Code(tuple(Migration(f"{10 + n:04}", Kind.PRE) for n in range(3)))

    assert chain.supported("0012") == 0


@pytest.mark.parametrize(("schema", "says"), [("", "has no revision"), ("0009", "0009")])
def test_a_schema_of_no_known_version(schema: str, says: str) -> None:
    """It is before the first migration."""
    code = Code((Migration("0010", Kind.PRE), Migration("0011", Kind.POST)))

    with pytest.raises(CatalogUnsupported, match=says):
        check_schema("eu-central-1", code, schema, 0)


def test_a_migration_states_its_kind_in_words(tmp_path: Path) -> None:
    """Those that CONTRIBUTING.md and the template of a migration name."""
    (tmp_path / "versions").mkdir()
    for n, kind in enumerate(("pre", "post", "breaking")):
        text = f'revision: str = "{10 + n:04}"\nkind: str = "{kind}"\nother: str = kind\n'
        (tmp_path / "versions" / f"{10 + n:04}_{kind}.py").write_text(text)

    found = [(m.revision, m.kind) for m in read(tmp_path).migrations]

    assert found == [("0010", Kind.PRE), ("0011", Kind.POST), ("0012", Kind.BREAKING)]

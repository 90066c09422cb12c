"""Bugs in where bytes may be, and in how they leave a place."""

from tests.mutants.bugs.bug import Bug

LOCATIONS = "tests/unit/test_locations.py"

BUGS = (
    Bug(
        "a region of another jurisdiction is taken",
        "regions/check.py",
        "    elif where != entry.jurisdiction:",
        "    elif False:",
        (LOCATIONS,),
    ),
    Bug(
        "an endpoint in another region is taken",
        "regions/check.py",
        "        elif named != region:",
        "        elif False:",
        (LOCATIONS,),
    ),
    Bug(
        "an endpoint elsewhere needs no document",
        "regions/check.py",
        'spec.located == "attested" and spec.location_document is None',
        "False",
        (LOCATIONS,),
    ),
)

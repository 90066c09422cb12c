"""Bugs in where bytes may be, and in how they leave a place."""

from tests.mutants.bugs.bug import Bug, bug

LOCATIONS = "tests/unit/test_locations.py"
UNDECLARED = "tests/integration/test_undeclared_backends.py"

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
    bug(
        "a backend may leave with what is there",
        "catalog/departures.py",
        "        if name not in known and",
        "        if False and",
        UNDECLARED,
    ),
    bug(
        "a replica on an unknown backend ends a read",
        "region.py",
        'raise BackendUnavailable(name, "it is not in the topology")',
        "raise KeyError(name)",
        UNDECLARED,
    ),
    bug(
        "a read ends with the first replica that fails",
        "packs/reader.py",
        "            except DomicileError as error:\n"
        "                failures[replica.backend] = error\n            except Exception",
        "            except DomicileError:\n                raise\n            except Exception",
        UNDECLARED,
    ),
)

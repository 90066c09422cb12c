"""Bugs in where bytes may be, and in how they leave a place."""

from tests.mutants.bugs.bug import Bug, bug

LOCATIONS = "tests/unit/test_locations.py"
STANDING = "tests/unit/test_standing.py"
UNDECLARED = "tests/integration/test_undeclared_backends.py"
VACATE = "tests/integration/test_vacate.py"

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
    bug(
        "a backend that retires takes bytes",
        "policy/placement.py",
        "    if ended is None and spec.retires:",
        "    if False:",
        STANDING,
    ),
    bug(
        "an agreement is not left before its end",
        "policy/placement.py",
        "    if ended is None and company.leaving(on):",
        "    if False:",
        STANDING,
    ),
    bug(
        "a replica leaves before the others are read",
        "policy/standing.py",
        "    return len(home) >= required and set(home) <= set(intact)",
        "    return True",
        STANDING,
        VACATE,
    ),
    bug(
        "the replicas that stay are not read",
        "workers/vacate.py",
        '        return is_intact(backend, replica.key, known.size or 0, known.digest or b"")',
        "        return backend is not None",
        VACATE,
    ),
    bug(
        "a place that is not lawful is read",
        "region.py",
        "        if not self.standings().get(backend, Standing.OPEN).readable:",
        "        if False:",
        VACATE,
    ),
    bug(
        "a backend with bytes that nobody knows is called empty",
        "workers/vacate.py",
        "    if not control.is_alone(region, name):",
        "    if False:",
        VACATE,
    ),
    bug(
        "an empty listing needs no control",
        "objects/control.py",
        "    if not others and not kinds >= planted.kinds[backend]:",
        "    if False:",
        VACATE,
    ),
    bug(
        "what leaves is not counted",
        "workers/purge.py",
        "    departures.count_absent(connection, seen_absent)\n",
        "",
        VACATE,
    ),
    bug(
        "canaries go to a backend that retires",
        "objects/rights.py",
        "    lawful = [name for name in region.lawful() if name in region.backends]",
        "    lawful = list(region.backends)",
        VACATE,
    ),
)

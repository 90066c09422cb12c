"""Bugs of Alembic's environment, and of revisions that declare regions."""

from tests.mutants.bugs.bug import bug

EMBEDDED = "tests/integration/test_alembic_embedded.py"
REGIONS = "tests/integration/test_alembic_regions.py"

BUGS = (
    bug(
        "a downgrade acts on every region",
        "migrating/environment.py",
        "        if not step.is_upgrade and not asked.regions:\n",
        "        if False:\n",
        REGIONS,
    ),
    bug(
        "a command runs in the catalog of another region",
        "migrating/environment.py",
        "            schema.check_name(connection, region.name)\n",
        "",
        REGIONS,
    ),
    bug(
        "-x region= is ignored",
        "migrating/arguments.py",
        "if not self.regions or name in self.regions",
        "if True",
        REGIONS,
    ),
    bug(
        "an unknown -x is ignored",
        "migrating/arguments.py",
        "        if key != _REGION or not name:\n",
        "        if False:\n",
        REGIONS,
    ),
    bug(
        "an embedded server is migrated though nobody says so",
        "migrating/environment.py",
        "    if settings.embedded and not asked.embedded:\n",
        "    if False:\n",
        REGIONS,
    ),
    bug(
        "-x embedded migrates other catalogs",
        "migrating/environment.py",
        "    if asked.embedded and not settings.embedded:\n",
        "    if False:\n",
        REGIONS,
    ),
    bug(
        "a retired region of the embedded server is left as it was",
        "migrating/environment.py",
        "for name in regions}\n    finally",
        "for name in sources.topology.regions}\n    finally",
        EMBEDDED,
    ),
    bug(
        "a declared region without a file vanishes",
        "migrating/environment.py",
        "            sources.check_files()\n",
        "",
        EMBEDDED,
    ),
    bug(
        "check looks at one region",
        "migrating/environment.py",
        "in chosen[:1] if asked.compares else chosen",
        "in chosen[:1]",
        REGIONS,
    ),
    bug(
        "check passes over a catalog without a schema",
        "migrating/environment.py",
        "            if asked.checks and not revision(connection):\n",
        "            if asked.checks and not revision(connection):\n                return\n"
        "            if False:\n",
        REGIONS,
    ),
    bug(
        "a region that is not declared so is found once for each catalog",
        "migrating/environment.py",
        "            if asked.checks and results:\n",
        "            if False:\n",
        REGIONS,
    ),
    bug(
        "a merge joins schema and topology",
        "migrating/declarations.py",
        "        _check_parents(script, revision)\n",
        "",
        REGIONS,
    ),
    bug(
        "a region that is not ready yet is a warning of every command",
        "bootstrap.py",
        "tell = log.info if expected else log.warning",
        "tell = log.warning",
        EMBEDDED,
    ),
    bug(
        "the list of regions ends at one that does not answer",
        "cli/commands/region.py",
        "                failed[name] = error\n",
        "                raise\n",
        EMBEDDED,
    ),
    bug(
        "a stamp may lie",
        "migrating/environment.py",
        "        if step.is_stamp:\n",
        "        if False:\n",
        REGIONS,
    ),
    bug(
        "a declaration is written in every catalog",
        "migrating/operations.py",
        "        elif options[REGION] == operation.name:\n",
        "        else:\n",
        REGIONS,
    ),
    bug(
        "a revision may disagree with its file",
        "migrating/declarations.py",
        "        if region_text(stated) != newest.text:\n",
        "        if False:\n",
        REGIONS,
    ),
    bug(
        "an edited revision is believed",
        "migrating/operations.py",
        "    if digest is not None and digest_of(text) != digest:\n",
        "    if False:\n",
        REGIONS,
    ),
    bug(
        "a region with tenants is retired",
        "migrating/operations.py",
        "        end.demand()\n",
        "        pass\n",
        REGIONS,
    ),
    bug(
        "a declared region in use is closed",
        "policy/stages.py",
        "Stage.ROUTABLE if used else Stage.PROPOSED",
        "Stage.PROPOSED",
        REGIONS,
    ),
    bug(
        "a service opens a region that is not routable",
        "checks.py",
        "        check_open(region.name, stages.latest(connection))\n",
        "",
        REGIONS,
    ),
)

"""Bugs in what a catalog holds the dates of sub-processors to, and in the list of them."""

from tests.mutants.bugs.bug import Bug, bug

POLICY = "tests/unit/test_notice.py"
SEEN = "tests/integration/test_topologies_seen.py"
REASSIGNED = "tests/integration/test_backends_reassigned.py"
ORACLE = "tests/unit/test_placement_oracle.py"
SHOWN = "tests/integration/test_cli_subprocessor.py"

BUGS: tuple[Bug, ...] = (
    Bug(
        "a notice ends a day early",
        "regions/check.py",
        "    if days < entry.notice_days:",
        "    if days < entry.notice_days - 1:",
        ("tests/unit/test_topology_notice.py",),
    ),
    Bug(
        "a notice needs no announcement",
        "regions/check.py",
        "        if entry.notice_days:\n",
        "        if False:\n",
        ("tests/unit/test_topology_notice.py",),
    ),
    Bug(
        "what is announced too late gets data",
        "regions/model.py",
        "        return told and self.since <= on\n",
        "        return self.since <= on\n",
        (ORACLE,),
    ),
    bug(
        "an ended company gets data in a random topology",
        "policy/placement.py",
        "        return unavailable(spec, company, on) or objected or closed.get(spec.name)",
        "        return objected or closed.get(spec.name)",
        ORACLE,
    ),
    bug(
        "a company that is objected to gets data in a random topology",
        "policy/placement.py",
        "        return unavailable(spec, company, on) or objected or closed.get(spec.name)",
        "        return unavailable(spec, company, on) or closed.get(spec.name)",
        ORACLE,
    ),
    bug(
        "another region gets data in a random topology",
        "policy/placement.py",
        "        elif region.name != tenant.home:\n",
        "        elif False:\n",
        ORACLE,
    ),
    bug(
        "a notice counts from the day that is stated",
        "policy/notice.py",
        "    allowed = first + timedelta(days=days)",
        "    allowed = (company.announced or first) + timedelta(days=days)",
        POLICY,
    ),
    bug(
        "a shorter notice holds at once",
        "policy/notice.py",
        "    days = max(one.notice_days for one in (company, before) if one is not None)",
        "    days = company.notice_days",
        POLICY,
    ),
    bug(
        "a first day becomes earlier without a notice",
        "policy/notice.py",
        "    return company.since < before.since or earlier or (",
        "    return earlier or (",
        POLICY,
    ),
    bug(
        "the notice of what no region used is not looked at later",
        "policy/notice.py",
        "    if before is not None and before.has_part_in(region) and not _anew(",
        "    if before is not None and not _anew(",
        POLICY,
    ),
    bug(
        "the past of a company can be changed",
        "policy/notice.py",
        "                yield from _changed(before, company)",
        "                pass",
        POLICY,
    ),
    bug(
        "a region opens with every topology",
        "checks.py",
        "        topologies.check(connection, region.name, region.topology, now)\n",
        "",
        SEEN,
    ),
    bug(
        "a catalog is made for every topology",
        "initialize.py",
        "        topologies.check(connection, catalog.region, topology, now)\n",
        "",
        SEEN,
    ),
    bug(
        "a region opens when a backend is given to another company",
        "checks.py",
        "    topologies.check_hosts(connection, region.name, region.topology)\n",
        "",
        REASSIGNED,
    ),
    bug(
        "a catalog is made for a topology that gives a backend to another company",
        "initialize.py",
        "        topologies.check_hosts(connection, catalog.region, topology)\n",
        "",
        REASSIGNED,
    ),
    bug(
        "a backend of another region counts",
        "policy/hosts.py",
        "            if part.region == region and",
        "            if",
        "tests/unit/test_hosts.py",
    ),
    bug(
        "a command notes the topology that it has",
        "bootstrap.py",
        "noting=probing",
        "noting=True",
        SEEN,
    ),
    bug(
        "a restored catalog is held to what it has lost",
        "recovery/recover.py",
        "        topologies.trust(connection, region.topology, region.clock.now())\n",
        "",
        SEEN,
    ),
    bug(
        "a topology is compared before the catalog",
        "bootstrap.py",
        "            compared = guard_catalog(region, log)\n"
        "            see_topology(region, noting=probing)\n",
        "            see_topology(region, noting=probing)\n"
        "            compared = guard_catalog(region, log)\n",
        SEEN,
    ),
    bug(
        "one cannot go back to a topology",
        "catalog/topologies.py",
        "    if _is_seen(connection, topology):\n        return\n    latest",
        "    latest",
        SEEN,
    ),
    bug(
        "a topology ends when it is not opened for a day",
        "catalog/topologies.py",
        "    found = found or connection.execute(before.limit(1)).all()\n",
        "",
        SEEN,
    ),
    bug(
        "the last opening of an older topology is not noted",
        "catalog/topologies.py",
        "    again = new.on_conflict_do_update(\n        index_elements=[s.digest], "
        'set_={"last_seen": now}, where=s.last_seen < now\n    )\n',
        "    again = new.on_conflict_do_nothing()\n",
        SEEN,
    ),
    bug(
        "a region speaks for the companies of another",
        "cli/sub_processor_lists.py",
        "        return not at or region in at or not at <= found.keys()",
        "        return True",
        SHOWN,
    ),
    bug(
        "a page has the markup of a title",
        "cli/sub_processor_pages.py",
        ", escape(text))",
        ", text)",
        SHOWN,
    ),
    bug(
        "a table has the columns of a title",
        "cli/sub_processor_pages.py",
        "*(map(escaped, row(one)) for one in found.companies)",
        "*(row(one) for one in found.companies)",
        SHOWN,
    ),
)

"""Bugs in what a catalog holds the dates of sub-processors to, and in the list of them."""

from tests.mutants.bugs.bug import Bug, bug

POLICY = "tests/unit/test_notice.py"
SEEN = "tests/integration/test_topologies_seen.py"
REASSIGNED = "tests/integration/test_backends_reassigned.py"
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
    bug(
        "a notice counts from the day that is stated",
        "policy/notice.py",
        "max(seen, company.announced or seen)",
        "(company.announced or seen)",
        POLICY,
    ),
    bug(
        "a shorter notice holds at once",
        "policy/notice.py",
        "_too_soon(before, company, today, longest[company.name])",
        "_too_soon(before, company, today, company.notice_days)",
        POLICY,
    ),
    bug(
        "a first day becomes earlier without a notice",
        "policy/notice.py",
        "    return company.since < before.since or earlier or back",
        "    return earlier or back",
        POLICY,
    ),
    bug(
        "a notice counts from a day before the announcement",
        "policy/notice.py",
        "max(seen, company.announced or seen)",
        "seen",
        POLICY,
    ),
    bug(
        "one that has ended comes back as it was",
        "policy/notice.py",
        "    return company.since < before.since or earlier or back",
        "    return company.since < before.since or earlier",
        POLICY,
    ),
    bug(
        "one that stays ended needs a notice",
        "policy/notice.py",
        "and company.state(today) is not ended",
        "",
        POLICY,
    ),
    bug(
        "an announcement is added afterwards",
        "policy/notice.py",
        "begun and before.has_part_in(region)",
        "before.has_part_in(region)",
        POLICY,
    ),
    bug(
        "one goes back to a topology after any time",
        "policy/notice.py",
        "now - replaced <= GOING_BACK",
        "True",
        SEEN,
    ),
    bug(
        "a topology that was not opened for a week is held to be replaced",
        "catalog/topologies.py",
        "others.values(replaced=now)",
        "others.values(replaced=s.last_seen)",
        SEEN,
    ),
    bug(
        "a notice that was dropped is forgotten",
        "catalog/topologies.py",
        "region, now.date(), ever)",
        "region, now.date())",
        SEEN,
    ),
    bug(
        "the notice of what no region used is not looked at later",
        "policy/notice.py",
        "begun and before.has_part_in(region)",
        "begun",
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
        "    if known is not None and may_go_back(_seen(known).replaced, now):\n",
        "    if False:\n",
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
        'set_={"last_seen": now, "replaced": None}',
        'set_={"replaced": None}',
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

"""Bugs of objections."""

from tests.mutants.bugs.bug import bug

OBJECTIONS = "tests/integration/test_objections.py"
DONE = "tests/integration/test_objections_done.py"
LISTED = "tests/integration/test_cli_objections.py"
LOST = "tests/integration/test_objections_lost.py"
POLICY = "tests/unit/test_objection.py"
COUNTS = "tests/integration/test_what_if.py"
WHAT_IF = "tests/unit/test_what_if.py"

BUGS = (
    bug(
        "an objection does not count in a placement",
        "policy/placement.py",
        "PlacementReason.OBJECTED if company.name in objections else None",
        "None",
        POLICY,
        OBJECTIONS,
    ),
    bug(
        "a company that runs a part of the region is not looked at",
        "policy/placement.py",
        "        if steward.sub_processor in objections:",
        "        if False:",
        POLICY,
    ),
    bug(
        "earlier objections do not count",
        "policy/objection.py",
        "    avoided = {*objections, company}\n",
        "    avoided = {company}\n",
        POLICY,
    ),
    bug(
        "a processor that is objected to gets copies",
        "policy/copies.py",
        "    if processor in objections:",
        "    if False:",
        POLICY,
        OBJECTIONS,
    ),
    bug(
        "a pack that another process placed is sent all the same",
        "packs/flush.py",
        "    refusals = _changed(connection, waiting) | refusals\n",
        "",
        OBJECTIONS,
    ),
    bug(
        "a key that another process placed is sent all the same",
        "objects/keymaking.py",
        "        fit = [new.terms is None or _is_current(new.terms, current) for new in wanted]\n",
        "        fit = [True for new in wanted]\n",
        OBJECTIONS,
    ),
    bug(
        "a tenant that objects shares its day keys",
        "catalog/tenants.py",
        "        return self.spec.dedicated or bool(self.objections)",
        "        return self.spec.dedicated",
        OBJECTIONS,
    ),
    bug(
        "a shared day key stays where a tenant objects to it",
        "catalog/objections.py",
        "for column in (table.c.object_id, table.c.key_id)",
        "for column in (table.c.object_id,)",
        OBJECTIONS,
    ),
    bug(
        "what is replicated does not look at objections",
        "objects/places.py",
        "    return without(region, connection, meant",
        "    avoided = frozenset()\n    return without(region, connection, meant",
        OBJECTIONS,
    ),
    bug(
        "an objection looks at the topology of today alone",
        "objects/places.py",
        "    given = stated | topologies.seen_hosts(connection, region.name)\n",
        "    given = stated\n",
        "tests/integration/test_backends_reassigned.py",
    ),
    bug(
        "held records go where their tenant objects to it",
        "packs/relocate.py",
        "    backends = places[: region.region.replicas]",
        "    backends = meant_for(region, tenant, opened)[: region.region.replicas]",
        OBJECTIONS,
    ),
    bug(
        "copies stay at a processor that is objected to",
        "workers/evacuate.py",
        "        copies.ask_back(connection, found.tenant, found.company, now)\n",
        "",
        OBJECTIONS,
    ),
    bug(
        "what is not yet purged is called gone",
        "catalog/objections.py",
        "    replicas = _at(objects, backends).where(r.state != ReplicaState.GONE)",
        "    replicas = _at(objects, backends).where(r.state == ReplicaState.STORED)",
        OBJECTIONS,
    ),
    bug(
        "what was erased in a pack of others is called gone",
        "catalog/objections.py",
        "    yield noted.where(~is_harmless())\n",
        "",
        DONE,
    ),
    bug(
        "what an abandoned write sent is called gone",
        "catalog/objections.py",
        "    yield purging.where(r.state == ReplicaState.PURGING, whose)\n",
        "",
        DONE,
    ),
    bug(
        "what is written during an objection is called gone",
        "catalog/objections.py",
        "    yield select(o.id).where(o.state == ObjectState.WRITING, whose)\n",
        "",
        DONE,
    ),
    bug(
        "shared packs that are purged are called gone",
        "catalog/objections.py",
        "        whose |= and_(o.tenant.is_(None), o.kind.in_(_SHARED), old)\n",
        "",
        DONE,
    ),
    bug(
        "an objection is never done while anybody purges anything",
        "catalog/objections.py",
        "    if found.gone is None:\n        old",
        "    if True:\n        old",
        DONE,
    ),
    bug(
        "what was lost before a tenant was there is held against its objection",
        "policy/objection.py",
        " and one.lost >= since",
        "",
        LOST,
    ),
    bug(
        "what one company lost is held against another",
        "policy/objection.py",
        "if one.backend in backends and one.lost >= since",
        "if one.lost >= since",
        LOST,
    ),
    bug(
        "the list of all objections forgets what was lost",
        "client/objections.py",
        "        lost=lost,\n    )",
        "    )",
        LOST,
    ),
    bug(
        "an objection forgets what was lost",
        "client/objections.py",
        "gone=gone, lost=lost,",
        "gone=gone,",
        LOST,
    ),
    bug(
        "an objection is done, as the log says, though storage was lost",
        "workers/evacuate.py",
        '"attested" if lost else "seen"',
        '"seen"',
        LOST,
    ),
    bug(
        "the words of an objection forget what was lost",
        "cli/commands/objection.py",
        "    if not lost:\n        return good(since)",
        "    if True:\n        return good(since)",
        "tests/integration/test_lost_storage.py",
    ),
    bug(
        "a list of objections has the ticket of an old one",
        "catalog/objections.py",
        "        .order_by(n.number.desc())\n        .limit(1)",
        "        .order_by(n.number)\n        .limit(1)",
        LISTED,
    ),
    bug(
        "a page of objections ends within a tenant",
        "catalog/objections.py",
        "        .order_by(f.tenant, f.company)\n",
        "        .order_by(f.tenant, f.company).limit(limit)\n",
        LISTED,
    ),
    bug(
        "a change is blamed for what is refused anyway",
        "policy/what_if.py",
        "        refused=after.refusal if before.refusal is None else None,",
        "        refused=after.refusal,",
        WHAT_IF,
    ),
    bug(
        "a snapshot is none",
        "catalog/times.py",
        " ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "",
        COUNTS,
    ),
    bug(
        "each replica counts as a record",
        "catalog/what_if.py",
        "        .distinct()\n",
        "",
        COUNTS,
    ),
)

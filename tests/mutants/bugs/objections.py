"""Bugs of objections."""

from tests.mutants.bugs.bug import bug

OBJECTIONS = "tests/integration/test_objections.py"
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
        "    return without(region, known.tenant, backends, avoided)",
        "    return without(region, known.tenant, backends, frozenset())",
        OBJECTIONS,
    ),
    bug(
        "held records go where their tenant objects to it",
        "packs/relocate.py",
        "    backends = without(region, tenant, opened, avoided)[: region.region.replicas]",
        "    backends = without(region, tenant, opened, frozenset())[: region.region.replicas]",
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
        "    replicas = _at(tenant, backends).where(r.state != ReplicaState.GONE)",
        "    replicas = _at(tenant, backends).where(r.state == ReplicaState.STORED)",
        OBJECTIONS,
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

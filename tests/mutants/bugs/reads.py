"""Bugs in what a read asks the catalog for, and how."""

from tests.mutants.bugs.bug import LIFE, READABLE, Bug, bug, in_function

LOST = "tests/faults/test_lost_connections.py"


def _sql(name: str, old: str, new: str, *tests: str) -> Bug:
    return in_function(f"a read: {name}", old, new, READABLE, *tests)


def _scope(scope: str, value: str) -> Bug:
    looked_for = f"f.scope = '{scope}' AND f.value = {value}"
    return _sql(f"no fence of the {scope}", looked_for, f"false AND {looked_for}")


BUGS: tuple[Bug, ...] = (
    _scope("tenant", "''"),
    _scope("subject", "r.subject"),
    _scope("group", "r.grp"),
    _sql("no fence of the record", "coalesce(r.ancestors, '{}'), r.uid", "r.ancestors, NULL"),
    _sql("no fence of a parent", "coalesce(r.ancestors, '{}'), r.uid", "'{}'::bytea[], r.uid"),
    _sql("no fence of the class", "f.scope = 'class'\n", "f.scope = 'none'\n"),
    _sql("a fence of the class covers by origin", "f.cutoff >= r.minted", "f.cutoff >= r.origin"),
    _sql(
        "the fences of all tenants",
        "WHERE f.tenant = whose AND f.scope = 'subject'",
        "WHERE f.scope = 'subject'",
    ),
    _sql(
        "a fence covers what came later",
        "f.value = r.subject\n        AND f.cutoff >= r.origin AND",
        "f.value = r.subject\n        AND",
    ),
    _sql(
        "what an erasure leaves is fenced",
        "f.value = r.subject\n        AND f.cutoff >= r.origin AND (r.data_class = 'event' AND "
        "r.minted > f.spared_from) IS NOT TRUE",
        "f.value = r.subject\n        AND f.cutoff >= r.origin",
    ),
    _sql(
        "a fence that leaves events leaves all",
        "f.value = r.subject\n        AND f.cutoff >= r.origin AND (r.data_class = 'event' AND ",
        "f.value = r.subject\n        AND f.cutoff >= r.origin AND (",
    ),
    _sql(
        "the records of all tenants",
        "WHERE x.tenant = whose AND x.uid = which AND x.expiry_day",
        "WHERE x.uid = which AND x.expiry_day",
    ),
    _sql(
        "the files of all tenants",
        "WHERE x.tenant = whose AND x.uid = which;",
        "WHERE x.uid = which;",
    ),
    _sql("records of any day", "AND x.uid = which AND x.expiry_day = due", "AND x.uid = which"),
    _sql("replicas in any state", " AND p.state = 'stored'", ""),
    _sql("of two moments", "LANGUAGE plpgsql STABLE", "LANGUAGE plpgsql VOLATILE"),
    _sql("a plan for small tables stays", " SET enable_seqscan = off", ""),
    _sql(
        "a plan for all days",
        " SET enable_seqscan = off",
        " SET enable_seqscan = off SET plan_cache_mode = force_generic_plan",
    ),
    in_function(
        "a read runs as the owner",
        "LANGUAGE plpgsql STABLE",
        "LANGUAGE plpgsql STABLE SECURITY DEFINER",
        "tests/integration/test_planted_code.py",
    ),
    Bug(
        "a worker may not read",
        "migrations/versions/0049_readable_until.py",
        "domicile_service, domicile_worker, domicile_admin",
        "domicile_service, domicile_admin",
        (READABLE,),
    ),
    bug(
        "an id of another class is read",
        "catalog/readable.py",
        "if not rows or DataClass(rows[0][0]) is not record_id.data_class:",
        "if not rows:",
        READABLE,
    ),
    bug(
        "what cannot be read is absent",
        "catalog/readable.py",
        "DataClass(rows[0][0]) is not record_id.data_class:",
        "rows[0][0] != record_id.data_class.value:",
        READABLE,
    ),
    bug(
        "a read does not ask for fences in the catalog",
        "catalog/readable.py",
        "return Found(row, fenced, ",
        "return Found(row, False, ",
        READABLE,
        LIFE,
    ),
    bug(
        "a read returns times in the time zone of the session",
        "catalog/readable.py",
        "        written.astimezone(UTC),\n",
        "        written,\n",
        READABLE,
    ),
    bug(
        "who listens for statements does not hear of those of the driver",
        "catalog/connections.py",
        "        told(connection, cursor, query, values, None, False)\n",
        "        pass\n",
        LOST,
    ),
    bug(
        "what fails at the driver is no error of SQLAlchemy",
        "catalog/connections.py",
        "        connection._handle_dbapi_exception(error, query, None, None, None)",
        "        raise",
        LOST,
    ),
    bug(
        "a function that is not there is a bug",
        "catalog/refusals.py",
        "    psycopg.errors.UndefinedFunction,\n",
        "",
        "tests/integration/test_upgrades.py",
    ),
    bug(
        "the connection that waited longest is used",
        "catalog/connections.py",
        "pool_use_lifo=True",
        "pool_use_lifo=False",
        READABLE,
    ),
)

"""Bugs in the lines about raw SQL, and in what guards an erasure and a recovery against it."""

from tests.mutants.bugs.bug import Bug, in_function

TESTS = "tests/integration/test_raw_sql.py"


def _sql(name: str, old: str, new: str, *tests: str) -> Bug:
    return in_function(name, old, new, *(tests or (TESTS,)))


NEVER = "WHEN (false)\nEXECUTE"

BUGS: tuple[Bug, ...] = (
    _sql(
        "terms that raw SQL changes leave no line",
        "WHEN (to_jsonb(OLD) - 'version' IS DISTINCT FROM to_jsonb(NEW) - 'version')\nEXECUTE",
        NEVER,
    ),
    _sql(
        "a new version of terms has a line of its own",
        "WHEN (to_jsonb(OLD) - 'version' IS DISTINCT FROM to_jsonb(NEW) - 'version')\n",
        "",
    ),
    _sql(
        "a tenant that raw SQL makes leaves no line",
        "TRIGGER tenant_line AFTER INSERT OR DELETE ON",
        "TRIGGER tenant_line AFTER DELETE ON",
    ),
    _sql(
        "a tenant that raw SQL removes leaves no line",
        "TRIGGER tenant_line AFTER INSERT OR DELETE ON",
        "TRIGGER tenant_line AFTER INSERT ON",
    ),
    _sql(
        "what a customer chose, by raw SQL, leaves no line",
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_exit();",
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {NEVER} FUNCTION note_exit();",
    ),
    _sql(
        "an agreement that raw SQL adds leaves no line",
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_agreement();",
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {NEVER} FUNCTION note_agreement();",
    ),
    _sql(
        "an agreement among the terms of its tenant has a second line",
        "IF terms IS NULL OR NOT ours.is_said('agreement', terms, NULL) THEN",
        "IF true THEN",
    ),
    _sql(
        "the line about terms says less than what the catalog knows",
        "        || CASE WHEN a.since <> a.signed THEN to_char(a.since, '\" from \"YYYY-MM-DD') "
        "ELSE '' END\n",
        "",
    ),
    _sql(
        "a step to the end of a contract that raw SQL takes leaves no line",
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.step <> 'erasure')\n",
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (false)\n",
    ),
    _sql(
        "a hold that raw SQL places leaves no line",
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_hold();",
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {NEVER} FUNCTION note_hold();",
    ),
    _sql(
        "a hold that raw SQL confirms leaves no line",
        "WHEN ((OLD.sponsor, OLD.confirmed_by) IS DISTINCT FROM (NEW.sponsor, NEW.confirmed_by))\n",
        "WHEN (false)\n",
    ),
    _sql(
        "a change of a hold that raw SQL approves leaves no line",
        "WHEN (OLD.approved IS NULL AND NEW.approved IS NOT NULL)\n",
        "WHEN (false)\n",
    ),
    _sql(
        "a change of a hold that is requested leaves no line",
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_hold_change();",
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {NEVER} FUNCTION note_hold_change();",
    ),
    _sql(
        "what a hold leaves out has another digest in the catalog",
        "'[' || string_agg(format(",
        "'[ ' || string_agg(format(",
    ),
    _sql(
        "what is replayed has a second line",
        "  SELECT ours.is_recovering() AND ours.person_of_session() IS NULL\n",
        "  SELECT false\n",
    ),
    _sql(
        "any line of the kind stands for a true one",
        "      AND jsonb_strip_nulls(facts) = (",
        "      AND jsonb_strip_nulls(facts) <> (",
    ),
    _sql(
        "a line whose commitment opens to nothing stands for a true one",
        "      AND commitment = ours.line_commitment(salt, text) AND",
        "      AND",
    ),
    _sql(
        "a line about another event stands for a true one",
        "    WHERE (event IS NULL OR substr(uuid_send(id), 7) = ours.end_of_line(event, what))\n"
        "      AND ours",
        "    WHERE ours",
    ),
    _sql(
        "a line of an earlier transaction stands for a true one",
        "number IS NULL AND xmin = pg_current_xact_id()::xid AND kind = what",
        "number IS NULL AND kind = what",
    ),
    _sql(
        "a worker takes off an object that an erasure waits for",
        "    SELECT o.state <> 'gone' AND (d.holds_ranges OR o.size IS NULL)\n",
        "    SELECT false\n",
    ),
    _sql(
        "a worker takes off a copy that an erasure waits for",
        "    SELECT c.state <> 'confirmed' FROM",
        "    SELECT false FROM",
    ),
    _sql(
        "it is forgotten where an object is that an erasure waits for",
        "    SELECT count(*) > 0 FROM ours.erasure_object e",
        "    SELECT false FROM ours.erasure_object e",
    ),
    _sql(
        "an object is noted for another erasure",
        "WHEN ((OLD.erasure_id, OLD.object_id) IS DISTINCT FROM (NEW.erasure_id, NEW.object_id)\n"
        "  OR ",
        "WHEN (",
    ),
    _sql(
        "a pack with what was erased is said to have nothing of it",
        "  OR OLD.holds_ranges AND NEW.holds_ranges IS NOT TRUE)\n",
        ")\n",
    ),
    _sql(
        "a fence goes before its time",
        "  PERFORM ours.check_not_ahead(max(until)) FROM deleted;\n",
        "",
    ),
    _sql(
        "a fence goes before its erasure is complete",
        "    SELECT e.state <> 'complete' FROM",
        "    SELECT false FROM",
    ),
    _sql("a fence is shortened", "WHEN (OLD IS DISTINCT FROM NEW)", "WHEN (false)"),
    _sql(
        "a worker says who stands for a hold",
        "  RETURN ours.insert_hold(new, excluded, NULL, session_user);\n",
        "  RETURN ours.insert_hold(new, excluded, who, by_login);\n",
    ),
    _sql(
        "a person replays a hold",
        "BEGIN\n  PERFORM ours.check_process();\n",
        "BEGIN\n",
        "tests/integration/test_hold_people_sql.py",
    ),
    in_function(
        "a recovery is over in the transaction in which it began",
        "  ELSIF was AND NOT continues AND NEW.declared = here THEN\n",
        "  ELSIF false THEN\n",
        TESTS,
    ),
    _sql("a line of long ago counts", " AND ours.is_recent(at)\n", "\n"),
    _sql("a line that nobody can read counts", "      AND ours.is_readable(own.text::json)\n", ""),
    _sql("a name may be there twice", "count(*) = count(DISTINCT f.key) AND ", ""),
    _sql("a fraction can be read", "~ '^-?[0-9]{1,18}$'", "~ '[0-9]'"),
    _sql("a list of anything can be read", "json_typeof(e.value) <> 'string'", "false"),
    _sql("an object can be read", "IN ('string', 'null')", "<> 'boolean'"),
    _sql("a truth can be read", "IN ('string', 'null')", "<> 'object'"),
    _sql("a line of another kind in its text counts", "'line', id, 'kind', what, ", ""),
    _sql("a line of another time in its text counts", ", 'at', ours.said_moment(at)", ""),
    _sql(
        "a line that says more than nothing counts",
        "WHERE facts ? f.key",
        "WHERE jsonb_strip_nulls(facts) ? f.key",
    ),
    _sql(
        "a line need not say who has its own backends",
        "    'home', given.home, 'dedicated', given.dedicated::integer,\n",
        "",
    ),
)

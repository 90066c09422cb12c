"""Bugs by which what is no name stops a new pseudonym key, or a name without its key does not."""

from tests.mutants.bugs.bug import Bug, bug, in_function

TESTS = "tests/integration/test_sealed_names.py"
NAMES = "ledger/sealed_names.py"
ENVELOPE = "crypto/envelope.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "names are opened though there is no new key",
        "initialize.py",
        "sealed_names.add_pseudonyms(connection, roots, names) if versions else ()",
        "sealed_names.add_pseudonyms(connection, roots, names)",
        TESTS,
    ),
    bug(
        "what is passed over is not named",
        NAMES,
        "    return tuple(failed)\n",
        "    return ()\n",
        TESTS,
    ),
    bug(
        "what is no name stops a new key",
        NAMES,
        "isinstance(error, Corrupt) or root_version",
        "root_version",
        TESTS,
    ),
    bug(
        "a name under a key that opens others stops a new key",
        NAMES,
        "isinstance(error, Corrupt) or root_version(one.name) in right",
        "isinstance(error, Corrupt)",
        TESTS,
    ),
    bug(
        "a name whose root key is missing is passed over",
        NAMES,
        "root_version(one.name) in right:",
        "right:",
        TESTS,
    ),
    bug(
        "a name is passed over, though no key is known to be the right one",
        NAMES,
        "root_version(one.name) in right:",
        "root_version(one.name) == 1:",
        TESTS,
    ),
    bug(
        "a name that another KMS key wrapped is passed over",
        NAMES,
        " - {_BY_KMS}\n",
        " | {_BY_KMS}\n",
        TESTS,
    ),
    bug(
        "a missing root key is retryable",
        NAMES,
        "        missing.retryable = False\n",
        "",
        TESTS,
    ),
    bug(
        "a hold on a region has a name",
        "catalog/holds.py",
        ", h.scope.in_(NAMED))",
        ")",
        TESTS,
    ),
    bug(
        "what cannot be a name is opened",
        ENVELOPE,
        "    if root_version(sealed) is None:\n",
        "    if False:\n",
        TESTS,
    ),
    bug(
        "the command does not name what was passed over",
        "cli/commands/init.py",
        '            print_note(f"  {what}")\n',
        "            pass\n",
        TESTS,
    ),
    bug(
        "a program is not told what was passed over",
        "cli/commands/init.py",
        "document | done | passed_over",
        "document | done",
        TESTS,
    ),
    *(
        in_function(f"what is no name may be one: {new.strip()}", check, new, TESTS)
        for check, new in (
            ("  IF whole < 5 THEN\n", "  IF false THEN\n"),
            ("key NOT BETWEEN 2 AND 6145", "key NOT BETWEEN 2 AND 6146"),
            ("key NOT BETWEEN 2 AND 6145", "key NOT BETWEEN 1 AND 6145"),
            ("get_byte(given, 4) <> 0 AND key <> 61", "false"),
            ("whole < key + 29", "whole < key + 28"),
            ("key::integer + 5, 4) = '\\x00000004'", "key::integer + 5, 2) = '\\x0000'"),
            ("name <= 1024", "name <= 1025"),
            ("    AND whole - key - 29 <= name;\n", ";\n"),
        )
    ),
    in_function(
        "a statement has what is no name",
        "WHEN (NOT ours.is_sealed_name(NEW.sealed_name))",
        "WHEN (false)",
        TESTS,
    ),
    in_function(
        "a hold has what is no name",
        " OR NOT ours.is_sealed_name(NEW.sealed_name) THEN",
        " THEN",
        TESTS,
    ),
    in_function(
        "a hold on a region may have a name",
        "NEW.scope NOT IN ('subject', 'group') OR",
        "false OR",
        TESTS,
    ),
)
